package autobahn

import "testing"

// Every grade by every rule: the rules that are named let just their grades fall short.
func TestRules(t *testing.T) {
	const all = "failed close nonstrict unimplemented"
	shortBy := func(behavior, end Grade, rule Rule) bool {
		switch rule {
		case FailOnFailed:
			return behavior == Failed || behavior == "EXCELLENT"
		case FailOnClose:
			return end != OK && end != Informational
		case FailOnNonStrict:
			return behavior == NonStrict
		case FailOnUnimplemented:
			return behavior == Unimplemented
		}
		t.Fatalf("rule %q is none of %s", rule, all)
		return false
	}
	for set := range 1 << len(StrictRules) {
		var rules Rules
		for i, rule := range StrictRules {
			if set&(1<<i) != 0 {
				rules = append(rules, rule)
			}
		}
		for _, behavior := range []Grade{OK, NonStrict, Failed, Informational, Unimplemented, "EXCELLENT"} {
			for _, end := range []Grade{OK, Failed, WrongCode, Unclean, FailedByClient, Informational, "?"} {
				want := true
				for _, rule := range rules {
					want = want && !shortBy(behavior, end, rule)
				}
				if got := rules.Pass(behavior, end); got != want {
					t.Errorf("--fail-on %q: behavior %s, close %s: passed is %v", rules, behavior, end, got)
				}
			}
		}
	}
}

func TestParseRules(t *testing.T) {
	for _, rules := range []Rules{UsualRules, StrictRules, {FailOnClose}} {
		if got, err := ParseRules(rules.String()); err != nil || got.String() != rules.String() {
			t.Errorf("%q: %q, %v", rules, got, err)
		}
	}
	if got, err := ParseRules(" failed , nonstrict"); err != nil || got.String() != "failed,nonstrict" {
		t.Errorf("with spaces: %q, %v", got, err)
	}
	for _, list := range []string{"", "ok", "failed,", "FAILED", "failed;close"} {
		if got, err := ParseRules(list); err == nil {
			t.Errorf("%q: %q", list, got)
		}
	}
	if UsualRules.String() != "failed,close,unimplemented" {
		t.Errorf("the usual rules are %s", UsualRules)
	}
}
