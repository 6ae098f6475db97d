package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

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

// opened says that the connection is there.
func (v *visitor) opened(r *http.Request) {
	v.l.print(event{Event: "open", Conn: v.n, Remote: r.RemoteAddr, Path: r.RequestURI,
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
	e := event{Event: "close", Conn: v.n}
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
		v.l.say("#%d %s", v.n, fmt.Sprintf(format, args...))
	}
}

// sayMessage says, if asked to, how a message was sent.
func (v *visitor) sayMessage(direction string, t websocket.MessageType, size int, wire int64) {
	if v.l.verbose {
		v.say("%s", describeMessage(direction, t, size, wire))
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
		e := messageEvent(t, p, wire)
		e.Conn = n
		l.writeLocked(e.line())
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

// print prints an event, if events are asked for.
func (l *listener) print(e event) {
	if l.json {
		l.show.Lock()
		defer l.show.Unlock()
		l.writeLocked(e.line())
	}
}

// say writes a line to standard error, without secrets.
func (l *listener) say(format string, args ...any) {
	l.write(l.std.err, append([]byte(conceal(fmt.Sprintf(format, args...))), '\n'))
}

// complain says what is wrong, or what is done.
func (l *listener) complain(format string, args ...any) { l.say("hawser listen: "+format, args...) }

// complaints is a log whose lines are said like all else.
type complaints func(format string, args ...any)

// Write takes a line.
func (say complaints) Write(p []byte) (int, error) {
	say("%s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// write writes whole lines, or payload in a pipe: above the prompt, if there is one. Without it standard error does not
// wait for standard output, of which somebody may not take any more.
func (l *listener) write(w *os.File, p []byte) (err error) {
	if l.prompt {
		return l.screen.write(w, p)
	}
	_, err = w.Write(p)
	return err
}

// writeLocked writes to standard output. When that cannot be written it ends the run.
func (l *listener) writeLocked(p []byte) {
	if err := l.write(l.std.out, p); err != nil {
		l.end(fmt.Errorf("standard output: %w", err))
	}
}
