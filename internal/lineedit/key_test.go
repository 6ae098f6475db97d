package lineedit

import (
	"slices"
	"strings"
	"testing"
)

// chars returns text as it is typed.
func chars(text string) (keys []Key) {
	for _, r := range text {
		keys = append(keys, Key{Char, r})
	}
	return keys
}

func press(codes ...Code) (keys []Key) {
	for _, c := range codes {
		keys = append(keys, Key{Code: c})
	}
	return keys
}

func TestParser(t *testing.T) {
	for _, tt := range []struct {
		rule, in string
		want     []Key
	}{
		{"characters", "aä漢🎉", chars("aä漢🎉")},
		{"a tab is one", "\t", chars("\t")},
		{"bytes that are no UTF-8", "\xff\xc3a", chars("\uFFFD\uFFFDa")},
		{"Enter sends CR", "\r", press(Enter)},
		{"Ctrl-J sends LF", "\n\n", press(Enter, Enter)},
		{"CR LF is one", "\r\n\r\n", press(Enter, Enter)},
		{"two lines at once", "a\rb\r", slices.Concat(chars("a"), press(Enter), chars("b"), press(Enter))},
		{"arrows", "\x1b[A\x1b[B\x1b[C\x1b[D", press(Up, Down, Right, Left)},
		{"arrows of the application mode", "\x1bOA\x1bOB\x1bOC\x1bOD", press(Up, Down, Right, Left)},
		{"Home and End, six ways", "\x1b[H\x1b[F\x1bOH\x1bOF\x1b[1~\x1b[4~\x1b[7~\x1b[8~\x01\x05",
			press(Home, End, Home, End, Home, End, Home, End, Home, End)},
		{"deleting", "\x7f\x08\x1b[3~\x04\x15\x0b\x17",
			press(Backspace, Backspace, Delete, DeleteEOF, KillLeft, KillRight, RubBlank)},
		{"words", "\x1bb\x1bf\x1b[1;5D\x1b[1;5C\x1b[1;3D\x1b[1;3C\x1bd\x1b\x7f\x1b[3;5~",
			press(WordLeft, WordRight, WordLeft, WordRight, WordLeft, WordRight, DeleteWord, RubWord, DeleteWord)},
		{"Shift changes nothing", "\x1b[1;2D\x1b[1;2C", press(Left, Right)},
		{"emacs", "\x02\x06\x10\x0e\x0c", press(Left, Right, Up, Down, Clear)},
		{"keys that are not known", "\x1b[5~\x1b[24~\x1b[[A\x1bOP\x1bx\x1b[I\x07\x1b[99;99;99R", nil},
		{"Esc before another key", "\x1b\x1b[A\x1b\r", press(Up, Enter)},
		{"a sequence that breaks off", "\x1b[1;\ra", slices.Concat(press(Enter), chars("a"))},
		{"a sequence without an end", "\x1b[" + strings.Repeat("1", maxSequence-2) + "a", chars("a")},
		{"pasted text", "\x1b[200~one\rtwo\r\n\x03\x1b[A\x01\x1b[201~\r",
			slices.Concat(chars("one\ntwo\n\x03\x1b[A\x01"), press(Enter))},
		{"pasted: almost the end", "\x1b[200~\x1b[20\x1b[201~b", chars("\x1b[20b")},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for cut := range len(tt.in) + 1 {
				var p Parser
				got := append(p.Parse([]byte(tt.in[:cut])), p.Parse([]byte(tt.in[cut:]))...)
				if !slices.Equal(got, tt.want) {
					t.Fatalf("cut at %d: %v; want %v", cut, got, tt.want)
				}
			}
		})
	}
}

func TestParserWaitsForTheRest(t *testing.T) {
	for _, in := range []string{"\x1b", "\x1b[", "\x1b[1;5", "\x1bO", "\xf0\x9f\x8e", "\x1b[200~\x1b[201"} {
		var p Parser
		if keys := p.Parse([]byte(in)); len(keys) > 0 {
			t.Errorf("%q: %v before the rest is there", in, keys)
		}
	}
}
