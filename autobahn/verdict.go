package autobahn

import (
	"fmt"
	"slices"
	"strings"
)

// A Rule is a kind of grade that lets a case fall short.
type Rule string

// What --fail-on can name.
const (
	FailOnFailed        Rule = "failed"        // a behavior of FAILED, or one that is unknown
	FailOnClose         Rule = "close"         // an end that is neither OK nor INFORMATIONAL
	FailOnNonStrict     Rule = "nonstrict"     // NON-STRICT
	FailOnUnimplemented Rule = "unimplemented" // UNIMPLEMENTED
)

// Rules are what lets a case fall short.
type Rules []Rule

// The usual rules let NON-STRICT pass, as most projects do that run the original.
var (
	UsualRules  = Rules{FailOnFailed, FailOnClose, FailOnUnimplemented}
	StrictRules = Rules{FailOnFailed, FailOnClose, FailOnNonStrict, FailOnUnimplemented}
)

// ParseRules reads a list such as "failed,close".
func ParseRules(list string) (Rules, error) {
	var rules Rules
	for name := range strings.SplitSeq(list, ",") {
		rule := Rule(strings.TrimSpace(name))
		if !slices.Contains(StrictRules, rule) {
			return nil, fmt.Errorf("%q is none of %s", name, StrictRules)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// String lists the rules as ParseRules reads them.
func (r Rules) String() string {
	names := make([]string, len(r))
	for i, rule := range r {
		names[i] = string(rule)
	}
	return strings.Join(names, ",")
}

// Pass reports whether grades are good enough.
func (r Rules) Pass(behavior, end Grade) bool {
	if !isBest(end) && slices.Contains(r, FailOnClose) {
		return false
	}
	switch behavior {
	case OK, Informational:
		return true
	case NonStrict:
		return !slices.Contains(r, FailOnNonStrict)
	case Unimplemented:
		return !slices.Contains(r, FailOnUnimplemented)
	}
	return !slices.Contains(r, FailOnFailed)
}

// isBest reports whether a case cannot be graded better: some have nothing to pass, and inform.
func isBest(g Grade) bool { return g == OK || g == Informational }

// rank is how bad a grade is. The bad ends of a connection are not compared with each other.
func rank(g Grade) int {
	switch g {
	case OK, Informational:
		return 0
	case NonStrict:
		return 1
	case Unimplemented:
		return 2
	}
	return 3
}

// betterThan reports whether no grade of a is worse than that of b, and one is better.
func betterThan(a, b IndexEntry) bool {
	behavior, end := rank(b.Behavior)-rank(a.Behavior), rank(b.BehaviorClose)-rank(a.BehaviorClose)
	return behavior >= 0 && end >= 0 && behavior+end > 0
}
