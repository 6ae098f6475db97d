package lineedit

import (
	"strings"
	"testing"
)

// typed returns an editor after these bytes, and the lines that were completed.
func typed(in string) (e *Editor, lines []string) {
	e = new(Editor)
	var p Parser
	for _, k := range p.Parse([]byte(in)) {
		if e.Do(k) == Complete {
			lines = append(lines, e.Take())
		}
	}
	return e, lines
}

const (
	left, right, up, down = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"
	home, end             = "\x01", "\x05"
)

// TestFullLine: what has no room is dropped, and Do says so.
func TestFullLine(t *testing.T) {
	e := new(Editor)
	e.set(strings.Repeat("x", MaxLine-1))
	for _, tt := range []struct {
		key  Key
		want Result
	}{
		{Key{Code: Char, Rune: 'ü'}, Full}, {Key{Code: Char, Rune: 'y'}, Edited}, {Key{Code: Char, Rune: 'z'}, Full},
		{Key{Code: Backspace}, Edited}, {Key{Code: Char, Rune: 'z'}, Edited},
	} {
		if got := e.Do(tt.key); got != tt.want {
			t.Errorf("%+v: %v; want %v", tt.key, got, tt.want)
		}
	}
	if line := e.Line(); line != strings.Repeat("x", MaxLine-1)+"z" {
		t.Errorf("the line has %d bytes and ends with %q", len(line), line[len(line)-2:])
	}
	e.Do(Key{Code: KillLeft})
	if e.size != 0 || e.Line() != "" {
		t.Errorf("%d bytes left", e.size)
	}
}

// TestEditing: | is the cursor.
func TestEditing(t *testing.T) {
	for _, tt := range []struct{ rule, in, want string }{
		{"typing", "hello", "hello|"},
		{"in the middle", "ho" + left + "ell", "hell|o"},
		{"left stops at the beginning", "a" + left + left + left, "|a"},
		{"right stops at the end", "a" + left + right + right, "a|"},
		{"Home and End", "bc" + home + "a" + end + "d", "abcd|"},
		{"Backspace", "abc" + left + "\x7f", "a|c"},
		{"Backspace at the beginning", "a" + home + "\x7f", "|a"},
		{"Delete", "abc" + home + "\x1b[3~", "|bc"},
		{"Delete at the end", "abc\x1b[3~", "abc|"},
		{"Ctrl-D deletes", "abc" + home + "\x04", "|bc"},
		{"Ctrl-K", "abc" + left + "\x0b", "ab|"},
		{"Ctrl-U", "abc" + left + "\x15", "|c"},
		{"Ctrl-W", "one two.three  \x17", "one |"},
		{"Ctrl-W in a word", "one two" + left + "\x17", "one |o"},
		{"Alt-Backspace", "one two.three\x1b\x7f", "one two.|"},
		{"Alt-D", "one two" + home + "\x1bd", "| two"},
		{"words to the left", "one  two_2.x" + "\x1bb\x1bb", "one  |two_2.x"},
		{"words to the right", "one  two" + home + "\x1bf\x1bf", "one  two|"},
		{"one word to the right", "one  two" + home + "\x1bf", "one|  two"},
		{"wide characters are one", "漢字" + left, "漢|字"},
		{"accents belong to what is before", "ae\u0301x" + left + left, "a|e\u0301x"},
		{"and go with it", "ae\u0301\x7f", "a|"},
		{"also with Delete", "e\u0301x" + home + "\x1b[3~", "|x"},
		{"one that is typed later", "ex" + left + "\u0301", "e\u0301|x"},
		{"one at the beginning stands alone", "\u0301x" + left + "\x7f", "|x"},
		{"until something comes before it", "\u0301" + home + "e", "e\u0301|"},
		{"a word before an accent on no letter", "a!\u0301\x1bb", "a|!\u0301"},
		{"an accent on a blank", "a \u0301\x17", "a|"},
		{"pasted lines", "\x1b[200~one\ntwo\x1b[201~", "one\ntwo|"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			e, _ := typed(tt.in)
			if got := e.Line()[:e.Cursor()] + "|" + e.Line()[e.Cursor():]; got != tt.want {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
}

func TestHistory(t *testing.T) {
	for _, tt := range []struct{ rule, in, want string }{
		{"none", "x" + up, "x"},
		{"the last", "one\rtwo\r" + up, "two"},
		{"the first", "one\rtwo\r" + up + up + up, "one"},
		{"and back", "one\rtwo\r" + up + up + down, "two"},
		{"to what was being typed", "one\rtwo\rthr" + up + up + down + down + down, "thr"},
		{"the cursor is at the end", "one\r" + up + "x", "onex"},
		{"empty lines are not kept", "one\r\r\r" + up, "one"},
		{"nor the same twice", "one\rtwo\rtwo\r" + up + up, "one"},
		{"what is made of an old line is a new one", "one\rtwo\r" + up + "x\r" + up + up, "two"},
		{"after a line the way begins anew", "one\rtwo\r" + up + up + "\r" + up, "one"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if e, _ := typed(tt.in); e.Line() != tt.want {
				t.Errorf("%q; want %q", e.Line(), tt.want)
			}
		})
	}
}

// TestHistoryIsBounded, in lines and in bytes.
func TestHistoryIsBounded(t *testing.T) {
	for _, tt := range []struct {
		size, lines int // of each line; that are kept
	}{{1, maxHistory}, {maxHistoryBytes / 100, 100}} {
		var h history
		for i := range 2 * maxHistory {
			h.add(strings.Repeat(string(rune('a'+i%2)), tt.size))
		}
		total := 0
		for _, line := range h.lines {
			total += len(line)
		}
		if len(h.lines) != tt.lines || total != h.bytes || total > maxHistoryBytes {
			t.Errorf("%d lines of %d bytes, said to be %d; want %d lines", len(h.lines), total, h.bytes, tt.lines)
		}
	}
}

func TestResults(t *testing.T) {
	e := new(Editor)
	for _, tt := range []struct {
		key  Key
		want Result
	}{
		{Key{Char, 'a'}, Edited}, {Key{Code: DeleteEOF}, Edited}, {Key{Code: Clear}, ClearAll}, {Key{Code: Enter}, Complete},
		{Key{Code: Backspace}, Edited}, {Key{Code: DeleteEOF}, EndOfFile}, {Key{Code: None}, Edited},
	} {
		if got := e.Do(tt.key); got != tt.want {
			t.Errorf("%v: %v; want %v", tt.key, got, tt.want)
		}
	}
}
