package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"hawser.example/websocket"
)

// newTap returns a tap that says what it sees: with -v everything, with --json control frames, and on the prompt the
// Pongs that answer /ping.
func (c *client) newTap() *tap {
	t := new(tap)
	t.sent = observer{
		head:  func(head string) stage { c.sayHead(">", head); return inFrames },
		frame: func(h websocket.Header, p []byte) { c.sayFrame(">", "out", h, p) },
	}
	t.received = observer{
		head: func(head string) stage { c.sayHead("<", head); return afterAnswer(head) },
		frame: func(h websocket.Header, p []byte) {
			if !t.open {
				p = bytes.Clone(p)
			}
			t.whenOpen(func() {
				c.sayFrame("<", "in", h, p)
				c.gotControl(h, p)
			})
		},
	}
	return t
}

// afterAnswer says what follows the head of an answer: frames after a 101, another head after what is no answer yet.
// RFC 9110, section 15.2.
func afterAnswer(head string) stage {
	_, status, _ := strings.Cut(head, " ")
	switch {
	case strings.HasPrefix(status, "101"):
		return inFrames
	case strings.HasPrefix(status, "1"):
		return inHeads
	}
	return inRest
}

// sayHead says a head of HTTP, line by line.
func (c *client) sayHead(direction, head string) {
	if !c.verbose {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n") {
		c.say("%s %s", direction, concealField(line))
	}
}

// sayFrame says a frame.
func (c *client) sayFrame(sign, direction string, h websocket.Header, p []byte) {
	if !c.verbose {
		return
	}
	c.say("%s frame %s", sign, describeFrame(h, p))
	opcode := uint8(h.Opcode)
	c.emit(event{Event: "frame", Direction: direction, Opcode: &opcode, Fin: &h.Fin, RSV: rsv(h),
		Mask: &h.Masked, Length: &h.Length})
}

// describeFrame returns the fields of a header, by their names in RFC 6455, section 5.2, and what a control frame says.
func describeFrame(h websocket.Header, p []byte) string {
	s := fmt.Sprintf("FIN=%d RSV=%s opcode=%d (%v) MASK=%d length=%d",
		bitDigit(h.Fin), rsv(h), uint8(h.Opcode), h.Opcode, bitDigit(h.Masked), h.Length)
	switch {
	case len(p) == 0:
	case h.Opcode != websocket.OpClose:
		s += " payload=" + strconv.QuoteToASCII(string(p))
	case len(p) >= 2: // RFC 6455, section 5.5.1
		s += fmt.Sprintf(" code=%d", int(p[0])<<8|int(p[1]))
		if len(p) > 2 {
			s += " reason=" + strconv.Quote(string(p[2:]))
		}
	}
	return s
}

// rsv returns the reserved bits.
func rsv(h websocket.Header) string {
	return fmt.Sprint(bitDigit(h.RSV1)*100 + bitDigit(h.RSV2)*10 + bitDigit(h.RSV3) + 1000)[1:]
}

func bitDigit(on bool) int {
	if on {
		return 1
	}
	return 0
}

// gotControl looks at a control frame that came.
func (c *client) gotControl(h websocket.Header, p []byte) {
	switch h.Opcode {
	case websocket.OpPing:
		c.emit(event{Event: "ping"}.withPayload(p))
	case websocket.OpPong:
		c.emit(event{Event: "pong"}.withPayload(p))
		if rtt, ok := c.pings.answered(p); ok {
			c.note("pong %s after %v", strconv.Quote(string(p)), roundRTT(rtt))
		}
	}
}
