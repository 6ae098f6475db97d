package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/lineedit"
)

// maxHex is how many bytes of a binary message a terminal shows.
const maxHex = 64

// escapeMessage returns what a terminal shows of a message: nothing in it can move the cursor or change the terminal.
func escapeMessage(t websocket.MessageType, p []byte) []byte {
	if t == websocket.BinaryMessage {
		more := ""
		if len(p) > maxHex {
			more = "…"
		}
		return fmt.Appendf(nil, "binary, %d bytes: %s%s\n", len(p), hex.EncodeToString(p[:min(len(p), maxHex)]), more)
	}
	return append(escapeText(p), '\n')
}

// escapeText returns text with line breaks and tabs as they are, and all else that a terminal acts on, or does not
// show, escaped.
func escapeText(p []byte) []byte {
	text := make([]byte, 0, len(p)+1)
	var before rune
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		after, n := utf8.DecodeRune(p[size:])
		if n <= 1 && after == utf8.RuneError { // nothing, or no UTF-8
			after = 0
		}
		switch {
		case r == utf8.RuneError && size == 1: // no UTF-8, which a message never is
			text = fmt.Appendf(text, `\x%02x`, p[0])
		case r == '\n' || r == '\t' || lineedit.IsPlain(r) || lineedit.Joins(before, r, after):
			text = append(text, p[:size]...)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			text = append(text, quoted[1:len(quoted)-1]...)
		}
		p, before = p[size:], r
		if size == 1 && r == utf8.RuneError {
			before = 0
		}
	}
	return text
}

// jsonLine returns v, one of our own structs, as a line of JSON in which nothing can change a terminal.
func jsonLine(v any) []byte {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false) // a terminal is no page
	if err := encoder.Encode(v); err != nil {
		panic(err) // it has texts and numbers only
	}
	return append(escapeJSON(bytes.TrimSuffix(line.Bytes(), []byte("\n"))), '\n')
}

// escapeJSON returns JSON that means the same, and has nothing in it that a terminal acts on or does not show. In JSON
// that package json made, such a thing can only stand in a string.
func escapeJSON(p []byte) []byte {
	text := make([]byte, 0, len(p))
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		switch {
		case lineedit.IsPlain(r):
			text = append(text, p[:size]...)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			text = fmt.Appendf(text, `\u%04x\u%04x`, high, low)
		default:
			text = fmt.Appendf(text, `\u%04x`, r)
		}
		p = p[size:]
	}
	return text
}
