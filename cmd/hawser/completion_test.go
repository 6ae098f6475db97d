package main

import (
	"regexp"
	"strings"
	"testing"
)

// The shells themselves try the scripts in e2e; here it is only seen that nothing is missing.

// TestCompletionHasEverything: every verb with every flag, in each shell's way of writing it.
func TestCompletionHasEverything(t *testing.T) {
	withValues := 0
	for _, shell := range shells {
		code, script, stderr := hawser(t, "completion", shell)
		if code != exitOK || stderr != "" {
			t.Errorf("%s: exit code %d, said %q", shell, code, stderr)
		}
		for _, v := range allVerbs() {
			part := script
			switch shell {
			case "fish":
				line := regexp.MustCompile(`(?m)^complete .*'__hawser_(at|behind) ` + v.name + `' .*$`)
				part = strings.Join(line.FindAllString(script, -1), "\n")
			default:
				_, part, _ = strings.Cut(script, "  '"+v.name+"'' '*)\n")
				part, _, _ = strings.Cut(part, "\n    ;;")
			}
			for _, f := range append(v.flags(), helpFlag) {
				name := regexp.QuoteMeta(f.name)
				if shell == "fish" {
					name = " -[ls] " + strings.TrimLeft(f.name, "-")
				}
				if !regexp.MustCompile(`(?m)` + name + `($|[ '=\[])`).MatchString(part) {
					t.Errorf("%s: %s of %s is missing in\n%s", shell, f.name, v.name, part)
				}
				if values := f.choices(); values != nil {
					pattern := name + `\b.*[( ']` + strings.Join(values, " ") + `[)']`
					if !regexp.MustCompile(pattern).MatchString(part) {
						t.Errorf("%s: the values of %s of %s are missing in\n%s", shell, f.name, v.name, part)
					}
					withValues++
				}
			}
			words, _ := v.words()
			for _, word := range words {
				if !strings.Contains(part, word) {
					t.Errorf("%s: %s behind %s is missing in\n%s", shell, word, v.name, part)
				}
			}
		}
		if strings.Contains(script, "%!") {
			t.Errorf("%s: a mistake in a format:\n%s", shell, script)
		}
	}
	if withValues < 3*len(shells) {
		t.Errorf("%d flags have values in the scripts of all shells; want those of --log, --log-level and --fail-on", withValues)
	}
}

func TestCompletionUsage(t *testing.T) {
	for says, args := range map[string][]string{
		"the shell is missing: bash, zsh or fish": {"completion"},
		`"tcsh" is none of bash, zsh, fish`:       {"completion", "tcsh"},
		`unexpected argument "zsh"`:               {"completion", "bash", "zsh"},
	} {
		code, stdout, stderr := hawser(t, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "hawser completion: "+says) {
			t.Errorf("%q: exit code %d, printed %q, said %q", args, code, stdout, stderr)
		}
	}
}

// TestCompletionQuotes: what a text has in it means nothing to the shell.
func TestCompletionQuotes(t *testing.T) {
	f := flagInfo{name: "--x", kind: "HOST:PORT", text: "a 'b' [c]: $d\nmore"}
	for got, want := range map[string]string{
		shellQuote("it's $x"):  `'it'\''s $x'`,
		fishQuote(`it's \ $x`): `'it\'s \\ $x'`,
		zshFlag(f):             `*--x=[a 'b' [c\]\: $d more]:HOST\:PORT: `,
		zshFlag(flagInfo{name: "-n", kind: "N", text: "count"}):      `*-n[count]:N: `,
		zshFlag(flagInfo{name: "--log", kind: "a|b", text: "as"}):    `*--log=[as]:a|b:(a b)`,
		zshFlag(flagInfo{name: "-v", text: "tell"}):                  `*-v[tell]`,
		zshFlag(flagInfo{name: "--out", kind: "DIR", text: "out"}):   `*--out=[out]:DIR:_files`,
		zshChoices([]string{"a", "b"}, []string{`x "y" (z): w`, ""}): `a\:"x \"y\" \(z\)\: w" b\:""`,
	} {
		if got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}

// TestFlagSummary: it ends where a clause does.
func TestFlagSummary(t *testing.T) {
	filler := strings.Repeat("x", 40)
	for text, want := range map[string]string{
		"a b,\nc; d (e) f": "a b, c; d (e) f",
		filler + ", the one that\nnobody wants; " + filler:       filler + ", the one that nobody wants",
		filler + ", " + filler + "x, or this":                    filler,
		filler + " (a, b; " + filler + "), c":                    filler,
		filler + " (a, b; c), " + filler:                         filler + " (a, b; c)",
		filler + filler + "x yz, and more: yes":                  filler + filler + "x yz",
		filler + " HOST:PORT, " + filler + ";" + filler:          filler + " HOST:PORT",
		filler + filler + filler:                                 filler + filler + filler,
		strings.Repeat("ü", 40) + ": " + strings.Repeat("ü", 38): strings.Repeat("ü", 40) + ": " + strings.Repeat("ü", 38),
	} {
		if got := (flagInfo{text: text}).summary(); got != want {
			t.Errorf("%q becomes %q; want %q", text, got, want)
		}
	}
	for _, v := range allVerbs() {
		for _, f := range v.flags() {
			text, summary := strings.Join(strings.Fields(f.text), " "), f.summary()
			rest, found := strings.CutPrefix(text, summary)
			if !found || rest != "" && !regexp.MustCompile(`^([;:,.] | \()`).MatchString(rest) ||
				strings.Count(summary, "(") != strings.Count(summary, ")") || len(summary) > 100 {
				t.Errorf("%s of %s: %q is cut behind %q", f.name, v.name, text, summary)
			}
		}
	}
}
