package lineedit

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// A Code says what a key does.
type Code uint8

// What keys do. The emacs keys are those of shells.
const (
	None       Code = iota // nothing
	Char                   // inserts Key.Rune
	Enter                  // Enter, Ctrl-J: the line is complete
	End                    // End, Ctrl-E
	Home                   // Home, Ctrl-A
	Left                   // Left, Ctrl-B
	Right                  // Right, Ctrl-F
	WordLeft               // Alt-B, Ctrl-Left, Alt-Left
	WordRight              // Alt-F, Ctrl-Right, Alt-Right
	Up                     // Up, Ctrl-P: the line before
	Down                   // Down, Ctrl-N: the line after
	Backspace              // Backspace, Ctrl-H
	Delete                 // Delete
	DeleteEOF              // Ctrl-D: as Delete; on an empty line the end of the input
	DeleteWord             // Alt-D, Ctrl-Delete: to the end of the word
	RubWord                // Alt-Backspace: to the beginning of the word
	RubBlank               // Ctrl-W: to the blank before
	KillRight              // Ctrl-K: to the end of the line
	KillLeft               // Ctrl-U: to the beginning of the line
	Clear                  // Ctrl-L: the screen
)

// A Key is a key that was pressed, or a character that was pasted.
type Key struct {
	Code Code
	Rune rune // of a Char
}

// controls are the keys that send one byte.
var controls = map[byte]Code{
	0x01: Home, 0x02: Left, 0x04: DeleteEOF, 0x05: End, 0x06: Right, 0x08: Backspace, '\n': Enter, 0x0b: KillRight,
	0x0c: Clear, '\r': Enter, 0x0e: Down, 0x10: Up, 0x15: KillLeft, 0x17: RubBlank, 0x7f: Backspace,
}

// finals are the keys that send ESC [ or ESC O and one letter.
var finals = map[byte]Code{'A': Up, 'B': Down, 'C': Right, 'D': Left, 'H': Home, 'F': End}

// numbered are the keys that send ESC [ number ~.
var numbered = map[int]Code{1: Home, 3: Delete, 4: End, 7: Home, 8: End}

// alts are the keys that send ESC and one byte: those pressed together with Alt.
var alts = map[byte]Code{
	'b': WordLeft, 'B': WordLeft, 'f': WordRight, 'F': WordRight, 'd': DeleteWord, 'D': DeleteWord,
	0x08: RubWord, 0x7f: RubWord,
}

const (
	esc = 0x1b
	// pasteBegin and pasteEnd are what a terminal puts around pasted text, if it is asked to.
	pasteBegin, pasteEnd = "\x1b[200~", "\x1b[201~"
	// maxSequence bounds how much of an escape sequence is waited for.
	maxSequence = 32
)

// A Parser makes keys of the bytes that a terminal sends. Its zero value is ready for use.
//
// Pasted text is characters, whatever they are: a line break in it completes no line, and an escape sequence in it is
// no key. What is not UTF-8 becomes U+FFFD. Sequences that are not known do nothing.
type Parser struct {
	rest    []byte // the beginning of a key
	pasting bool
	afterCR bool // a line feed now belongs to the carriage return before
}

// Parse returns the keys that are complete with p.
func (s *Parser) Parse(p []byte) (keys []Key) {
	in := append(s.rest, p...)
	for len(in) > 0 {
		key, n := s.next(in)
		if n == 0 {
			break
		}
		in = in[n:]
		if key.Code != None {
			keys = append(keys, key)
		}
	}
	s.rest = bytes.Clone(in)
	return keys
}

// next returns the first key in b and its size, 0 if it is not complete.
func (s *Parser) next(b []byte) (Key, int) {
	after := s.afterCR
	s.afterCR = b[0] == '\r'
	switch {
	case b[0] == '\n' && after:
		return Key{}, 1
	case s.pasting:
		return s.pasted(b)
	case b[0] == esc:
		key, n := parseEscape(b)
		s.pasting = n == len(pasteBegin) && string(b[:n]) == pasteBegin
		return key, n
	case b[0] == '\t' || b[0] >= ' ' && b[0] != 0x7f:
		return parseChar(b)
	}
	return Key{Code: controls[b[0]]}, 1
}

// pasted returns the first character of what is being pasted.
func (s *Parser) pasted(b []byte) (Key, int) {
	switch {
	case b[0] == '\r':
		return Key{Char, '\n'}, 1
	case b[0] == esc && bytes.HasPrefix(b, []byte(pasteEnd)):
		s.pasting = false
		return Key{}, len(pasteEnd)
	case b[0] == esc && bytes.HasPrefix([]byte(pasteEnd), b):
		return Key{}, 0
	}
	return parseChar(b)
}

// parseChar returns the character that b begins with.
func parseChar(b []byte) (Key, int) {
	if !utf8.FullRune(b) {
		return Key{}, 0
	}
	r, n := utf8.DecodeRune(b)
	return Key{Char, r}, n
}

// parseEscape returns what b, which begins with ESC, stands for.
func parseEscape(b []byte) (Key, int) {
	if len(b) < 2 {
		return Key{}, 0
	}
	switch {
	case b[1] == '[':
		return parseCSI(b)
	case b[1] == 'O':
		if len(b) < 3 {
			return Key{}, 0
		}
		return Key{Code: finals[b[2]]}, 3
	case alts[b[1]] != None:
		return Key{Code: alts[b[1]]}, 2
	case b[1] > ' ' && b[1] < 0x7f:
		return Key{}, 2
	}
	return Key{}, 1 // Esc itself, and then another key
}

// parseCSI returns what b, which begins with ESC [, stands for: parameters follow, and a letter or ~.
func parseCSI(b []byte) (Key, int) {
	for i := 2; i < len(b) && i < maxSequence; i++ {
		switch c := b[i]; {
		case i == 2 && c == '[': // a function key of the Linux console: one more letter
			if len(b) < 4 {
				return Key{}, 0
			}
			return Key{}, 4
		case c >= '@' && c <= '~':
			return Key{Code: csiCode(b[2:i], c)}, i + 1
		case c < ' ' || c > '~':
			return Key{}, i // it was none, and something else begins here
		}
	}
	if len(b) < maxSequence {
		return Key{}, 0
	}
	return Key{}, maxSequence
}

// csiCode returns what a sequence with these parameters and this end means. The second parameter, if there is one, says
// which keys were held: 2 is Shift, from 3 on Alt or Ctrl is among them.
func csiCode(params []byte, final byte) Code {
	first, second, _ := bytes.Cut(params, []byte(";"))
	held, _ := strconv.Atoi(string(second))
	code := finals[final]
	if final == '~' {
		number, _ := strconv.Atoi(string(first))
		code = numbered[number]
	}
	if held > 2 {
		switch code {
		case Left:
			return WordLeft
		case Right:
			return WordRight
		case Delete:
			return DeleteWord
		}
	}
	return code
}
