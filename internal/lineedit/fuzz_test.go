package lineedit_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"hawser.example/websocket/internal/lineedit"
	"hawser.example/websocket/internal/lineedit/vt"
)

// A model is the same editor, slow and plain: two texts with the cursor between them, and all lines so far.
type model struct {
	before, after string
	lines         []string
	at            int // in lines; len(lines) is the new line
	draft         string
}

func mark(r rune) bool { return lineedit.Width(r) == 0 }

// last splits text before its last character.
func last(text string) (rest, char string) {
	for len(text) > 0 {
		r, n := utf8.DecodeLastRuneInString(text)
		text, char = text[:len(text)-n], text[len(text)-n:]+char
		if !mark(r) {
			break
		}
	}
	return text, char
}

// first splits text behind its first character.
func first(text string) (char, rest string) {
	for i, r := range text {
		if i > 0 && !mark(r) {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

func word(char string) bool {
	r, _ := utf8.DecodeLastRuneInString(char)
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || mark(r)
}

func notBlank(char string) bool {
	r, _ := utf8.DecodeLastRuneInString(char)
	return !unicode.IsSpace(r)
}

// wordBefore splits text before its last word, rune by rune.
func wordBefore(text string, in func(string) bool) (rest, last string) {
	runes := []rune(text)
	i := len(runes)
	for i > 0 && !in(string(runes[i-1])) {
		i--
	}
	for i > 0 && in(string(runes[i-1])) {
		i--
	}
	for i > 0 && i < len(runes) && mark(runes[i]) {
		i--
	}
	return string(runes[:i]), string(runes[i:])
}

// wordAfter splits text behind its first word.
func wordAfter(text string) (next, rest string) {
	inside := false
	for i, r := range text {
		now := word(string(r))
		if inside && !now {
			return text[:i], text[i:]
		}
		inside = now
	}
	return text, ""
}

// do does what a key does and returns the line that is complete with it.
func (m *model) do(k lineedit.Key) (line string, complete bool) {
	switch k.Code {
	case lineedit.Char:
		m.before += string(k.Rune)
		for m.after != "" && mark([]rune(m.after)[0]) {
			_, n := utf8.DecodeRuneInString(m.after)
			m.before, m.after = m.before+m.after[:n], m.after[n:]
		}
	case lineedit.Enter:
		line = m.before + m.after
		if line != "" && (len(m.lines) == 0 || m.lines[len(m.lines)-1] != line) {
			m.lines = append(m.lines, line)
		}
		m.lines = m.lines[max(len(m.lines)-1000, 0):]
		m.before, m.after, m.draft, m.at = "", "", "", len(m.lines)
		return line, true
	case lineedit.Left:
		rest, char := last(m.before)
		m.before, m.after = rest, char+m.after
	case lineedit.Right:
		char, rest := first(m.after)
		m.before, m.after = m.before+char, rest
	case lineedit.Home:
		m.before, m.after = "", m.before+m.after
	case lineedit.End:
		m.before, m.after = m.before+m.after, ""
	case lineedit.WordLeft:
		rest, word := wordBefore(m.before, word)
		m.before, m.after = rest, word+m.after
	case lineedit.WordRight:
		word, rest := wordAfter(m.after)
		m.before, m.after = m.before+word, rest
	case lineedit.Backspace:
		m.before, _ = last(m.before)
	case lineedit.Delete, lineedit.DeleteEOF:
		_, m.after = first(m.after)
	case lineedit.DeleteWord:
		_, m.after = wordAfter(m.after)
	case lineedit.RubWord:
		m.before, _ = wordBefore(m.before, word)
	case lineedit.RubBlank:
		m.before, _ = wordBefore(m.before, notBlank)
	case lineedit.KillLeft:
		m.before = ""
	case lineedit.KillRight:
		m.after = ""
	case lineedit.Up:
		if m.at > 0 {
			if m.at == len(m.lines) {
				m.draft = m.before + m.after
			}
			m.at--
			m.before, m.after = m.lines[m.at], ""
		}
	case lineedit.Down:
		if m.at < len(m.lines) {
			m.at++
			m.before, m.after = m.draft, ""
			if m.at < len(m.lines) {
				m.before = m.lines[m.at]
			}
		}
	}
	return "", false
}

// FuzzEditor: any bytes, in any two pieces, on a terminal of any width: the keys do not depend on the pieces, the
// editor agrees with the model, and what is seen is one row that holds the cursor.
func FuzzEditor(f *testing.F) {
	for _, seed := range []string{
		"hello\r", "grüße 漢字 🎉\x1b[D\x1b[D\x7f", "one two\x17\x1bb\x1b[3~\x0b\x15", "a\rb\r\x1b[A\x1b[A\x1b[B",
		"\x1b[200~two\r\nlines\x1b[201~\x01\x05", "e\u0301\x02\u0301\x1bb\x1bd", "\xff\xc3\x1b[1;5C\x1b\x1b[",
		"\u202e\x00\t" + strings.Repeat("x", 90), "!\u0301a \u0301\x1b\x7f\x17",
	} {
		for _, columns := range []uint8{0, 1, 5, 80} {
			f.Add([]byte(seed), uint8(3), columns)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut, columns uint8) {
		at := min(int(cut), len(in))
		var whole, parts lineedit.Parser
		keys := whole.Parse(in)
		if pieces := append(parts.Parse(in[:at]), parts.Parse(in[at:])...); !slices.Equal(keys, pieces) {
			t.Fatalf("cut at %d: %v; in one: %v", at, pieces, keys)
		}
		e := &lineedit.Editor{Prompt: "> "}
		m := new(model)
		screen := vt.New(max(int(columns), 1))
		for _, k := range keys {
			complete := e.Do(k) == lineedit.Complete
			line := ""
			if complete {
				line = e.Take()
			}
			if want, ok := m.do(k); ok != complete || line != want {
				t.Fatalf("%v: line %q, %v; want %q, %v", k, line, complete, want, ok)
			}
			if e.Line() != m.before+m.after || e.Cursor() != len(m.before) {
				t.Fatalf("%v: %q, cursor %d; want %q|%q", k, e.Line(), e.Cursor(), m.before, m.after)
			}
			screen.Write(e.AppendRow(nil, int(columns)))
			if got := screen.String(); strings.Contains(got, "\n") || screen.Unknown() != nil {
				t.Fatalf("%d columns show %q; unknown %q", columns, got, screen.Unknown())
			}
			if screen.Column() > max(int(columns)-1, 0) {
				t.Fatalf("the cursor is in column %d of %d", screen.Column(), columns)
			}
			wantSeen(t, e, screen, int(columns))
		}
	})
}

// wantSeen checks what is seen of a line of plain characters: all of it if there is room, and the cursor where it
// belongs in any case.
func wantSeen(t *testing.T, e *lineedit.Editor, screen *vt.Screen, columns int) {
	t.Helper()
	line := e.Line()
	plain := func(r rune) bool { return r < 0x300 && unicode.IsPrint(r) && r != '<' && r != '>' }
	if strings.IndexFunc(line, func(r rune) bool { return !plain(r) }) >= 0 {
		return
	}
	before := []rune(line[:e.Cursor()])
	if room := columns - 1 - len("> "); len([]rune(line)) <= room && room >= 2 {
		if want := strings.TrimRight("> "+line, " "); screen.Row() != want || screen.Column() != 2+len(before) {
			t.Fatalf("%q, cursor in column %d; want %q, %d", screen.Row(), screen.Column(), want, 2+len(before))
		}
	}
	// What is directly before the cursor is what was typed there, unless the row begins there.
	row := []rune(screen.Row() + strings.Repeat(" ", columns))
	if i := screen.Column() - 1; i >= 3 && len(before) > 0 && row[i] != '<' && row[i] != before[len(before)-1] {
		t.Fatalf("%q is before the cursor in %q; want %q", row[i], screen.Row(), before[len(before)-1])
	}
}
