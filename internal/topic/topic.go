// Package topic is the names of topics, and the patterns that subscribe to them.
//
// A pattern is a name, which covers itself; a name with ".>" behind it, which covers all names that begin with it and
// the dot; or ">", which covers all. Of two patterns either one covers the other or they have no name in common: they
// never cross. That is what makes a minimal cover unique, and so a message arrive once.
package topic

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// MaxLen is how many bytes a name or a pattern may have.
const MaxLen = 255

const (
	all  = ">"
	tail = ".>"
)

// Valid reports whether name may be a topic's: 1 to 255 of the characters A-Z a-z 0-9 . _ -.
func Valid(name string) bool {
	if len(name) == 0 || len(name) > MaxLen {
		return false
	}
	for _, b := range []byte(name) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '.', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}

// rule is what Valid asks for.
const rule = "1 to 255 of the characters A-Z a-z 0-9 . _ -"

// Check says what is wrong with the name of a topic.
func Check(name string) error {
	if Valid(name) {
		return nil
	}
	return fmt.Errorf("the topic %s has to be %s", quote(name), rule)
}

// CheckPattern says what is wrong with what is subscribed to.
func CheckPattern(p string) error {
	if ValidPattern(p) {
		return nil
	}
	return fmt.Errorf("%s is neither a topic nor a pattern: a topic has to be %s, "+
		"a pattern is one with .> behind it, for all below, or > alone, for all", quote(p), rule)
}

// quote returns a name as errors show it.
func quote(name string) string {
	const most = 80
	if len(name) <= most {
		return strconv.Quote(name)
	}
	return fmt.Sprintf("%q … (%d bytes)", name[:most], len(name))
}

// ValidPattern reports whether p may be subscribed to.
func ValidPattern(p string) bool {
	return p == all || len(p) <= MaxLen && Valid(strings.TrimSuffix(p, tail))
}

// Covers reports whether p covers all that q covers. Either may be a name. Both are valid.
func Covers(p, q string) bool {
	if prefix, isWild := strings.CutSuffix(p, all); isWild {
		return strings.HasPrefix(q, prefix)
	}
	return p == q
}

// Covering returns all patterns that cover the topic of this name, beginning with the name itself.
func Covering(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(name) || !yield(all) {
			return
		}
		for i := 1; i < len(name); i++ { // a dot at the beginning has no name before it
			if name[i] == '.' && !yield(name[:i]+tail) {
				return
			}
		}
	}
}

// Cover returns those of patterns that no other of them covers, each once, in their order.
func Cover(patterns []string) []string {
	var cover []string
	for i, p := range patterns {
		covered := slices.ContainsFunc(cover, func(q string) bool { return Covers(q, p) }) ||
			slices.ContainsFunc(patterns[i+1:], func(q string) bool { return q != p && Covers(q, p) })
		if !covered {
			cover = append(cover, p)
		}
	}
	return cover
}

// Any reports whether one of patterns covers q.
func Any(patterns []string, q string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Covers(p, q) })
}
