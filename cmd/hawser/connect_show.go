package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hawser.example/websocket"
)

// A connectEvent is what --json writes. "hawser help connect" explains the fields.
type connectEvent struct {
	Time        string  `json:"time"`
	Event       string  `json:"event"`
	URL         string  `json:"url,omitempty"`
	Subprotocol string  `json:"subprotocol,omitempty"`
	Extension   string  `json:"extension,omitempty"`
	Direction   string  `json:"direction,omitempty"`
	Type        string  `json:"type,omitempty"`
	Text        *string `json:"text,omitempty"`
	Base64      *string `json:"base64,omitempty"`
	Size        *int    `json:"size,omitempty"`
	Compressed  int64   `json:"compressed,omitempty"`
	RTT         float64 `json:"rtt_ms,omitempty"`
	Opcode      *uint8  `json:"opcode,omitempty"`
	Fin         *bool   `json:"fin,omitempty"`
	RSV         string  `json:"rsv,omitempty"`
	Mask        *bool   `json:"mask,omitempty"`
	Length      *uint64 `json:"length,omitempty"`
	By          string  `json:"by,omitempty"`
	Code        uint16  `json:"code,omitempty"`
	Reason      *string `json:"reason,omitempty"`
	Error       string  `json:"error,omitempty"`
}

// withPayload adds a payload.
func (e connectEvent) withPayload(p []byte) connectEvent {
	size := len(p)
	e.Size = &size
	if e.Type != websocket.BinaryMessage.String() && utf8.Valid(p) {
		text := string(p)
		e.Text = &text
		return e
	}
	encoded := base64.StdEncoding.EncodeToString(p)
	e.Base64 = &encoded
	return e
}

// emit writes an event, with --json. Whoever cannot do anything about an error leaves it to the loop.
func (c *client) emit(e connectEvent) error {
	if !c.json {
		return nil
	}
	e.Time = time.Now().Format(time.RFC3339Nano)
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return err // of texts and numbers: never
	}
	err := c.screen.write(c.std.out, append(escapeJSON(bytes.TrimSuffix(line.Bytes(), []byte("\n"))), '\n'))
	if err != nil {
		select {
		case c.unwritten <- err:
		default:
		}
	}
	return err
}

// says reports whether it is said of every message how it was sent.
func (c *client) says() bool { return c.verbose || c.json }

// note says something about the connection.
func (c *client) note(format string, args ...any) { c.say("* "+format, args...) }

// complain says what is wrong.
func (c *client) complain(format string, args ...any) { c.say("hawser connect: "+format, args...) }

// say writes a line to standard error. What the peer chose stands in it escaped.
func (c *client) say(format string, args ...any) {
	c.screen.write(c.std.err, append(escapeText(fmt.Appendf(nil, format, args...)), '\n'))
}

// showOpen says what was agreed on.
func (c *client) showOpen(conn *websocket.Conn) {
	if c.attended {
		how := "end with Ctrl-C"
		if c.prompt {
			how = "/help lists the commands, Ctrl-C ends"
		}
		c.say("connected to %s; %s", redacted(c.url), how)
	}
	if c.verbose {
		if conn.Subprotocol() != "" {
			c.note("subprotocol: %s", conn.Subprotocol())
		}
		extension := conn.Extension()
		if extension == "" {
			extension = "none"
		}
		c.note("extension: %s", extension)
	}
	c.emit(connectEvent{Event: "open", URL: redacted(c.url), Subprotocol: conn.Subprotocol(), Extension: conn.Extension()})
}

// showMessage writes a message that came.
func (c *client) showMessage(a arrival) error {
	if c.verbose {
		c.sayMessage("<", a.t, len(a.p), a.wire)
	}
	if c.json {
		e := connectEvent{Event: "message", Type: a.t.String(), Compressed: a.wire}
		return c.emit(e.withPayload(a.p))
	}
	p := a.p
	if c.pretty && a.t == websocket.TextMessage {
		p = indentJSON(p)
	}
	switch {
	case c.escape:
		p = escapeMessage(a.t, p)
	case !c.binary:
		p = append(p, '\n')
	}
	return c.screen.write(c.std.out, p)
}

// indentJSON indents an object or array. Anything else stays as it is.
func indentJSON(p []byte) []byte {
	var indented bytes.Buffer
	if trimmed := bytes.TrimSpace(p); len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
		return p
	} else if json.Indent(&indented, trimmed, "", "  ") != nil {
		return p
	}
	return indented.Bytes()
}

// saySent says that a message was sent.
func (c *client) saySent(o outgoing, wire int64) {
	t := websocket.MessageType(o.op)
	if c.verbose {
		c.sayMessage(">", t, len(o.p), wire)
	}
	size := len(o.p)
	c.emit(connectEvent{Event: "sent", Type: t.String(), Size: &size, Compressed: wire})
}

// sayMessage says how a message was sent: < by the server, > by us. wire is its compressed size, 0 if it was not
// compressed.
func (c *client) sayMessage(direction string, t websocket.MessageType, size int, wire int64) {
	if wire == 0 {
		c.say("%s %v, %d bytes", direction, t, size)
		return
	}
	c.say("%s %v, %d bytes, RSV1: %d bytes compressed", direction, t, size, wire)
}

// newTap returns a tap that says what it sees: with -v everything, with --json control frames, and on the prompt the
// Pongs that answer /ping.
func (c *client) newTap() *tap {
	return &tap{
		sent: observer{
			head:  func(head string) stage { c.sayHead(">", head); return inFrames },
			frame: func(h websocket.Header, p []byte) { c.sayFrame(">", "out", h, p) },
		},
		received: observer{
			head: func(head string) stage { c.sayHead("<", head); return afterAnswer(head) },
			frame: func(h websocket.Header, p []byte) {
				c.sayFrame("<", "in", h, p)
				c.gotControl(h, p)
			},
		},
	}
}

// afterAnswer says what follows the head of an answer: frames after a 101, another head after what is no answer yet. RFC
// 9110, section 15.2.
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
		c.say("%s %s", direction, line)
	}
}

// sayFrame says a frame.
func (c *client) sayFrame(sign, direction string, h websocket.Header, p []byte) {
	if !c.verbose {
		return
	}
	c.say("%s frame %s", sign, describeFrame(h, p))
	opcode := uint8(h.Opcode)
	c.emit(connectEvent{Event: "frame", Direction: direction, Opcode: &opcode, Fin: &h.Fin, RSV: rsv(h), Mask: &h.Masked, Length: &h.Length})
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
		c.emit(connectEvent{Event: "ping"}.withPayload(p))
	case websocket.OpPong:
		c.emit(connectEvent{Event: "pong"}.withPayload(p))
		if rtt, ok := c.pings.answered(p); ok {
			c.note("pong %s after %v", strconv.Quote(string(p)), roundRTT(rtt))
		}
	}
}

// roundRTT leaves three digits or so of a duration.
func roundRTT(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
