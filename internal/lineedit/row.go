package lineedit

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// Erase takes the row of a line off the terminal. The cursor is at its beginning then.
	Erase = "\r\x1b[K"
	// ClearScreen empties the terminal. The cursor is in its first row then.
	ClearScreen = "\x1b[H\x1b[2J"

	// more stands where a line goes on beyond what is seen of it: < and > in reverse.
	moreLeft, moreRight = "\x1b[7m<\x1b[m", "\x1b[7m>\x1b[m"
)

// AppendRow appends what draws the line on a terminal of that many columns in place of what is in the cursor's row,
// with the cursor where it belongs. The last column stays empty: behind a character there terminals disagree on where
// the cursor is.
func (e *Editor) AppendRow(dst []byte, columns int) []byte {
	row, column, width := e.row(columns)
	dst = append(dst, Erase...)
	dst = append(dst, row...)
	if column < width {
		dst = append(dst, '\r')
		if column > 0 {
			dst = fmt.Appendf(dst, "\x1b[%dC", column)
		}
	}
	return dst
}

// row returns what is seen of the line, the column of the cursor in it, and how many columns it takes.
func (e *Editor) row(columns int) (row string, column, width int) {
	room := max(columns-1, 0)
	prompt, promptWidth := e.Prompt, stringWidth(e.Prompt)
	if promptWidth > room/2 {
		prompt, promptWidth = "", 0 // there is no room for both
	}
	room -= promptWidth
	e.scroll(room)

	var b strings.Builder
	b.WriteString(prompt)
	width = promptWidth
	if e.first > 0 && room > 0 {
		b.WriteString(moreLeft)
		width, room = width+1, room-1
	}
	column = width
	last, seen := e.seenFrom(e.first, room)
	for i := e.first; i < last; i++ {
		b.WriteString(shown(e.line, i))
		if i < e.cursor {
			column += shownWidth(e.line, i)
		}
	}
	width += seen
	if last < len(e.line) && room > seen {
		b.WriteString(moreRight)
		width++
	}
	return b.String(), column, width
}

// scroll moves what is seen of the line so that the cursor is in it: as far as needed, and back as far as there is
// room.
func (e *Editor) scroll(room int) {
	e.first = min(e.first, e.cursor)
	for e.first > 0 && e.first < len(e.line) && isMark(e.line[e.first]) {
		e.first--
	}
	before := e.widthOf(e.first, e.cursor)
	for e.first < e.cursor && before > e.textRoom(e.first, room) {
		next := nextCharacter(e.line, e.first)
		before -= e.widthOf(e.first, next)
		e.first = next
	}
	if e.first == 0 {
		return
	}
	rest := before + e.widthOf(e.cursor, len(e.line))
	for e.first > 0 {
		prev := e.first - 1
		for prev > 0 && isMark(e.line[prev]) {
			prev--
		}
		rest += e.widthOf(prev, e.first)
		if prev > 0 && rest > room-1 || rest > room {
			return
		}
		e.first = prev
	}
}

// textRoom returns how many columns there are for text in front of the cursor if what is seen begins at first: those
// that are not taken by what says that there is more.
func (e *Editor) textRoom(first, room int) int {
	if first > 0 {
		room--
	}
	if e.cursor < len(e.line) {
		room--
	}
	return room
}

// seenFrom returns up to where the line is seen that begins at first, and how many columns that takes.
func (e *Editor) seenFrom(first, room int) (last, width int) {
	fit, fitWidth := first, 0 // what fits if there is more behind it
	for last = first; last < len(e.line); {
		next := nextCharacter(e.line, last)
		w := e.widthOf(last, next)
		if width+w > room {
			return fit, fitWidth
		}
		last, width = next, width+w
		if width < room {
			fit, fitWidth = last, width
		}
	}
	return last, width
}

// widthOf returns how many columns the line takes between two places.
func (e *Editor) widthOf(from, to int) (width int) {
	for i := from; i < to; i++ {
		width += shownWidth(e.line, i)
	}
	return width
}

// shown returns what is seen of the character at i: an escape in ASCII for one that would act on the terminal or be
// invisible.
func shown(line []rune, i int) string {
	r := line[i]
	if IsPlain(r) && (i > 0 || !isMark(r)) {
		return string(r)
	}
	quoted := strconv.QuoteRuneToASCII(r)
	return quoted[1 : len(quoted)-1]
}

// shownWidth returns how many columns shown takes.
func shownWidth(line []rune, i int) int {
	r := line[i]
	if IsPlain(r) && (i > 0 || !isMark(r)) {
		return Width(r)
	}
	return len(strconv.QuoteRuneToASCII(r)) - 2
}

// Shown returns what is seen of a line: of what a terminal acts on, or does not show, an escape in ASCII.
func Shown(line string) string {
	var b strings.Builder
	runes := []rune(line)
	for i, r := range runes {
		if i > 0 && i+1 < len(runes) && Joins(runes[i-1], r, runes[i+1]) {
			b.WriteRune(r)
		} else {
			b.WriteString(shown(runes, i))
		}
	}
	return b.String()
}

// Joins reports whether r says whether the characters before and after it are written as one: U+200C and U+200D, as in
// Persian, the scripts of India and emoji. It may be shown as it is then; in the row of a line it is not, as terminals
// disagree on how many columns the result takes. Between ASCII it would only be invisible.
func Joins(before, r, after rune) bool {
	return (r == '\u200c' || r == '\u200d') && isJoined(before) && isJoined(after)
}

func isJoined(r rune) bool { return r > unicode.MaxASCII && IsPlain(r) && !unicode.IsSpace(r) }

// IsPlain reports whether a terminal shows r and does nothing else.
func IsPlain(r rune) bool {
	return !unicode.IsControl(r) && !unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
