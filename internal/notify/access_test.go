package notify

import (
	"fmt"
	"strings"
	"testing"
)

// What is allowed stands in a refusal as a list for people, and is cut if it is long.
func TestRefusalsListWhatIsAllowed(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("topic.%02d", i))
	}
	for want, access := range map[string]*Access{
		`subscribing to "x" is not allowed; allowed is "a", "b.>"`:               {Sub: []string{"a", "b.>"}},
		`subscribing to "x" is not allowed; allowed is "a"`:                      {Sub: []string{"a"}},
		`subscribing to "x" is not allowed, nor is subscribing to anything else`: {Pub: []string{">"}},
		`"topic.00", "topic.01", ` + `…` + `, "topic.33", and 66 more`:           {Sub: many},
	} {
		err := access.MaySubscribe("x")
		before, after, cut := strings.Cut(want, "…")
		if err == nil || !cut && err.Error() != want || !strings.Contains(err.Error(), before) ||
			!strings.HasSuffix(err.Error(), after) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
