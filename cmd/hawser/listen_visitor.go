package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"hawser.example/websocket"
)

// A visitor is a connection of a listener, and the Handler that is told what it sends.
type visitor struct {
	l   *listener
	c   *websocket.Conn
	n   int        // its number: 1, 2, 3, …
	cmd *execution // its process, if there is one
	in  int64      // compressed bytes that have come; the reader's
}

// A listenEvent is what --json prints in a line. "hawser help listen" explains the fields.
type listenEvent struct {
	Time        string  `json:"time"`
	Event       string  `json:"event"`
	Conn        int     `json:"conn"`
	Remote      string  `json:"remote,omitempty"`
	Path        string  `json:"path,omitempty"`
	Subprotocol string  `json:"subprotocol,omitempty"`
	Extension   string  `json:"extension,omitempty"`
	Type        string  `json:"type,omitempty"`
	Text        *string `json:"text,omitempty"`
	Base64      *string `json:"base64,omitempty"`
	Size        *int    `json:"size,omitempty"`
	Compressed  int64   `json:"compressed,omitempty"`
	By          string  `json:"by,omitempty"`
	Code        uint16  `json:"code,omitempty"`
	Reason      *string `json:"reason,omitempty"`
	Error       string  `json:"error,omitempty"`
}

// opened says that the connection is there.
func (v *visitor) opened(r *http.Request) {
	v.l.print(listenEvent{Event: "open", Conn: v.n, Remote: r.RemoteAddr, Path: r.RequestURI,
		Subprotocol: v.c.Subprotocol(), Extension: v.c.Extension()})
	text := fmt.Sprintf("connected from %s, path %+q", r.RemoteAddr, r.RequestURI)
	if s := v.c.Subprotocol(); s != "" {
		text += ", subprotocol " + s
	}
	if e := v.c.Extension(); e != "" {
		text += ", extension " + e
	}
	v.say("%s", text)
}

// Message does with a message what the mode says, and counts it.
func (v *visitor) Message(c *websocket.Conn, t websocket.MessageType, p []byte) {
	all := c.Stats().CompressedBytesIn
	wire := all - v.in
	v.in = all
	v.sayMessage("<", t, len(p), wire)
	switch v.l.mode {
	case modeEcho:
		if c.WriteMessage(t, p) == nil { // else the connection has ended, which Closed is told
			v.sayMessage(">", t, len(p), 0)
		}
	case modeBroadcast:
		v.l.hub.Publish(everybody, t, p)
	case modeExec:
		if v.cmd != nil {
			v.cmd.feed(p)
		}
	}
	v.l.message(v.n, t, p, wire)
}

// Closed ends what belongs to the connection.
func (v *visitor) Closed(_ *websocket.Conn, err error) {
	defer v.l.leave(v)
	if v.cmd != nil {
		close(v.cmd.gone)
	}
	e := listenEvent{Event: "close", Conn: v.n}
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed):
		e.By, e.Code, e.Reason = "client", uint16(closed.Code), &closed.Reason
	case errors.Is(err, net.ErrClosed):
		e.By = "server"
	default:
		e.Event, e.Error = "error", err.Error()
	}
	v.l.print(e)
	v.say("%v", err)
}

// say tells, where somebody wants to know, of the connection.
func (v *visitor) say(format string, args ...any) {
	if v.l.talk {
		fmt.Fprintf(v.l.std.err, "#%d %s\n", v.n, fmt.Sprintf(format, args...))
	}
}

// sayMessage says, if asked to, how a message was sent: < by the client, > by us. wire is its compressed size, 0 if it
// was not compressed or that is not known.
func (v *visitor) sayMessage(direction string, t websocket.MessageType, size int, wire int64) {
	switch {
	case !v.l.verbose:
	case wire == 0:
		v.say("%s %v, %d bytes", direction, t, size)
	default:
		v.say("%s %v, %d bytes, RSV1: %d bytes compressed", direction, t, size, wire)
	}
}

// message prints a message of connection n and counts it. Those that come after enough have come are dropped.
func (l *listener) message(n int, t websocket.MessageType, p []byte, wire int64) {
	l.show.Lock()
	defer l.show.Unlock()
	if l.count > 0 && l.shown.Load() == int64(l.count) {
		return
	}
	switch {
	case l.json:
		e := messageEvent(t, p)
		e.Conn, e.Compressed = n, wire
		l.printLocked(e)
	case l.mode == modePrint:
		l.writeLocked(l.format(n, t, p))
	}
	if l.shown.Add(1) == int64(l.count) {
		l.end(errEnough)
	}
}

// maxScratch is how much memory for printing is kept.
const maxScratch = 1 << 20

// format returns what is written of a message. It is valid until the next call.
func (l *listener) format(n int, t websocket.MessageType, p []byte) []byte {
	if cap(l.line) > maxScratch {
		l.line = nil
	}
	switch {
	case l.escape:
		l.line = append(fmt.Appendf(l.line[:0], "#%d ", n), escapeMessage(t, p)...)
	case l.binary:
		return p
	default:
		l.line = append(append(l.line[:0], p...), '\n')
	}
	return l.line
}

// messageEvent is the event of a message.
func messageEvent(t websocket.MessageType, p []byte) listenEvent {
	size := len(p)
	e := listenEvent{Event: "message", Type: t.String(), Size: &size}
	if t == websocket.TextMessage {
		text := string(p)
		e.Text = &text
	} else {
		text := base64.StdEncoding.EncodeToString(p)
		e.Base64 = &text
	}
	return e
}

// print prints an event, if events are asked for.
func (l *listener) print(e listenEvent) {
	if l.json {
		l.show.Lock()
		defer l.show.Unlock()
		l.printLocked(e)
	}
}

func (l *listener) printLocked(e listenEvent) {
	e.Time = time.Now().Format(time.RFC3339Nano)
	l.writeLocked(jsonLine(e))
}

// writeLocked writes to standard output. When that cannot be written it ends the run.
func (l *listener) writeLocked(p []byte) {
	if _, err := l.std.out.Write(p); err != nil {
		l.end(fmt.Errorf("standard output: %w", err))
	}
}
