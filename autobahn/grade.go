package autobahn

import (
	"fmt"
	"slices"
	"strings"
)

// judge grades a case whose connection has ended, or has never come to be.
func (c *conn) judge() {
	r := c.r
	r.Behavior, r.Reason = c.behavior()
	r.BehaviorClose, r.ReasonClose = c.closeGrade()
	if r.BehaviorClose == Failed && c.c.Close.WrongIsFatal {
		r.Behavior, r.Reason = Failed, "The wrong side ended the connection."
	}
	if c.c.Informational {
		r.Behavior, r.BehaviorClose = Informational, Informational
		r.Reason = "There is no right or wrong here: " + r.Reason
	}
	c.ownFindings()
	if c.c.strict && r.Behavior == OK && len(r.Own) > 0 {
		r.Behavior, r.Reason = Failed, r.Own[0].Rule+": "+r.Own[0].Reason
	}
}

// behavior compares what was received with what had to be.
func (c *conn) behavior() (Grade, string) {
	switch {
	case c.r.Behavior == Unimplemented:
		return Unimplemented, "The peer did not agree to permessage-deflate."
	case c.broken != "":
		return Failed, "The peer broke a rule: " + c.broken + "."
	case c.rounds != nil:
		return c.rounds.grade()
	}
	for _, g := range []Grade{OK, NonStrict} {
		if c.c.earns(g, c.r.Received) {
			if why := c.frameCounts(); why != "" {
				return Failed, why
			}
			if g == NonStrict {
				return g, "What came is allowed, but not the best."
			}
			return g, "All came that had to."
		}
	}
	return Failed, "What came is not what had to: " + contrast(c.r.Received, c.c.Expected[OK]) + "."
}

func (r *rounds) grade() (Grade, string) {
	switch {
	case r.failed != "":
		return Failed, "Of " + count(r.Count, "message") + ", " + r.failed + "."
	case r.back < r.Count:
		return Failed, fmt.Sprintf("%d of %d came back in the time.", r.back, r.Count)
	}
	return OK, "All came back in order, unchanged."
}

// frameCounts looks at how a message in fragments left, where a case says so: as many as it takes, and no more.
func (c *conn) frameCounts() string {
	if !c.c.CountsFrames {
		return ""
	}
	want := map[string]int{}
	for _, s := range c.c.Steps {
		if s.Op == SendMessage {
			frames := (len(s.Payload) + s.Fragment - 1) / s.Fragment
			want["1"], want["0"], want["8"] = 1, frames-1, 1
		}
	}
	for opcode, n := range want {
		if c.r.TxFrames[opcode] != n {
			return fmt.Sprintf("The kit sent %d frames with opcode %s, not %d.", c.r.TxFrames[opcode], opcode, n)
		}
	}
	return ""
}

// closeGrade applies the rules of the close, in their order. It is Failed when the wrong side closed.
func (c *conn) closeGrade() (g Grade, why string) {
	r, rule := c.r, c.c.Close
	if r.Behavior == Unimplemented {
		rule = closedNormally // by the kit, which has nothing to play
	}
	switch {
	case r.ClosedByMe && !rule.ClosedByMe:
		return Failed, "The kit had to end the connection, and the peer should have."
	case !r.ClosedByMe && rule.ClosedByMe:
		return Failed, "The peer ended the connection, and the kit should have."
	case rule.RequireClean && !r.WasClean:
		return Unclean, "There was no complete closing handshake."
	case r.RemoteCloseCode != nil && !slices.Contains(rule.Codes, *r.RemoteCloseCode):
		return WrongCode, fmt.Sprintf("The peer's Close has the code %d, not %v.", *r.RemoteCloseCode, rule.Codes)
	case !c.isServer && r.DroppedByMe:
		return FailedByClient, "The kit had to end TCP, which is for the server to do first (RFC 6455 §7.1.1)."
	}
	return OK, "It ended as it should."
}

// ownFindings are the verdicts that the original does not pass.
func (c *conn) ownFindings() {
	if c.params == nil {
		return
	}
	bits, section := c.params.serverBits, "RFC 7692 §7.1.2.1"
	if c.isServer {
		bits, section = c.params.clientBits, "RFC 7692 §7.1.2.2"
	}
	if far := c.rx.inflater.longest; bits != 0 && far > 1<<bits {
		c.own("window bits, "+section, fmt.Sprintf("a match reaches %d bytes back, and %d bits of window, which are "+
			"%d bytes, were agreed on", far, bits, 1<<bits))
	}
	if !c.isServer {
		c.answerFindings()
	}
}

// answerFindings looks for what every offer asked of the server, and the answer does not grant.
func (c *conn) answerFindings() {
	noTakeover, bits := true, 0
	for _, o := range c.c.Deflate.Offers {
		p, _ := parseDeflate(parseExtensions(o)[0][1:]) // our own offers are sound
		noTakeover = noTakeover && p.serverNoTakeover
		if p.serverBits == 0 {
			p.serverBits = 15
		}
		bits = max(bits, p.serverBits)
	}
	if noTakeover && !c.params.serverNoTakeover {
		c.own("server_no_context_takeover, RFC 7692 §7.1.1.1", "the server agreed, and did not confirm it")
	}
	switch granted := c.params.serverBits; {
	case granted == 0 && bits < 15:
		c.own("server_max_window_bits, RFC 7692 §7.1.2.1", fmt.Sprintf("the server agreed, and did not confirm %d", bits))
	case granted > bits:
		c.own("server_max_window_bits, RFC 7692 §7.1.2.1", fmt.Sprintf("the server answered %d to %d", granted, bits))
	}
}

func (c *conn) own(rule, reason string) { c.r.Own = append(c.r.Own, Finding{Failed, rule, reason}) }

// contrast says where what came parts from the one that had to.
func contrast(got []Event, lists [][]Event) string {
	if len(lists) == 0 {
		return "there are " + count(len(got), "event")
	}
	want := lists[0]
	for i, e := range got {
		switch {
		case i == len(want):
			return "there is " + e.String() + " too much"
		case !e.same(want[i]):
			return e.String() + " in the place of " + want[i].String()
		}
	}
	return want[len(got)].String() + " is missing"
}

// String describes an event in a few words.
func (e Event) String() string {
	kind := e.Kind
	switch {
	case e.Kind == "timeout":
		return "the end of the wait " + e.Tag
	case e.Binary:
		kind = "binary message"
	case e.Kind == "message":
		kind = "text message"
	case e.Kind != "":
		kind = strings.ToUpper(kind[:1]) + kind[1:]
	}
	return "a " + kind + " of " + count(len(e.Payload), "byte")
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
