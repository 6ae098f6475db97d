package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	err := c.screen.write(c.std.out, jsonLine(e))
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
