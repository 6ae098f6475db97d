package autobahn

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// JUnit returns a report as JUnit's XML, which CI systems show: a suite for each agent, and a test for each case. What
// fell short or is missing, by the summary, is a failure; each of its Errors is an error, in a suite of their own.
func JUnit(report Index, s *Summary) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<testsuites name=\"WebSocket conformance\">\n")
	for _, a := range s.Agents {
		writeSuite(&b, a, report[a.Agent])
	}
	if len(s.Errors) > 0 {
		writeErrors(&b, s.Errors)
	}
	b.WriteString("</testsuites>\n")
	return b.Bytes()
}

// writeErrors writes why there is no whole run.
func writeErrors(b *bytes.Buffer, errs []string) {
	fmt.Fprintf(b, "  <testsuite name=\"the run\" tests=\"%d\" failures=\"0\" errors=\"%[1]d\" skipped=\"0\" time=\"0.000\">\n",
		len(errs))
	for _, err := range errs {
		fmt.Fprintf(b, "    <testcase classname=\"the run\" name=\"the run is complete\" time=\"0.000\">"+
			"<error message=\"%s\" type=\"incomplete\"></error></testcase>\n", xmlText(err))
	}
	b.WriteString("  </testsuite>\n")
}

// writeSuite writes the cases of an agent that were judged.
func writeSuite(b *bytes.Buffer, a AgentSummary, cases map[string]IndexEntry) {
	var total int64
	for _, id := range a.judged {
		total += cases[id].Duration
	}
	fmt.Fprintf(b, "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"0\" time=\"%.3f\">\n",
		xmlText(a.Agent), len(a.judged), len(a.FellShort)+len(a.Missing), seconds(total))
	short := map[string]Shortfall{}
	for _, f := range a.FellShort {
		short[f.ID] = f
	}
	for _, id := range a.judged {
		e, ran := cases[id]
		f, fell := short[id]
		fmt.Fprintf(b, "    <testcase classname=\"%s\" name=\"%s\" time=\"%.3f\"",
			xmlText(a.Agent), xmlText(id), seconds(e.Duration))
		switch {
		case !ran:
			b.WriteString("><failure message=\"the case is missing\" type=\"missing\"></failure></testcase>\n")
		case fell:
			writeFailure(b, f)
		default:
			b.WriteString("></testcase>\n")
		}
	}
	b.WriteString("  </testsuite>\n")
}

func writeFailure(b *bytes.Buffer, f Shortfall) {
	grades := fmt.Sprintf("behavior %s, close %s", f.Behavior, f.BehaviorClose)
	if f.Expected != "" {
		grades += "; the baseline has " + f.Expected
	}
	fmt.Fprintf(b, "><failure message=\"%s\" type=\"%s\">%s\n%s</failure></testcase>\n",
		xmlText(grades), xmlText(string(f.Behavior)), xmlText(f.Reason), xmlText(f.ReasonClose))
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// xmlText returns s as it may stand in an attribute or an element; what XML cannot hold is replaced.
func xmlText(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a Buffer takes all
	return b.String()
}
