package autobahn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// graded returns entries of cases with the grades that follow their ids: "1.1 OK OK", with _ for a space in a grade.
func graded(lines ...string) map[string]IndexEntry {
	cases := map[string]IndexEntry{}
	for _, line := range lines {
		f := strings.Fields(line)
		for i := range f {
			f[i] = strings.ReplaceAll(f[i], "_", " ")
		}
		cases[f[0]] = IndexEntry{Behavior: Grade(f[1]), BehaviorClose: Grade(f[2])}
	}
	return cases
}

// wantIDs is a Want of the same cases for every agent.
func wantIDs(ids ...string) func(string) []string { return func(string) []string { return ids } }

// What falls short is listed in the order of the cases, with its reason; what passed is counted.
func TestSummaryOfGrades(t *testing.T) {
	for name, tt := range map[string]struct {
		cases   map[string]IndexEntry
		verdict Verdict
		says    []string
	}{
		"passed":        {graded("10.1.1 OK OK"), Passed, []string{"ws: 1 case (1 OK; close: 1 OK), 0 fell short\npassed\n"}},
		"informational": {graded("10.1.1 INFORMATIONAL OK"), Passed, []string{"(1 INFORMATIONAL; close: 1 OK)"}},
		"close informs": {graded("10.1.1 OK INFORMATIONAL"), Passed, []string{"0 fell short"}},
		"non-strict": {graded("10.1.1 OK OK", "6.4.1 NON-STRICT OK"), FellShort, []string{
			"case 6.4.1    behavior NON-STRICT, close OK\n     why 6.4.1\n",
			"(1 OK, 1 NON-STRICT; close: 2 OK), 1 fell short\nfell short\n"}},
		"failed": {graded("10.1.1 FAILED OK"), FellShort,
			[]string{"behavior FAILED, close OK\n     why 10.1.1\nws"}},
		"unimplemented": {graded("10.1.1 UNIMPLEMENTED OK"), FellShort, []string{"behavior UNIMPLEMENTED"}},
		"close failed": {graded("10.1.1 OK FAILED"), FellShort,
			[]string{"behavior OK, close FAILED\n     end 10.1.1\nws"}},
		"both failed":      {graded("10.1.1 FAILED FAILED"), FellShort, []string{"     why 10.1.1\n     end 10.1.1\n"}},
		"wrong code":       {graded("10.1.1 OK WRONG_CODE"), FellShort, []string{"behavior OK, close WRONG CODE"}},
		"unclean":          {graded("10.1.1 OK UNCLEAN"), FellShort, []string{"close UNCLEAN"}},
		"failed by client": {graded("10.1.1 OK FAILED_BY_CLIENT"), FellShort, []string{"close FAILED BY CLIENT"}},
		"unknown grade":    {graded("10.1.1 EXCELLENT OK"), FellShort, []string{"behavior EXCELLENT", "(1 EXCELLENT;"}},
		"in order": {graded("10.1.1 FAILED OK", "9.1.10 FAILED OK", "9.1.9 FAILED OK"), FellShort, []string{
			"case 9.1.9 ", "case 9.1.10 ", "case 10.1.1 ", "3 fell short"}},
		"nothing": {graded(), Passed, []string{"ws: 0 cases (none; close: none), 0 fell short"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := Judge{Rules: StrictRules, Why: func(agent, id string) (string, string) { return "why " + id, "end " + id }}
			s := j.Judge(Index{"ws": tt.cases})
			if s.Verdict != tt.verdict {
				t.Errorf("the verdict is %q, want %q", s.Verdict, tt.verdict)
			}
			saysInOrder(t, s, tt.says...)
		})
	}
}

// saysInOrder fails unless the summary has all texts, one behind the other.
func saysInOrder(t *testing.T, s *Summary, texts ...string) {
	t.Helper()
	var out strings.Builder
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, text := range texts {
		var ok bool
		if _, rest, ok = strings.Cut(rest, text); !ok {
			t.Fatalf("it said\n%s\nwithout %q, or not in this order", out.String(), text)
		}
	}
}

// One agent's failure is the report's, wherever it stands.
func TestEveryAgentIsJudged(t *testing.T) {
	good, bad := graded("1.1.1 OK OK"), graded("1.1.1 FAILED OK")
	for _, x := range []Index{{"a": bad, "b": good}, {"a": good, "b": bad}} {
		if s := (Judge{Rules: UsualRules}).Judge(x); s.Verdict != FellShort || len(s.Agents) != 2 {
			t.Errorf("%v: %+v", x, s)
		}
	}
}

// A case that was wanted and has no result falls short; one that was not wanted is not looked at.
func TestMissingCasesFallShort(t *testing.T) {
	x := Index{"ws": graded("1.1.1 OK OK", "2.1 FAILED OK")}
	s := Judge{Rules: UsualRules, Want: wantIDs("1.1.1", "1.1.2", "9.1.1")}.Judge(x)
	if got := s.Agents[0]; s.Verdict != FellShort || got.Cases != 1 || len(got.FellShort) != 0 ||
		!slices.Equal(got.Missing, []string{"1.1.2", "9.1.1"}) {
		t.Errorf("%+v", s)
	}
	saysInOrder(t, s, "ws: 2 cases are missing: 1.1.2 9.1.1\n", "1 case (1 OK;", "2 fell short")
	if s := (Judge{Rules: UsualRules, Want: wantIDs("1.1.1")}).Judge(x); s.Verdict != Passed {
		t.Errorf("the case that was not wanted was judged: %+v", s)
	}
	var many []string
	for n := range 20 {
		many = append(many, fmt.Sprintf("1.1.%d", n+1))
	}
	saysInOrder(t, Judge{Want: wantIDs(many...)}.Judge(x), "19 cases are missing: 1.1.2 ", " 1.1.13 and 7 more\n")
}

// What a peer has put into a name or a reason does not reach the terminal as it is.
func TestSummaryIsPlainText(t *testing.T) {
	const evil = "\x1b[2J\r\u202e\u009b"
	j := Judge{Rules: UsualRules, Why: func(string, string) (string, string) { return evil, evil + "x" }}
	s := j.Judge(Index{"a" + evil: {"1.1.1": {Behavior: Failed, BehaviorClose: "BAD" + evil}}})
	s.Notes = []string{evil}
	var out strings.Builder
	s.Print(&out)
	if strings.ContainsAny(out.String(), evil[:1]+"\r\u202e\u009b") {
		t.Errorf("it printed %q", out.String())
	}
}

// The summary's JSON has the counts, what failed and why.
func TestSummaryAsJSON(t *testing.T) {
	j := Judge{Rules: UsualRules, Want: wantIDs("1.1.1", "1.1.2", "1.1.3"),
		Why: func(string, string) (string, string) { return "no echo", "no Close" }}
	p, err := json.Marshal(j.Judge(Index{"ws": graded("1.1.1 OK OK", "1.1.2 FAILED UNCLEAN")}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"verdict":"fell short","agents":[{"agent":"ws","cases":2,"behavior":{"FAILED":1,"OK":1},` +
		`"behaviorClose":{"OK":1,"UNCLEAN":1},"failed":[{"id":"1.1.2","behavior":"FAILED","behaviorClose":"UNCLEAN",` +
		`"reason":"no echo","reasonClose":"no Close"}],"missing":["1.1.3"]}]}`
	if string(p) != want {
		t.Errorf("got  %s\nwant %s", p, want)
	}
}

func TestDiff(t *testing.T) {
	report := Index{"kit": graded("1.1.1 OK OK", "2.1 FAILED OK", "3.1 OK OK", "9.1 OK OK")}
	other := Index{"original": graded("1.1.1 OK OK", "2.1 OK OK", "3.1 OK UNCLEAN", "4.1 OK OK")}
	var out strings.Builder
	if err := PrintDiff(&out, report, other, nil); err != nil {
		t.Fatal(err)
	}
	want := `differs: case 2.1      FAILED, close OK; in the other report OK, close OK
differs: case 3.1      OK, close OK; in the other report OK, close UNCLEAN
differs: case 4.1      not run; in the other report OK, close OK
differs: case 9.1      OK, close OK; in the other report not run
kit: 4 of 5 cases differ from the other report
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	PrintDiff(&out, report, other, wantIDs("1.1.1", "12.1.1"))
	if want := "kit: 0 of 2 cases differ from the other report\n"; out.String() != want {
		t.Errorf("of some cases: %s", out.String())
	}
}
