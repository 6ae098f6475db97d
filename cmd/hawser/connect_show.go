package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"hawser.example/websocket"
)

// emit writes an event, with --json. Whoever cannot do anything about an error leaves it to the loop.
func (c *client) emit(e event) error {
	if !c.json {
		return nil
	}
	err := c.screen.write(c.std.out, e.line())
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

// say writes a line to standard error. What the peer chose stands in it escaped, secrets do not.
func (c *client) say(format string, args ...any) {
	c.screen.write(c.std.err, append(escapeText([]byte(conceal(fmt.Sprintf(format, args...)))), '\n'))
}

// showOpen says what was agreed on.
func (c *client) showOpen(conn *websocket.Conn) {
	if c.attended {
		how := "end with Ctrl-C"
		if c.prompt {
			how = "/help lists the commands, Ctrl-C ends"
		}
		c.say("connected to %s; %s", concealURL(c.shownURL()), how)
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
	c.emit(event{Event: "open", URL: c.url, Subprotocol: conn.Subprotocol(), Extension: conn.Extension()})
}

// showMessage writes a message that came.
func (c *client) showMessage(a arrival) error {
	if c.verbose {
		c.say("%s", describeMessage("<", a.t, len(a.p), a.wire))
	}
	if c.json {
		return c.emit(messageEvent(a.t, a.p, a.wire))
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
		c.say("%s", describeMessage(">", t, len(o.p), wire))
	}
	size := len(o.p)
	c.emit(event{Event: "sent", Type: t.String(), Size: &size, Compressed: wire})
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
