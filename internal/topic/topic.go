// Package topic is a stand-in until the merge.
package topic

import "strings"

// Valid reports whether name may be a topic's.
func Valid(name string) bool {
	if len(name) == 0 || len(name) > 255 {
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

// ValidPattern reports whether p is a pattern.
func ValidPattern(p string) bool {
	return p == ">" || Valid(strings.TrimSuffix(p, ".>"))
}

// Covers reports whether p matches all that q matches.
func Covers(p, q string) bool {
	if p == ">" || p == q {
		return true
	}
	prefix, ok := strings.CutSuffix(p, ">")
	return ok && strings.HasPrefix(q, prefix)
}
