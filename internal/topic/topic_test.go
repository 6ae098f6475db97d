package topic

import (
	"slices"
	"strings"
	"testing"
)

func TestValid(t *testing.T) {
	long := strings.Repeat("x", MaxLen)
	tests := []struct {
		name             string
		valid, asPattern bool
	}{
		{"a", true, true},
		{"AZaz09._-", true, true},
		{".", true, true},
		{"..", true, true},
		{"a.", true, true},
		{".a", true, true},
		{long, true, true},
		{long + "x", false, false},
		{"", false, false},
		{">", false, true},
		{"a.>", false, true},
		{"a.b.>", false, true},
		{"a..>", false, true},
		{"..>", false, true},
		{long[2:] + ".>", false, true},
		{long[1:] + ".>", false, false},
		{".>", false, false},
		{"a>", false, false},
		{">.a", false, false},
		{"a.>.b", false, false},
		{"a.>.>", false, false},
		{">>", false, false},
		{"a.*", false, false},
		{"a b", false, false},
		{"a/b", false, false},
		{"ä", false, false},
		{"a\x00", false, false},
		{"a\r\n", false, false},
		{"a%2e", false, false},
	}
	for _, tt := range tests {
		if got := Valid(tt.name); got != tt.valid {
			t.Errorf("Valid(%.40q) = %v", tt.name, got)
		}
		if got := ValidPattern(tt.name); got != tt.asPattern {
			t.Errorf("ValidPattern(%.40q) = %v", tt.name, got)
		}
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		p, q   string
		covers bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "a.b", false},
		{"a.>", "a.b", true},
		{"a.>", "a.b.c", true},
		{"a.>", "a.", true},
		{"a.>", "a", false},
		{"a.>", "ab", false},
		{"a.>", "ab.c", false},
		{"a.>", "a.>", true},
		{"a.>", "a.b.>", true},
		{"a.b.>", "a.>", false},
		{"a.>", ">", false},
		{"a.b", "a.>", false},
		{">", "a", true},
		{">", ".", true},
		{">", "a.>", true},
		{">", ">", true},
	}
	for _, tt := range tests {
		if got := Covers(tt.p, tt.q); got != tt.covers {
			t.Errorf("Covers(%q, %q) = %v", tt.p, tt.q, got)
		}
	}
}

// The errors say what Valid and ValidPattern do, and repeat no more than a part of a long name.
func TestCheck(t *testing.T) {
	for _, name := range []string{"", "a", "a.b", "a.>", ">", "a b", "a\r\n", strings.Repeat("a", 255), strings.Repeat("a", 256)} {
		if err := Check(name); (err == nil) != Valid(name) || err != nil && len(err.Error()) > 255 {
			t.Errorf("Check(%q): %v", name, err)
		}
		if err := CheckPattern(name); (err == nil) != ValidPattern(name) || err != nil && len(err.Error()) > 300 {
			t.Errorf("CheckPattern(%q): %v", name, err)
		}
	}
	for text, err := range map[string]error{
		`the topic "a b" has to be 1 to 255 of the characters A-Z a-z 0-9 . _ -`: Check("a b"),
		`"a.*" is neither a topic nor a pattern: a topic has to be 1 to 255 of the characters A-Z a-z 0-9 . _ -, ` +
			`a pattern is one with .> behind it, for all below, or > alone, for all`: CheckPattern("a.*"),
	} {
		if err == nil || err.Error() != text {
			t.Errorf("%v; want %s", err, text)
		}
	}
}

func TestCover(t *testing.T) {
	tests := []struct{ patterns, cover string }{
		{"", ""},
		{"a", "a"},
		{"a a", "a"},
		{"a b", "a b"},
		{"b a b", "b a"},
		{"a.b a.>", "a.>"},
		{"a.> a.b", "a.>"},
		{"a a.>", "a a.>"},
		{"a.b.> x a.> a.c", "x a.>"},
		{"a.> b.> >", ">"},
		{"> a >", ">"},
	}
	for _, tt := range tests {
		if got := Cover(strings.Fields(tt.patterns)); strings.Join(got, " ") != tt.cover {
			t.Errorf("Cover(%q) = %q, want %q", tt.patterns, got, tt.cover)
		}
	}
}

// matches is what a pattern means, said in another way: by parts between dots.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, ".")
	last := len(parts) - 1
	if parts[last] != ">" {
		return pattern == name
	}
	names := strings.Split(name, ".")
	return len(names) > last && slices.Equal(names[:last], parts[:last])
}

// A cover stands for the patterns it was made of: each topic is covered by exactly one of it if one of them covers it,
// else by none. Covering finds all patterns that cover a topic.
func FuzzCover(f *testing.F) {
	f.Add("a.> a.b b > a", "a.b.c")
	f.Add("a.b.> a.b a. .> ..>", "a..b")
	f.Add("..> . .. x.y.>", "..")
	f.Fuzz(func(t *testing.T, list, name string) {
		if !Valid(name) {
			return
		}
		patterns := slices.DeleteFunc(strings.Fields(list), func(p string) bool { return !ValidPattern(p) })
		cover := Cover(patterns)
		covering := slices.Collect(Covering(name))
		want, got, found := false, 0, 0
		for _, p := range patterns {
			want = want || matches(p, name)
			if Covers(p, name) != matches(p, name) {
				t.Errorf("Covers(%q, %q) = %v", p, name, Covers(p, name))
			}
			if slices.Contains(covering, p) != matches(p, name) {
				t.Errorf("Covering(%q) = %q, %q covers it: %v", name, covering, p, matches(p, name))
			}
		}
		for _, p := range cover {
			if matches(p, name) {
				got++
			}
			if slices.Contains(covering, p) {
				found++
			}
			if !slices.Contains(patterns, p) {
				t.Errorf("%q is in the cover and was not in %q", p, patterns)
			}
		}
		if want && got != 1 || !want && got != 0 || found != got {
			t.Errorf("%d patterns of the cover %q of %q cover %q, %d are found", got, cover, patterns, name, found)
		}
		for _, p := range covering {
			if !ValidPattern(p) && len(p) <= MaxLen || !matches(p, name) {
				t.Errorf("Covering(%q) has %q", name, p)
			}
		}
		slices.Sort(covering)
		if len(slices.Compact(covering)) != len(covering) {
			t.Errorf("Covering(%q) has a pattern twice: %q", name, covering)
		}
	})
}
