package autobahn

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A Judge says whether a report is good enough.
type Judge struct {
	Rules    Rules
	Baseline Baseline // what is expected instead of what the rules say; nil: nothing

	// Want returns the cases that an agent has to have a result of; others are not looked at. If it is nil, all cases
	// of the report and of the baseline are judged.
	Want func(agent string) []string

	// Why returns the reasons for the grades of a case, where they are known. It may be nil.
	Why func(agent, id string) (behavior, end string)
}

// A Summary is what a Judge says.
type Summary struct {
	Verdict Verdict        `json:"verdict"`
	Agents  []AgentSummary `json:"agents"`
	Errors  []string       `json:"errors,omitempty"` // why the verdict is Incomplete
	Notes   []string       `json:"notes,omitempty"`
}

// A Verdict is the one word on a report.
type Verdict string

// The verdicts.
const (
	Passed     Verdict = "passed"
	FellShort  Verdict = "fell short"
	Incomplete Verdict = "incomplete" // a run has not come to its end: see Summary.Abort
)

// Abort notes that what was judged is not the whole run, because of errs.
func (s *Summary) Abort(errs ...string) {
	s.Verdict = Incomplete
	s.Errors = append(s.Errors, errs...)
}

// An AgentSummary is a Judge's word on one agent.
type AgentSummary struct {
	Agent     string        `json:"agent"`
	Cases     int           `json:"cases"` // that have a result
	Behavior  map[Grade]int `json:"behavior"`
	Close     map[Grade]int `json:"behaviorClose"`
	FellShort []Shortfall   `json:"failed"`
	Missing   []string      `json:"missing"`
	Better    []string      `json:"better,omitempty"` // than the baseline

	judged []string // all cases, in their order
}

// A Shortfall is a case that is not good enough.
type Shortfall struct {
	ID            string `json:"id"`
	Behavior      Grade  `json:"behavior"`
	BehaviorClose Grade  `json:"behaviorClose"`
	Reason        string `json:"reason,omitempty"`
	ReasonClose   string `json:"reasonClose,omitempty"`
	Expected      string `json:"baseline,omitempty"` // where the baseline decided
}

// Judge judges all agents of a report.
func (j Judge) Judge(report Index) *Summary {
	s := &Summary{Verdict: Passed, Agents: []AgentSummary{}}
	for _, agent := range report.Agents() {
		expected := j.Baseline.of(agent, len(report))
		if j.Baseline != nil && expected == nil {
			s.Notes = append(s.Notes, fmt.Sprintf("the baseline has no agent %q", agent))
		}
		a := j.judgeAgent(agent, report[agent], expected)
		if len(a.FellShort)+len(a.Missing) > 0 {
			s.Verdict = FellShort
		}
		s.Agents = append(s.Agents, a)
	}
	return s
}

// judgeAgent judges the cases of one agent, of which a baseline may expect grades.
func (j Judge) judgeAgent(agent string, cases, expected map[string]IndexEntry) AgentSummary {
	a := AgentSummary{
		Agent: agent, Behavior: map[Grade]int{}, Close: map[Grade]int{}, FellShort: []Shortfall{}, Missing: []string{},
		judged: j.wanted(agent, cases, expected),
	}
	for _, id := range a.judged {
		e, ok := cases[id]
		if !ok {
			a.Missing = append(a.Missing, id)
			continue
		}
		a.Cases++
		a.Behavior[e.Behavior]++
		a.Close[e.BehaviorClose]++
		want, known := expected[id]
		switch {
		case known && betterThan(e, want):
			a.Better = append(a.Better, id)
		case known && sameGrades(e, want):
		case known || !j.Rules.Pass(e.Behavior, e.BehaviorClose):
			short := Shortfall{ID: id, Behavior: e.Behavior, BehaviorClose: e.BehaviorClose}
			if j.Why != nil {
				short.Reason, short.ReasonClose = j.Why(agent, id)
			}
			if known {
				short.Expected = fmt.Sprintf("%s, close %s", want.Behavior, want.BehaviorClose)
			}
			a.FellShort = append(a.FellShort, short)
		}
	}
	return a
}

// wanted returns the cases to judge, in their order.
func (j Judge) wanted(agent string, cases, expected map[string]IndexEntry) []string {
	if j.Want != nil {
		return j.Want(agent)
	}
	all := maps.Clone(cases)
	maps.Copy(all, expected)
	return slices.SortedFunc(maps.Keys(all), compareIDs)
}

// Print writes the summary for people: what fell short, case by case, then a line for each agent. Errors it leaves to
// whoever had them.
func (s *Summary) Print(w io.Writer) error {
	var b strings.Builder
	for _, a := range s.Agents {
		for _, f := range a.FellShort {
			f.print(&b)
		}
		if len(a.Missing) > 0 {
			fmt.Fprintf(&b, "%s: %s missing: %s\n", plain(a.Agent), are(len(a.Missing)), shorten(a.Missing))
		}
		if len(a.Better) > 0 {
			fmt.Fprintf(&b, "%s: %s better than the baseline: %s (--update-baseline keeps that)\n",
				plain(a.Agent), are(len(a.Better)), shorten(a.Better))
		}
		fmt.Fprintf(&b, "%s: %s (%s; close: %s), %d fell short\n",
			plain(a.Agent), countCases(a.Cases), countGrades(a.Behavior), countGrades(a.Close), len(a.FellShort)+len(a.Missing))
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&b, "note: %s\n", plain(note))
	}
	_, err := fmt.Fprintf(w, "%s%s\n", b.String(), s.Verdict)
	return err
}

// print writes a case that fell short, with the reasons that are behind its bad grades.
func (f Shortfall) print(b *strings.Builder) {
	fmt.Fprintf(b, "case %-8s behavior %s, close %s", f.ID, plain(string(f.Behavior)), plain(string(f.BehaviorClose)))
	if f.Expected != "" {
		fmt.Fprintf(b, "; the baseline has %s", plain(f.Expected))
	}
	b.WriteByte('\n')
	if !isBest(f.Behavior) && f.Reason != "" {
		fmt.Fprintf(b, "     %s\n", plain(f.Reason))
	}
	if !isBest(f.BehaviorClose) && f.ReasonClose != "" && f.ReasonClose != f.Reason {
		fmt.Fprintf(b, "     %s\n", plain(f.ReasonClose))
	}
}

// countCases returns text such as "2 cases".
func countCases(n int) string {
	if n == 1 {
		return "1 case"
	}
	return fmt.Sprintf("%d cases", n)
}

// are returns text such as "2 cases are".
func are(n int) string {
	if n == 1 {
		return "1 case is"
	}
	return countCases(n) + " are"
}

// gradeOrder is the order in which grades are counted.
var gradeOrder = []Grade{
	OK, Informational, NonStrict, Unimplemented, WrongCode, Unclean, FailedByClient, Failed,
}

// countGrades returns text such as "512 OK, 3 INFORMATIONAL".
func countGrades(counts map[Grade]int) string {
	if len(counts) == 0 {
		return "none"
	}
	var texts []string
	for _, g := range sortedGrades(counts) {
		texts = append(texts, fmt.Sprintf("%d %s", counts[g], plain(string(g))))
	}
	return strings.Join(texts, ", ")
}

// sortedGrades returns the grades that are counted: the known ones from good to bad, then others.
func sortedGrades(counts map[Grade]int) []Grade {
	place := func(g Grade) int {
		if i := slices.Index(gradeOrder, g); i >= 0 {
			return i
		}
		return len(gradeOrder)
	}
	return slices.SortedFunc(maps.Keys(counts), func(a, b Grade) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
}

// shorten lists at most a dozen ids.
func shorten(ids []string) string {
	const most = 12
	if len(ids) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], " "), len(ids)-most)
	}
	return strings.Join(ids, " ")
}

// plain returns what a terminal may show of text that came from a peer or a file.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r == 0xfeff {
			return '�'
		}
		return r
	}, s)
}
