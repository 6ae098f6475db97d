package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"hawser.example/websocket"
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
	line := make([]byte, 0, len(p)+1)
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) {
			line = append(line, p[:size]...)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			line = append(line, quoted[1:len(quoted)-1]...)
		}
		p = p[size:]
	}
	return append(line, '\n')
}
