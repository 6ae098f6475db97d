package lineedit

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// MaxLine is how many bytes a line may have; what is typed or pasted beyond that is dropped.
const MaxLine = 1 << 20

// A Result says what a key asks of the owner of the terminal.
type Result uint8

// What a key may ask for, beside showing the row again.
const (
	Edited    Result = iota // nothing else
	Complete                // the line is complete: Take it
	EndOfFile               // the input is over
	ClearAll                // the screen shall be cleared
	Full                    // the line has no room for it, and it is dropped
)

// An Editor is a line that is being typed, with the lines before it. Its zero value is an empty line without a prompt.
//
// The cursor stands between two characters. Marks that combine (accents, variation selectors) belong to the character
// before them: the cursor does not stop there, and they are deleted with it.
type Editor struct {
	Prompt string // stands before the line; printable characters

	line    []rune
	cursor  int // in line
	size    int // of line, in bytes
	first   int // where what is seen of line begins
	history history
}

// Line returns the line as it is.
func (e *Editor) Line() string { return string(e.line) }

// Cursor returns how many bytes of the line are before the cursor.
func (e *Editor) Cursor() int { return len(string(e.line[:e.cursor])) }

// Take returns the line, puts it into the history and begins an empty one.
func (e *Editor) Take() string {
	line := string(e.line)
	e.history.add(line)
	e.set("")
	return line
}

// Do does what a key does.
func (e *Editor) Do(k Key) Result {
	switch k.Code {
	case Char:
		return e.insert(k.Rune)
	case Enter:
		return Complete
	case DeleteEOF:
		if len(e.line) == 0 {
			return EndOfFile
		}
		e.cut(e.cursor, e.right())
	case Clear:
		return ClearAll
	case Up:
		if line, ok := e.history.before(string(e.line)); ok {
			e.set(line)
		}
	case Down:
		if line, ok := e.history.after(); ok {
			e.set(line)
		}
	default:
		e.move(k.Code)
	}
	return Edited
}

// move moves the cursor, or deletes what it would move over.
func (e *Editor) move(code Code) {
	switch code {
	case Left:
		e.cursor = e.left()
	case Right:
		e.cursor = e.right()
	case WordLeft:
		e.cursor = e.skipLeft(inWord)
	case WordRight:
		e.cursor = e.skipRight(inWord)
	case Home:
		e.cursor = 0
	case End:
		e.cursor = len(e.line)
	case Backspace:
		e.cut(e.left(), e.cursor)
	case Delete:
		e.cut(e.cursor, e.right())
	case RubWord:
		e.cut(e.skipLeft(inWord), e.cursor)
	case DeleteWord:
		e.cut(e.cursor, e.skipRight(inWord))
	case RubBlank:
		e.cut(e.skipLeft(notBlank), e.cursor)
	case KillLeft:
		e.cut(0, e.cursor)
	case KillRight:
		e.cut(e.cursor, len(e.line))
	}
}

// set makes line the line, with the cursor behind it.
func (e *Editor) set(line string) {
	e.line = []rune(line)
	e.cursor, e.size, e.first = len(e.line), len(line), 0
}

// insert puts r where the cursor is, and the cursor behind it.
func (e *Editor) insert(r rune) Result {
	if !utf8.ValidRune(r) {
		r = utf8.RuneError
	}
	if e.size+utf8.RuneLen(r) > MaxLine {
		return Full
	}
	e.size += utf8.RuneLen(r)
	e.line = slices.Insert(e.line, e.cursor, r)
	e.cursor = e.right()
	return Edited
}

// cut deletes what is between two places, the cursor being at one of them.
func (e *Editor) cut(from, to int) {
	e.size -= len(string(e.line[from:to]))
	e.line = slices.Delete(e.line, from, to)
	e.cursor = from
}

// left returns the place one character to the left.
func (e *Editor) left() int {
	i := max(e.cursor-1, 0)
	for i > 0 && isMark(e.line[i]) {
		i--
	}
	return i
}

// right returns the place one character to the right.
func (e *Editor) right() int { return nextCharacter(e.line, e.cursor) }

// nextCharacter returns where the character behind the one at i begins.
func nextCharacter(line []rune, i int) int {
	i = min(i+1, len(line))
	for i < len(line) && isMark(line[i]) {
		i++
	}
	return i
}

// skipLeft returns the beginning of the word before the cursor: first over what is in none, then over the word.
func (e *Editor) skipLeft(in func(rune) bool) int {
	i := e.cursor
	for i > 0 && !in(e.line[i-1]) {
		i--
	}
	for i > 0 && in(e.line[i-1]) {
		i--
	}
	for i > 0 && isMark(e.line[i]) { // of a character that is in no word
		i--
	}
	return i
}

// skipRight returns the end of the word behind the cursor.
func (e *Editor) skipRight(in func(rune) bool) int {
	i := e.cursor
	for i < len(e.line) && !in(e.line[i]) {
		i++
	}
	for i < len(e.line) && in(e.line[i]) {
		i++
	}
	return i
}

// inWord reports whether r is part of a word. A mark is, as what it belongs to mostly is.
func inWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || isMark(r)
}

func notBlank(r rune) bool { return !unicode.IsSpace(r) }
