package autobahn

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A caseDetail is what the page shows of a case when it is opened. The names are short because there are many.
type caseDetail struct {
	Request  string      `json:"q,omitempty"`
	Response string      `json:"s,omitempty"`
	Facts    [][2]string `json:"f,omitempty"` // name, value
	Expected [][]string  `json:"x,omitempty"` // the grade, then the events that earn it
	Received []string    `json:"v,omitempty"`
	Wire     []wireRow   `json:"w,omitempty"`
	Cut      int         `json:"n,omitempty"` // how many lines of the wire log are left out, from its middle
	CutAt    int         `json:"a,omitempty"` // before which of Wire
}

// A wireRow is a line of the wire log: kind, milliseconds, text, length, data in hex. The last ones may be missing.
type wireRow []any

// Bounds of what the page shows of a case. The file of the case has all.
const (
	maxEvents    = 12
	maxWireStart = 40
	maxWireEnd   = 20
	maxHandshake = 4 << 10
)

// newDetail returns what is known of a case; of one that has no file that is little.
func newDetail(f *caseFile, e IndexEntry) *caseDetail {
	if f == nil {
		return nil
	}
	d := &caseDetail{Request: bounded(f.HTTPRequest), Response: bounded(f.HTTPResponse), Facts: f.facts(e)}
	for _, grade := range slices.Sorted(maps.Keys(f.Expected)) {
		for _, list := range alternatives(f.Expected[grade]) {
			d.Expected = append(d.Expected, append([]string{grade}, boundEvents(describeEvents(list))...))
		}
	}
	d.Received = boundEvents(describeEvents(f.Received))
	log := f.Wirelog
	if cut := len(log) - maxWireStart - maxWireEnd; cut > 0 {
		log = slices.Concat(log[:maxWireStart], log[len(log)-maxWireEnd:])
		d.Cut, d.CutAt = cut, maxWireStart
	}
	for _, line := range log {
		if e, ok := wireEntry(line); ok {
			d.Wire = append(d.Wire, e.row())
		}
	}
	return d
}

// alternatives returns the lists of events of which one is expected: the original knows one, the kit several.
func alternatives(v any) []any {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return []any{v}
	}
	for _, e := range list {
		inner, ok := e.([]any)
		if !ok {
			return []any{v} // of events as the kit writes them
		}
		if len(inner) > 0 {
			if _, ok := inner[0].(string); ok {
				return []any{v} // of events as the original writes them
			}
		}
	}
	return list
}

func boundEvents(lines []string) []string {
	if more := len(lines) - maxEvents; more > 0 {
		lines = append(lines[:maxEvents:maxEvents], fmt.Sprintf("and %d more", more))
	}
	return lines
}

func bounded(s string) string {
	if len(s) > maxHandshake {
		return strings.ToValidUTF8(s[:maxHandshake], "") + " …"
	}
	return s
}

// facts tells how the connection ended.
func (f *caseFile) facts(e IndexEntry) (facts [][2]string) {
	add := func(name, format string, args ...any) {
		facts = append(facts, [2]string{name, fmt.Sprintf(format, args...)})
	}
	add("Took", "%d ms", e.Duration)
	if f.LocalCode != nil {
		add("Close of the kit", "%s", closeText(f.LocalCode, f.LocalReason))
	}
	if f.RemoteCode != nil {
		add("Close of the peer", "%s", closeText(f.RemoteCode, f.RemoteReason))
	}
	switch {
	case f.WasClean:
		add("Ended", "cleanly")
	case f.NotClean != nil:
		add("Ended", "not cleanly: %s", *f.NotClean)
	default:
		add("Ended", "not cleanly")
	}
	for _, did := range []struct {
		is   bool
		what string
	}{{f.ClosedByMe, "closed first"}, {f.FailedByMe, "failed the connection"}, {f.DroppedByMe, "dropped TCP"}} {
		if did.is {
			add("The kit", "%s", did.what)
		}
	}
	return facts
}

func closeText(code *int, reason *string) string {
	if reason == nil || *reason == "" {
		return fmt.Sprint(*code)
	}
	return fmt.Sprintf("%d %q", *code, *reason)
}

// opcodeNames are for frames in the wire log.
var opcodeNames = map[int]string{
	0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong",
}

// row returns the line as the page gets it.
func (e WireEntry) row() wireRow {
	row := wireRow{e.Kind, json.Number(fmt.Sprintf("%.3f", e.At))}
	switch e.Kind {
	case "RF", "TF":
		return append(row, e.frameText(), e.Payload, e.data())
	case "RO", "TO":
		return append(row, "", e.Size, e.data())
	case "CT":
		return append(row, fmt.Sprintf("waits %g s", e.Delay))
	case "CTE":
		return append(row, "has waited")
	case "KL":
		return append(row, fmt.Sprintf("will fail the connection after %g s", e.Delay))
	case "KLE":
		return append(row, "fails the connection")
	case "TI":
		return append(row, fmt.Sprintf("will close after %g s", e.Delay))
	case "TIE":
		return append(row, "closes")
	}
	return append(row, e.Text)
}

// data returns the payload in hex; the original has text instead, of some.
func (e WireEntry) data() string {
	if e.Data == "" && e.Text != "" {
		return "=" + e.Text
	}
	return e.Data
}

// frameText names the opcode and the bits that are set.
func (e WireEntry) frameText() string {
	name, ok := opcodeNames[e.Opcode]
	if !ok {
		name = fmt.Sprintf("opcode %#x", e.Opcode)
	}
	if e.Fin {
		name += " FIN"
	}
	for bit := range 3 {
		if e.RSV&(4>>bit) != 0 {
			name += fmt.Sprintf(" RSV%d", bit+1)
		}
	}
	if e.Masked {
		name += " masked"
	}
	return name
}
