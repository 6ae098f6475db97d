package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"hawser.example/websocket"
)

// stopped is told that a signal asked us to stop.
func (c *client) stopped() (code int, over bool) {
	if !c.connected {
		c.leaveTerminal()
		c.fail("stopped before there was a connection")
		return exitConnect, true
	}
	return c.goodbye()
}

// timedOut is told that --timeout has passed.
func (c *client) timedOut() (code int, over bool) {
	if !c.connected {
		c.leaveTerminal()
		c.fail(fmt.Sprintf("no connection within %v (--timeout)", c.timeout))
		return exitConnect, true
	}
	if c.conn == nil {
		c.leaveTerminal()
		c.fail(fmt.Sprintf("%v were over (--timeout) while there was no connection", c.timeout))
		if code := c.verdict(); code != exitOK {
			return code, true
		}
		return exitFailed, true
	}
	return c.goodbye()
}

// fail says why it does not end well, also with --json.
func (c *client) fail(why string) {
	c.complain("%s", why)
	c.emit(event{Event: "error", Error: why})
}

// idled is told that no message has come for as long as -w says.
func (c *client) idled() (code int, over bool) {
	quiet := time.Since(c.started) - time.Duration(c.partAt.Load())
	if quiet < c.limit { // a part of one has
		c.idle.Reset(c.limit - quiet)
		return 0, false
	}
	c.leaveTerminal()
	if !c.heard {
		c.complain("no message came within %v after the end of the input (-w sets that)", c.limit)
	}
	return c.goodbye()
}

// outputFailed is told that standard output takes nothing more. That nobody reads it any more is no failure: whoever
// did has seen enough.
func (c *client) outputFailed(err error) (code int, over bool) {
	if !errors.Is(err, syscall.EPIPE) {
		c.complain("standard output: %v", err)
		c.failed = true
		return c.goodbye()
	}
	c.leaveTerminal()
	if conn := c.conn; conn != nil { // it is told, and what it makes of that interests nobody any more
		cut := time.AfterFunc(noticeTime, func() { conn.CloseNow() })
		conn.Close()
		cut.Stop()
		c.settle()
	}
	return c.verdict(), true
}

// leaveTerminal leaves the terminal to others. Ctrl-Z does nothing from now on: Go's runtime does not give SIGTSTP its
// meaning back.
func (c *client) leaveTerminal() {
	c.terminal.unlisten()
	c.screen.close()
}

const (
	// lastWait is how much longer than --timeout a goodbye may take.
	lastWait = time.Second
	// stuckTime is how long a write takes that nobody reads, when it is time to end.
	stuckTime = lastWait / 4
	// noticeTime is how long a goodbye takes before it is said what is waited for, and how long it may take when nobody
	// reads the output.
	noticeTime = 500 * time.Millisecond
)

// goodbye closes the connection.
func (c *client) goodbye() (code int, over bool) {
	c.leaveTerminal()
	if c.conn == nil { // lost, and not yet made again
		c.failed = c.failed || c.connected
		return c.verdict(), true
	}
	saySo := time.AfterFunc(noticeTime, c.sayClosing)
	err := c.close(c.conn)
	saySo.Stop()
	c.settle()
	if err != nil {
		c.fail(c.errorText(err))
		if code := c.verdict(); code != exitOK || c.matched { // what was asked for is known by now
			return code, true
		}
		return exitFailed, true
	}
	c.emitClose("client", websocket.CloseNormal, "")
	return c.verdict(), true
}

// sayClosing tells who pressed Ctrl-C why it has not ended yet.
func (c *client) sayClosing() {
	if c.attended && c.stop.Err() != nil {
		c.note("closing: the server has not answered yet; Ctrl-C again ends at once")
	}
}

// close closes a connection, and cuts it if that takes much longer than --timeout.
func (c *client) close(conn *websocket.Conn) error {
	if c.timeout == 0 {
		return conn.Close()
	}
	cut := time.AfterFunc(time.Until(c.started.Add(c.timeout+lastWait)), func() { conn.CloseNow() })
	err := conn.Close()
	if !cut.Stop() && err == nil {
		err = errors.New("the server had not finished the closing handshake when the time of --timeout was over")
	}
	return err
}

// cutOff is goodbye while the loop waits for whoever should read our output. It waits for nobody.
func (c *client) cutOff() (code int) {
	c.screen.mute.Store(true) // with -v the Close would wait too, to be shown
	if conn := c.current.Load(); conn != nil {
		c.close(conn)
	}
	c.screen.restore()
	c.screen.hurry(c.std.err, "hawser connect: standard output: nobody has taken what was left to write\n")
	return exitFailed
}

// silentError is what ends a connection whose peer is gone.
type silentError time.Duration

func (e silentError) Error() string {
	return fmt.Sprintf("no Pong for %v, nor anything else: the connection is taken as lost", time.Duration(e))
}

// ended is told how the connection ended.
func (c *client) ended(err error) (code int, over bool) {
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.closing { // else that of the goodbye
		err = silentError(c.dial.Keepalive.Interval + c.dial.Keepalive.Timeout)
	}
	c.link.drop(c.conn)
	c.settle()
	carried := c.carried.Load() == c.conn // else it had none of the input
	c.conn, c.arrivals = nil, nil
	if errors.Is(err, net.ErrClosed) {
		return c.closedByCommand(err)
	}
	var ce *websocket.CloseError
	if errors.As(err, &ce) {
		c.emitClose("server", ce.Code, ce.Reason)
	} else {
		c.emit(event{Event: "error", Error: c.errorText(err)})
	}
	normal := ce != nil && (ce.Code == websocket.CloseNormal || ce.Code == websocket.CloseNoStatus)
	if !normal && c.reconnect && !c.closing {
		c.retry(err)
		if carried { // what was written is on its way, and whether it arrives nobody says
			c.complain("what was sent just before may not have arrived, and is not sent again")
		}
		return 0, false
	}
	c.leaveTerminal()
	switch {
	case !normal:
		c.complain("%s", c.errorText(err))
	case c.reconnect && !c.closing:
		c.note("%s, which ends --reconnect", withoutPackage(err))
	case c.attended:
		c.note("%s", withoutPackage(err))
	}
	c.failed = c.failed || !normal
	return c.verdict(), true
}

// closedByCommand is told that /close ended the connection. err says with which code.
func (c *client) closedByCommand(err error) (code int, over bool) {
	c.leaveTerminal()
	closed := <-c.closed
	if closed.err != nil {
		c.fail(c.errorText(closed.err))
		return exitFailed, true
	}
	c.note("%s", withoutPackage(err))
	c.emitClose("client", closed.o.code, string(closed.o.p))
	return c.verdict(), true
}

// withoutPackage returns the text of an end that is no error.
func withoutPackage(err error) string { return strings.TrimPrefix(err.Error(), "websocket: ") }

func (c *client) emitClose(by string, code websocket.CloseCode, reason string) {
	c.emit(event{Event: "close", By: by, Code: uint16(code), Reason: &reason})
}

// verdict returns the exit code of a connection that ended as it should, or of which is known that it did not.
func (c *client) verdict() int {
	switch {
	case c.failed || c.unsent.Load():
		return exitFailed
	case c.count > 0 && !c.matched:
		c.complain("%d of the messages that -n asks for did not come", c.count)
		return exitUnmet
	case c.expect != nil && !c.matched:
		c.complain("no message came that --expect %q matches", c.expect)
		return exitUnmet
	}
	return exitOK
}
