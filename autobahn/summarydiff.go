package autobahn

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// PrintDiff writes where two reports have other grades for the same agent and case. Agents that are alone in both are
// the same. If want is not nil, only the cases that it returns are compared.
func PrintDiff(w io.Writer, report, other Index, want func(agent string) []string) error {
	var b strings.Builder
	for _, agent := range report.Agents() {
		here, there := report[agent], Baseline(other).of(agent, len(report))
		both := maps.Clone(here)
		maps.Copy(both, there)
		ids := slices.SortedFunc(maps.Keys(both), compareIDs)
		if want != nil {
			ids = want(agent)
		}
		different := 0
		for _, id := range ids {
			a, inHere := here[id]
			c, inThere := there[id]
			if inHere == inThere && sameGrades(a, c) {
				continue
			}
			different++
			fmt.Fprintf(&b, "differs: case %-8s %s; in the other report %s\n", id, gradesText(a, inHere), gradesText(c, inThere))
		}
		fmt.Fprintf(&b, "%s: %d of %d cases differ from the other report\n", plain(agent), different, len(ids))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func gradesText(e IndexEntry, known bool) string {
	if !known {
		return "not run"
	}
	return fmt.Sprintf("%s, close %s", plain(string(e.Behavior)), plain(string(e.BehaviorClose)))
}
