package lineedit_test

import (
	"bytes"
	"strings"
	"testing"

	"hawser.example/websocket/internal/lineedit"
	"hawser.example/websocket/internal/lineedit/vt"
)

// enter has an editor do what was typed.
func enter(e *lineedit.Editor, in string) {
	var p lineedit.Parser
	for _, k := range p.Parse([]byte(in)) {
		e.Do(k)
	}
}

// TestRow: what is seen on a terminal, and where its cursor is.
func TestRow(t *testing.T) {
	const left, home = "\x1b[D", "\x01"
	for _, tt := range []struct {
		rule, in string
		columns  int
		row      string
		column   int
	}{
		{"empty", "", 20, ">", 2},
		{"short", "hello", 20, "> hello", 7},
		{"the cursor in it", "hello" + left + left, 20, "> hello", 5},
		{"as long as fits", "hello", 8, "> hello", 7},
		{"one more", "hellos", 8, "> <llos", 7},
		{"its beginning", "hellos" + home, 8, "> hell>", 2},
		{"its middle", "abcdefghij" + left + left + left + left + left, 8, "> <cde>", 6},
		{"wide characters", "漢字", 20, "> 漢字", 6},
		{"the cursor behind one", "漢字" + left, 20, "> 漢字", 4},
		{"one that does not fit by half", "漢字漢字", 9, "> <漢字", 7},
		{"accents", "ae\u0301i" + left, 20, "> ae\u0301i", 4},
		{"one at the beginning", "\u0301a", 20, "> \\u0301a", 9},
		{"control characters", "\x1b[200~a\x1b[1m\n\x00b\x1b[201~", 40, `> a\x1b[1m\n\x00b`, 17},
		{"a tab", "a\tb", 20, `> a\tb`, 6},
		{"turned around", "\u202e\u2028", 40, `> \u202e\u2028`, 14},
		{"too narrow for the prompt", "hello", 4, "<lo", 3},
		{"almost no room", "hello", 2, "<", 1},
		{"none", "hello", 1, "", 0},
		{"not even that", "hello", 0, "", 0},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			e := &lineedit.Editor{Prompt: "> "}
			enter(e, tt.in)
			screen := vt.New(max(tt.columns, 1))
			screen.Write(bytes.Repeat([]byte("x"), max(tt.columns-1, 0))) // which is there before
			screen.Write(e.AppendRow(nil, tt.columns))
			if screen.Row() != tt.row || screen.Column() != tt.column || screen.Unknown() != nil {
				t.Errorf("%q, cursor in column %d, unknown %q; want %q, %d",
					screen.Row(), screen.Column(), screen.Unknown(), tt.row, tt.column)
			}
			if strings.Contains(screen.String(), "\n") {
				t.Errorf("more than one row: %q", screen)
			}
		})
	}
}

// TestRowScrollsBack: when there is room again the beginning is seen again.
func TestRowScrollsBack(t *testing.T) {
	e := &lineedit.Editor{Prompt: "> "}
	screen := vt.New(12)
	draw := func(in string) string {
		enter(e, in)
		screen.Write(e.AppendRow(nil, 12))
		return screen.Row()
	}
	for _, step := range []struct{ in, want string }{
		{"0123456789", "> <23456789"},
		{"\x02\x02", "> <23456789"},
		{"\x01", "> 01234567>"},
		{"\x05", "> <23456789"},
		{"\x7f", "> 012345678"},
	} {
		if got := draw(step.in); got != step.want {
			t.Errorf("after %q: %q; want %q", step.in, got, step.want)
		}
	}
}

// TestShown: what joins characters is shown as it is in a line that is complete.
func TestShown(t *testing.T) {
	for line, want := range map[string]string{
		"\U0001f469\u200d\U0001f467 a\tb": "\U0001f469\u200d\U0001f467 a\\tb",
		"\u0645\u06cc\u200c\u0631\u200c":  "\u0645\u06cc\u200c\u0631\\u200c",
		"a\u200db\u202eé":                 `a\u200db\u202eé`,
	} {
		if got := lineedit.Shown(line); got != want {
			t.Errorf("%q: %q; want %q", line, got, want)
		}
	}
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"a": 1, "ä": 1, "漢": 2, "ひ": 2, "한": 2, "ﾊ": 1, "Ａ": 2, "🎉": 2, "☃": 1, "⌚": 2, "€": 1, "\u0301": 0, "\ufe0f": 0,
		"\U0001f469": 2, "\U00020000": 2, "─": 1, "…": 1, "\uFFFD": 1, "\u1160": 0, "か": 2, "\u3099": 0,
	} {
		if got := lineedit.Width([]rune(text)[0]); got != want {
			t.Errorf("%q: %d; want %d", text, got, want)
		}
	}
}
