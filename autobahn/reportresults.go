package autobahn

import (
	"fmt"
	"io"
	"strings"
)

// Reasons returns the reasons in results, for [Judge.Why].
func Reasons(results []*Result) func(agent, id string) (behavior, end string) {
	picked := worst(results)
	return func(agent, id string) (string, string) {
		r := picked[[2]string{agent, id}]
		if r == nil {
			return "", ""
		}
		return r.Reason, r.ReasonClose
	}
}

// Findings lists what the kit has found beyond what the original judges. It is no part of a verdict.
func Findings(results []*Result) (lines []string) {
	for _, r := range results {
		for _, f := range r.Own {
			lines = append(lines, fmt.Sprintf("%s, case %s: %s, which the original does not judge: %s (%s)",
				r.Agent, r.ID, f.Grade, f.Reason, f.Rule))
		}
	}
	return lines
}

// PrintWire writes the wire log of a case for people: an arrow for the direction, the time, what it was.
func PrintWire(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s case %s: behavior %s, close %s\n", plain(r.Agent), r.ID, r.Behavior, r.BehaviorClose)
	for _, e := range r.Wirelog {
		way := map[byte]string{'R': "<-", 'T': "->"}[(e.Kind + " ")[0]]
		row := e.row()
		switch {
		case len(row) == 3 || way == "": // no octets and no frame
			fmt.Fprintf(&b, "%9.3f ms     %v\n", e.At, row[2])
		case e.Kind == "RO" || e.Kind == "TO":
			fmt.Fprintf(&b, "%9.3f ms %s  %d octets: %s\n", e.At, way, e.Size, e.data())
		default:
			fmt.Fprintf(&b, "%9.3f ms %s  %s, %d bytes: %s\n", e.At, way, e.frameText(), e.Payload, e.data())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
