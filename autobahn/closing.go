package autobahn

import (
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf8"
)

// shut begins the closing handshake, RFC 6455 §7.1.2, with a Close that may be illegal.
func (c *conn) shut(payload []byte) {
	if c.state != stateOpen {
		return
	}
	c.r.ClosedByMe = true
	c.sendClose(payload)
	c.owed(closeLimit, &c.r.CloseHandshakeTimeout, "the peer sent no Close in time")
}

// fail fails the connection, RFC 6455 §7.1.7.
func (c *conn) fail(code int, reason string) {
	if c.state == stateClosed {
		return
	}
	c.r.FailedByMe = true
	c.shut(closePayload(code, reason))
}

func (c *conn) sendClose(payload []byte) {
	c.state = stateClosing
	if len(payload) >= 2 {
		code, reason := int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		c.r.LocalCloseCode = &code
		if reason != "" {
			c.r.LocalCloseReason = &reason
		}
	}
	c.frame(header{fin: true, opcode: opClose}, payload)
}

// owed gives the peer a time, after which the kit drops the connection and takes down that it did.
func (c *conn) owed(limit time.Duration, late *bool, why string) {
	c.stop(c.deadline)
	c.deadline = c.after(c.opt.limit(limit), func() {
		*late = true
		if !c.r.WasClean {
			c.r.WasNotCleanReason = &why
		}
		c.drop()
	})
}

// closed takes the peer's Close.
func (c *conn) closed(payload []byte) {
	if c.replied || c.r.WasClean {
		return // one is enough, and what follows it is nobody's business, RFC 6455 §5.5.1
	}
	code, reason, bad, why := parseClose(payload)
	if code != nil {
		c.r.RemoteCloseCode = code
	}
	if reason != "" {
		c.r.RemoteCloseReason = &reason
	}
	switch {
	case why != "" && c.state == stateOpen:
		c.violation(bad, why)
		return
	case why != "":
		// It is no answer: the time that the peer has for one runs on.
		c.r.WasNotCleanReason = &why
		return
	case c.state == stateOpen:
		c.replied = true
		var reply []byte
		if code != nil {
			reply = closePayload(*code, "")
		}
		c.sendClose(reply)
	}
	c.r.WasClean = true
	c.r.WasNotCleanReason = nil
	if c.isServer {
		c.drop() // a server ends TCP first, RFC 6455 §7.1.1
		return
	}
	c.owed(dropLimit, &c.r.DropTimeout, "")
}

// lost is the end of TCP by the peer.
func (c *conn) lost() {
	if !c.r.WasClean && c.r.WasNotCleanReason == nil {
		why := "the peer ended TCP without a closing handshake"
		c.r.WasNotCleanReason = &why
	}
	c.finish()
}

// drop is the end of TCP by the kit. What was written still leaves, if the peer takes it in a second.
func (c *conn) drop() {
	c.flush()
	c.r.DroppedByMe = true
	c.nc.SetDeadline(time.Now().Add(time.Second))
	c.finish()
}

// unread fails the connection to a peer that does not read what it is sent. There is no use in a Close.
func (c *conn) unread() {
	if c.state == stateClosed {
		return
	}
	if c.broken == "" {
		c.broken = "it does not read what it is sent"
	}
	c.r.FailedByMe, c.r.ClosedByMe, c.r.DroppedByMe = true, true, true
	c.nc.SetDeadline(time.Now())
	c.finish()
}

func (c *conn) finish() {
	c.state = stateClosed
	c.timers = nil
	c.out.end()
}

// parseClose reads the payload of a Close. Where it breaks a rule, why names that, and bad is what a Close says of it.
func parseClose(p []byte) (code *int, reason string, bad int, why string) {
	if len(p) == 0 {
		return nil, "", 0, ""
	}
	if len(p) == 1 {
		return nil, "", 1002, "a Close with half a code (RFC 6455 §5.5.1)"
	}
	n := int(binary.BigEndian.Uint16(p))
	reason = string(p[2:])
	switch {
	case !sendable(n):
		bad, why = 1002, fmt.Sprintf("a Close with the code %d (RFC 6455 §7.4)", n)
	case !utf8.ValidString(reason):
		bad, why = 1007, "a Close with a reason that is not UTF-8 (RFC 6455 §5.5.1, §8.1)"
	}
	return &n, reason, bad, why
}

// sendable tells whether a Close may have this code, RFC 6455 §7.4 and the registry of IANA.
func sendable(code int) bool {
	switch {
	case code >= 3000 && code < 5000:
		return true
	case code == 1004 || code == 1005 || code == 1006:
		return false
	}
	return code >= 1000 && code <= 1014
}
