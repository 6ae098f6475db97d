package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestHelpListsEveryVerb: the overview is the same however it is asked for.
func TestHelpListsEveryVerb(t *testing.T) {
	for _, arg := range []string{"help", "--help", "-help", "-h"} {
		code, stdout, stderr := hawser(t, arg)
		if code != exitOK || stderr != "" {
			t.Errorf("hawser %s: exit code %d, said %q", arg, code, stderr)
		}
		for _, v := range verbs {
			if !strings.Contains(stdout, "\n  "+v.name+" ") || !strings.Contains(stdout, v.summary) {
				t.Errorf("hawser %s prints nothing on %s:\n%s", arg, v.name, stdout)
			}
		}
	}
}

// TestConformREADME: the page on conformance has every flag, and what it names in a checkout of this project is there.
func TestConformREADME(t *testing.T) {
	p, err := os.ReadFile("../../autobahn/README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(p)
	for _, v := range conformVerb.subs {
		fs := v.flagSet()
		v.setup(fs)
		fs.VisitAll(func(f *flag.Flag) {
			if !regexp.MustCompile(`--?` + f.Name + `\b`).MatchString(page) {
				t.Errorf("nothing on -%s of %s", f.Name, v.name)
			}
		})
	}
	places := regexp.MustCompile(`hawser/(autobahn/[\w./]+)`).FindAllStringSubmatch(page, -1)
	if len(places) == 0 {
		t.Error("no path in a checkout")
	}
	for _, place := range places {
		if _, err := os.Stat("../../" + place[1]); err != nil {
			t.Error(err)
		}
	}
}

// allVerbs returns the verbs and what they consist of.
func allVerbs() (all []verb) {
	for _, v := range verbs {
		all = append(append(all, v), v.subs...)
	}
	return all
}

// TestHelpOfAVerb: its flags, each with what it is for, and examples, the same however it is asked for.
func TestHelpOfAVerb(t *testing.T) {
	for _, v := range allVerbs() {
		t.Run(v.name, func(t *testing.T) {
			words := strings.Fields(v.name)
			code, stdout, stderr := hawser(t, append([]string{"help"}, words...)...)
			if code != exitOK || stderr != "" {
				t.Errorf("exit code %d, said %q", code, stderr)
			}
			if !strings.HasPrefix(stdout, v.name+": "+v.summary+"\n") || !strings.Contains(stdout, "\nUsage: hawser "+v.name) {
				t.Errorf("printed %q", stdout)
			}
			fs := v.flagSet()
			v.setup(fs)
			fs.VisitAll(func(f *flag.Flag) {
				if !regexp.MustCompile(`\n  --?` + f.Name + `( \S+)?\n      \w`).MatchString(stdout) {
					t.Errorf("-%s is not explained in\n%s", f.Name, stdout)
				}
			})
			if v.name != "version" && !regexp.MustCompile(`\nExamples?:\n  hawser `).MatchString(stdout) {
				t.Errorf("no example in\n%s", stdout)
			}
			if _, same, _ := hawser(t, append(words, "--help")...); same != stdout {
				t.Errorf("hawser %s --help prints\n%s", v.name, same)
			}
		})
	}
}

// TestHelpFitsTheScreen: no line is longer than 120 columns.
func TestHelpFitsTheScreen(t *testing.T) {
	var all strings.Builder
	printOverview(&all)
	for _, v := range allVerbs() {
		v.print(&all)
	}
	for line := range strings.Lines(all.String()) {
		if len(strings.TrimSuffix(line, "\n")) > 120 {
			t.Errorf("longer than 120 columns: %q", line)
		}
	}
}

// TestExamplesParse: what the help shows as an example is a command line that hawser takes.
func TestExamplesParse(t *testing.T) {
	example := regexp.MustCompile(`(?m)^  (?:[^\n]*\| )?hawser ([^|#>\n]*)`)
	for _, v := range allVerbs() {
		found := false
		for _, m := range example.FindAllStringSubmatch(v.help, -1) {
			args := words(m[1])
			of, ok := findVerb(args[0])
			if !ok {
				t.Errorf("example of %s: no verb %q", v.name, args[0])
				continue
			}
			of, args = of.descend(args[1:])
			fs := of.flagSet()
			of.setup(fs)
			if rest, err := parseAnywhere(fs, args); err != nil || len(rest) > of.maxArgs {
				t.Errorf("example of %s: %q: arguments %q, %v", v.name, m[0], rest, err)
			}
			found = found || strings.HasPrefix(of.name, v.name)
		}
		if !found && v.help != "" {
			t.Errorf("%s: no example of its own", v.name)
		}
	}
}

// words splits a command line as the shell does, as far as examples have quotes.
func words(line string) (words []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|\S+`).FindAllStringSubmatch(line, -1) {
		words = append(words, strings.Trim(m[0], "'"))
	}
	return words
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		code, stdout, stderr := hawser(t, arg)
		if code != exitOK || stderr != "" || !regexp.MustCompile(`^hawser \S+ go1\.\S+ \w+/\w+\n$`).MatchString(stdout) {
			t.Errorf("hawser %s: exit code %d, printed %q, said %q", arg, code, stdout, stderr)
		}
	}
}

// TestFlagsAndArgumentsMix: flags may stand before, between and behind the arguments.
func TestFlagsAndArgumentsMix(t *testing.T) {
	for _, row := range []struct{ args, rest, n string }{
		{"", "", "0"},
		{"a b", "a b", "0"},
		{"-n 1 a b", "a b", "1"},
		{"a -n 2 b", "a b", "2"},
		{"a b --n=3", "a b", "3"},
		{"-n 4 -n 5", "", "5"},
		{"-n 6 -- -n 7", "-n 7", "6"},
		{"a -- -n 8", "a -n 8", "0"},
		{"-- --", "--", "0"},
		{"- a", "- a", "0"},
		{"-m -- a -n 9", "a", "9"}, // a value, whatever it looks like
		{"-m -- -- -n 1", "-n 1", "0"},
		{"-m=-- a", "a", "0"},
		{"-m -n 1", "1", "0"},
		{"--m - -n 1", "", "1"},
		{"-v -- -n 1", "-n 1", "0"}, // a truth takes no value from behind it
		{"-v a -v=false b", "a b", "0"},
	} {
		fs := verb{name: "test"}.flagSet()
		n := fs.Int("n", 0, "")
		fs.String("m", "", "")
		fs.Bool("v", false, "")
		rest, err := parseAnywhere(fs, strings.Fields(row.args))
		if got := strings.Join(rest, " "); err != nil || got != row.rest || fs.Lookup("n").Value.String() != row.n {
			t.Errorf("%q: rest %q, n %d, %v; want %q, %s", row.args, got, *n, err, row.rest, row.n)
		}
	}
}
