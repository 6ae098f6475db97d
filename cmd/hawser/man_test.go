package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestManHasEverything: what help shows, of every verb.
func TestManHasEverything(t *testing.T) {
	code, stdout, stderr := hawser(t, "man")
	if code != exitOK || stderr != "" || !strings.HasPrefix(stdout, `.TH "HAWSER" "1" `) {
		t.Errorf("exit code %d, said %q, printed %.100q", code, stderr, stdout)
	}
	for _, v := range allVerbs() {
		_, section, found := strings.Cut(stdout, "\n.SH \""+strings.ToUpper(v.name)+"\"\n")
		section, _, _ = strings.Cut(section, "\n.SH ")
		if !found || !strings.Contains(section, `.B "`+roff(v.usage())+"\"\n") || !strings.Contains(section, roff(v.summary)) {
			t.Errorf("no section on %s, or not all of it: %q", v.name, section)
		}
		for _, f := range v.flags() {
			if !strings.Contains(section, ".TP\n.B \""+strings.TrimSpace(roff(f.name+" "+f.kind))+"\"\n") {
				t.Errorf("%s of %s is missing in %q", f.name, v.name, section)
			}
		}
		for line := range strings.Lines(strings.TrimSpace(v.help)) {
			if line = strings.TrimSpace(line); !strings.Contains(section, strings.TrimPrefix(roff(line), ".")) {
				t.Errorf("%q is missing on %s", line, v.name)
			}
		}
	}
}

// TestManIsRoff: in ASCII, with the macros of man(7) only.
func TestManIsRoff(t *testing.T) {
	_, stdout, _ := hawser(t, "man")
	macro := regexp.MustCompile(`^\.(TH|SH|SS|PP|TP|B|RS|RE|nf|fi)( "[^"]*")*$`)
	filled := true
	for line := range strings.Lines(stdout) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) >= 0:
			t.Errorf("not ASCII: %q", line)
		case strings.HasPrefix(line, ".") && !macro.MatchString(line), strings.HasPrefix(line, "'"):
			t.Errorf("a macro that is none: %q", line)
		case line == ".nf" && !filled, line == ".fi" && filled:
			t.Errorf("%s inside of itself", line)
		case line == ".nf", line == ".fi":
			filled = !filled
		case line == "":
			t.Error("an empty line, where a macro has to be")
		}
	}
	if !filled {
		t.Error("lines are not filled at the end")
	}
}

func TestRoff(t *testing.T) {
	var written strings.Builder
	p := &page{&written}
	p.text(".TH 'x'")
	p.text(`a-b \ ^~` + "` …")
	p.macro("B", `--x "y"`)
	want := `\&.TH \(aqx\(aq` + "\n" + `a\-b \e \(ha\(ti\(ga \[u2026]` + "\n" + `.B "\-\-x \(dqy\(dq"` + "\n"
	if written.String() != want {
		t.Errorf("%s; want %s", written.String(), want)
	}
}
