package autobahn

import (
	"crypto/sha1"
	_ "embed"
	"fmt"
	"strings"
	"testing"
)

// TestCasesAreTheOriginals compares every case with what is known of the original's.
func TestCasesAreTheOriginals(t *testing.T) {
	var want []string
	for _, l := range tableLines(facts) {
		want = append(want, l.text)
	}
	cases := Cases()
	if len(cases) != 517 || len(want) != 517 {
		t.Fatalf("%d cases, %d facts", len(cases), len(want))
	}
	for i, c := range cases {
		if got := factsOf(c); got != want[i] || c.Number != i+1 {
			t.Errorf("number %d:\n got %s\nwant %s", c.Number, got, want[i])
		}
	}
}

//go:embed testdata/facts.txt
var facts string

func factsOf(c *Case) string {
	var steps, events []string
	if r := c.Rounds; r != nil {
		steps = roundsFacts(c, r)
	}
	for _, s := range c.Steps {
		steps = append(steps, stepFacts(s))
	}
	for _, g := range []Grade{OK, NonStrict} {
		for _, list := range c.Expected[g] {
			events = append(events, string(g)+"="+eventFacts(list))
		}
	}
	if events == nil {
		events = []string{"-"}
	}
	end := map[bool]string{true: "kit", false: "peer"}[c.Close.ClosedByMe]
	for _, f := range []struct {
		on   bool
		name string
	}{{c.Close.RequireClean, " clean"}, {c.Close.WrongIsFatal, " fatal"}} {
		if f.on {
			end += f.name
		}
	}
	end += " " + strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Close.Codes), " ", ","), "[]")
	if c.LeavesOpen {
		end += " quiet"
	}
	if c.ReportTime {
		end += " timed"
	}
	return strings.Join([]string{c.ID, strings.Join(steps, " "), strings.Join(events, " "), end}, " | ")
}

func sum(b []byte) string { return fmt.Sprintf("%d:%.4x", len(b), sha1.Sum(b)) }

func roundsFacts(c *Case, r *Rounds) []string {
	payload, _ := cut(nil, ringOf(r), 0, r.Size)
	text := sum(payload)
	if c.Deflate != nil {
		text = fmt.Sprint(r.Size)
	}
	kind := "f"
	if r.Fragment > 0 || c.Deflate != nil {
		kind = "m"
	}
	opcode := 1
	if r.Binary {
		opcode = 2
	}
	cut := ""
	if n := max(r.Fragment, r.Chop); n > 0 {
		cut = fmt.Sprint("/", n)
	}
	list := []string{fmt.Sprintf("%dx", r.Count), fmt.Sprintf("%s%d%s:%s", kind, opcode, cut, text),
		fmt.Sprintf("c:%g", r.Within.Seconds())}
	if c.Deflate != nil {
		list = append(list, fmt.Sprintf("o:%.4x", sha1.Sum([]byte(strings.Join(c.Deflate.Offers, ", ")))))
		for _, a := range c.Deflate.Asks {
			list = append(list, fmt.Sprintf("a:%d/%d", map[bool]int{true: 1}[a.NoContextTakeover], a.WindowBits))
		}
	}
	return list
}

func stepFacts(s Step) string {
	marks := fmt.Sprint(s.Opcode)
	if !s.Fin && s.Op == SendFrame {
		marks += "-"
	}
	if s.RSV > 0 {
		marks += fmt.Sprint("r", s.RSV)
	}
	if n := max(s.Fragment, s.Chop); n > 0 {
		marks += fmt.Sprint("/", n)
	}
	if s.Sync {
		marks += "!"
	}
	switch s.Op {
	case SendFrame:
		return "f" + marks + ":" + sum(s.Payload)
	case SendMessage:
		return "m" + marks + ":" + sum(s.Payload)
	case Shut:
		return "s:" + sum(s.Payload)
	case Begin:
		return fmt.Sprint("b:", s.Length)
	case Data:
		return "d:" + sum(s.Payload)
	case End:
		return "e"
	case Wait:
		return fmt.Sprintf("w%s:%g", s.Tag, s.Wait.Seconds())
	case Kill:
		return fmt.Sprintf("k:%g", s.Wait.Seconds())
	}
	return fmt.Sprintf("c:%g", s.Wait.Seconds())
}

func eventFacts(list []Event) string {
	var parts []string
	for _, e := range list {
		switch kind := map[string]string{"message": "t", "ping": "i", "pong": "o", "timeout": "w"}[e.Kind]; {
		case e.Kind == "timeout":
			parts = append(parts, kind+":"+e.Tag)
		case e.Binary:
			parts = append(parts, "b:"+sum(e.Payload))
		default:
			parts = append(parts, kind+":"+sum(e.Payload))
		}
	}
	if parts == nil {
		return "-"
	}
	return strings.Join(parts, ",")
}
