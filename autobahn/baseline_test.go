package autobahn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A baseline decides about the cases that it has: the same and better grades pass, any other ones fall short.
func TestBaseline(t *testing.T) {
	for _, tt := range []struct {
		was, is string
		passed  bool
		better  bool
	}{
		{"OK OK", "OK OK", true, false},
		{"FAILED OK", "FAILED OK", true, false},
		{"OK UNCLEAN", "OK UNCLEAN", true, false},
		{"FAILED OK", "OK OK", true, true},
		{"FAILED UNCLEAN", "FAILED OK", true, true},
		{"FAILED OK", "NON-STRICT OK", true, true},
		{"UNIMPLEMENTED OK", "NON-STRICT OK", true, true},
		{"NON-STRICT OK", "OK INFORMATIONAL", true, true},
		{"OK OK", "NON-STRICT OK", false, false},
		{"OK OK", "FAILED OK", false, false},
		{"NON-STRICT OK", "UNIMPLEMENTED OK", false, false},
		{"UNIMPLEMENTED OK", "FAILED OK", false, false},
		{"FAILED OK", "OK UNCLEAN", false, false},
		{"OK UNCLEAN", "OK WRONG_CODE", false, false},
		{"OK OK", "OK INFORMATIONAL", false, false},
	} {
		j := Judge{Rules: UsualRules, Baseline: Baseline{"ws": graded("1.1.1 " + tt.was)}}
		s := j.Judge(Index{"ws": graded("1.1.1 " + tt.is)})
		if a := s.Agents[0]; (s.Verdict == Passed) != tt.passed || (len(a.Better) > 0) != tt.better {
			t.Errorf("%s was, %s is: %s, better %v", tt.was, tt.is, s.Verdict, a.Better)
		}
	}
	j := Judge{Rules: UsualRules, Baseline: Baseline{"ws": graded("1.1.1 NON-STRICT OK", "1.1.2 FAILED OK")}}
	s := j.Judge(Index{"ws": graded("1.1.1 FAILED OK", "1.1.2 OK OK")})
	saysInOrder(t, s, "behavior FAILED, close OK; the baseline has NON-STRICT, close OK\n",
		"ws: 1 case is better than the baseline: 1.1.2 (--update-baseline keeps that)\n")
}

// A case that the baseline has and the report has not is missing, unless others were wanted; one that the baseline has
// not is judged by the rules.
func TestBaselineHasOtherCases(t *testing.T) {
	j := Judge{Rules: UsualRules, Baseline: Baseline{"ws": graded("1.1.1 OK OK", "1.1.2 OK OK")}}
	s := j.Judge(Index{"ws": graded("1.1.1 OK OK", "2.1 FAILED OK", "2.2 NON-STRICT OK")})
	a := s.Agents[0]
	if !slices.Equal(a.Missing, []string{"1.1.2"}) || len(a.FellShort) != 1 || a.FellShort[0].ID != "2.1" {
		t.Errorf("missing %q, fell short %+v", a.Missing, a.FellShort)
	}
	j.Want = wantIDs("1.1.1")
	if s := j.Judge(Index{"ws": graded("1.1.1 OK OK")}); s.Verdict != Passed {
		t.Errorf("one case was wanted: %+v", s)
	}
}

// The only agent may be called otherwise than in the baseline; among several the name decides.
func TestBaselineAndNamesOfAgents(t *testing.T) {
	bad := graded("1.1.1 FAILED OK")
	j := Judge{Rules: UsualRules, Baseline: Baseline{"ws/8.1": bad}}
	if s := j.Judge(Index{"ws/8.2": bad}); s.Verdict != Passed || len(s.Notes) > 0 {
		t.Errorf("another version: %+v", s)
	}
	s := j.Judge(Index{"ws/8.2": bad, "other": bad})
	if s.Verdict != FellShort || len(s.Agents[0].FellShort)+len(s.Agents[1].FellShort) != 2 {
		t.Errorf("two agents: %+v", s)
	}
	saysInOrder(t, s, `note: the baseline has no agent "other"`, `note: the baseline has no agent "ws/8.2"`)
	j.Baseline["other"] = graded("1.1.1 OK OK")
	if s := j.Judge(Index{"other": bad}); s.Verdict != FellShort || s.Agents[0].FellShort[0].Expected == "" {
		t.Errorf("by its name: %+v", s)
	}
}

// A file is made, and then kept up: what was not run stays, and durations do not come into it.
func TestUpdateBaseline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "grades.json")
	code := 1000
	update := func(x Index) string {
		t.Helper()
		if err := UpdateBaseline(file, x); err != nil {
			t.Fatal(err)
		}
		p, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(p)
	}
	got := update(Index{"ws/1": {"1.1.10": {OK, OK, 3, &code, "x"}, "1.1.9": {NonStrict, WrongCode, 4, nil, "y"}}})
	want := `{
   "ws/1": {
      "1.1.9": {"behavior": "NON-STRICT", "behaviorClose": "WRONG CODE"},
      "1.1.10": {"behavior": "OK", "behaviorClose": "OK"}
   }
}
`
	if got != want {
		t.Errorf("made:\n%swant\n%s", got, want)
	}
	got = update(Index{"ws/2": graded("1.1.9 OK OK")})
	want = strings.NewReplacer("ws/1", "ws/2", "NON-STRICT", "OK", "WRONG CODE", "OK").Replace(want)
	if got != want {
		t.Errorf("kept up:\n%swant\n%s", got, want)
	}
	got = update(Index{"ws/2": graded("1.1.9 OK OK"), "b": graded("2.1 OK OK")})
	if !strings.Contains(got, `"b": {`) || !strings.Contains(got, `"1.1.10"`) {
		t.Errorf("with another agent:\n%s", got)
	}
	if err := os.WriteFile(file, []byte("[]"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := UpdateBaseline(file, Index{"a": graded("1.1.1 OK OK")}); err == nil {
		t.Error("a file that is no baseline was replaced")
	}
}
