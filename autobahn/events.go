package autobahn

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// What a connection does with what the peer sends: conn is the sink of its receiver.

// begin starts the case on a connection that has just opened.
func (c *conn) begin() {
	switch {
	case c.c.Deflate != nil && c.params == nil:
		c.r.Behavior = Unimplemented
		c.shut(closePayload(1000, ""))
	case c.c.Rounds != nil:
		c.startRounds()
	default:
		c.play(c.c.Steps[c.played:])
	}
}

func (c *conn) gotFrame(h header, shown []byte) {
	c.r.RxFrames[strconv.Itoa(int(h.opcode))]++
	c.log.frame("RF", h, shown)
}

func (c *conn) gotMessage(binary bool, payload []byte) {
	if c.rounds != nil {
		c.echoed(binary, payload)
		return
	}
	c.event(Event{Kind: "message", Binary: binary, Payload: bytes.Clone(payload)})
}

func (c *conn) gotControl(opcode byte, payload []byte) {
	switch opcode {
	case opClose:
		c.closed(payload)
	case opPing:
		if c.state == stateOpen {
			c.frame(header{fin: true, opcode: opPong}, payload)
		}
		c.event(Event{Kind: "ping", Payload: bytes.Clone(payload)})
	case opPong:
		c.event(Event{Kind: "pong", Payload: bytes.Clone(payload)})
	}
}

// violation is a rule that the peer broke. A Close that breaks one is for the rules of the close to judge.
func (c *conn) violation(code int, why string) {
	if c.broken == "" {
		c.broken = why
	}
	c.fail(code, why)
}

// event takes down what has happened, and closes when it was all that had to.
func (c *conn) event(e Event) {
	if c.rounds != nil {
		return // they look at echoes alone
	}
	if c.tooMuch(len(e.Payload)) {
		c.violation(1008, "the peer has sent far more than any case asks for")
		return
	}
	c.r.Received = append(c.r.Received, e)
	if c.c.LeavesOpen || !c.c.Close.ClosedByMe {
		return
	}
	if c.c.earns(OK, c.r.Received) || c.c.earns(NonStrict, c.r.Received) {
		c.shut(closePayload(1000, ""))
	}
}

// A peer that does not stop talking is not listened to for ever. The most that a case with an event list expects are 1001
// events, or 256 KiB in all.
const (
	maxReceived      = 4096
	maxReceivedBytes = 64 << 20
)

// tooMuch counts an event with a payload of n bytes, and reports whether it is one too many.
func (c *conn) tooMuch(n int) bool {
	c.eventBytes += n
	return len(c.r.Received) >= maxReceived || c.eventBytes > maxReceivedBytes
}

// earns reports whether what has come is all that has to for a grade.
func (c *Case) earns(g Grade, got []Event) bool {
	if g == NonStrict && c.pongs && fewerPongs(got, c.Expected[OK][0]) {
		return true
	}
	return slices.ContainsFunc(c.Expected[g], func(l []Event) bool { return sameEvents(l, got) })
}

// fewerPongs reports whether a message has come and enough of the Pongs that are wanted before it. RFC 6455 §5.5.3: an
// endpoint that has not answered earlier Pings yet may answer the most recent one alone. So the Pongs are in the order
// of the Pings, and the one for the last Ping is there.
func fewerPongs(got, want []Event) bool {
	pongs, message := want[:len(want)-1], want[len(want)-1]
	at := slices.IndexFunc(got, message.same)
	if at < 0 {
		return false
	}
	for _, e := range slices.Delete(slices.Clone(got), at, at+1) {
		next := slices.IndexFunc(pongs, e.same)
		if next < 0 {
			return false
		}
		pongs = pongs[next+1:]
	}
	return len(pongs) == 0
}

func sameEvents(a, b []Event) bool { return slices.EqualFunc(a, b, Event.same) }

func (e Event) same(o Event) bool {
	return e.Kind == o.Kind && e.Binary == o.Binary && e.Tag == o.Tag && bytes.Equal(e.Payload, o.Payload)
}

// rounds is how far a case with Rounds has come.
type rounds struct {
	*Rounds
	data   []byte // what the messages are cut from, as a ring
	at     int    // where the next one begins
	want   []byte // the message that has to come back
	sent   int
	back   int
	failed string // what was wrong with an echo
}

func (c *conn) startRounds() {
	c.rounds = &rounds{Rounds: c.c.Rounds, data: ringOf(c.c.Rounds)}
	c.after(c.opt.limit(c.rounds.Within), func() { c.shut(closePayload(1000, "")) })
	c.round()
}

// round sends the next message.
func (c *conn) round() {
	r := c.rounds
	r.want, r.at = cut(r.want[:0], r.data, r.at, r.Size)
	r.sent++
	h := header{opcode: opText}
	if r.Binary {
		h.opcode = opBinary
	}
	payload := r.want
	switch {
	case c.sequence != nil:
		h.rsv, payload = 4, c.sequence.message(r.sent-1, payload)
	case c.deflater != nil:
		h.rsv, payload = 4, c.deflater.compress(payload)
	}
	if t := c.r.Traffic; t != nil {
		t.OutgoingMessages++
		t.OutgoingOctetsApp += int64(r.Size)
		t.OutgoingOctetsWire += int64(len(payload))
		frames := 1
		if r.Fragment > 0 {
			frames = max(1, (len(payload)+r.Fragment-1)/r.Fragment)
		}
		t.OutgoingFrames += int64(frames)
	}
	c.message(h, payload, r.Fragment)
	if r.Chop > 0 {
		c.chopped(r.Chop)
	}
}

// echoed compares what has come back with what was sent.
func (c *conn) echoed(binary bool, payload []byte) {
	r := c.rounds
	switch {
	case r.failed != "":
		return
	case r.back == r.Count:
		r.failed = "more came back than was sent"
	case binary != r.Binary:
		r.failed = fmt.Sprintf("message %d came back with the other type", r.back+1)
	case !bytes.Equal(payload, r.want):
		r.failed = fmt.Sprintf("message %d came back changed: %s", r.back+1, difference(payload, r.want))
	}
	r.back++
	if t := c.r.Traffic; t != nil {
		t.IncomingMessages++
		t.IncomingOctetsApp += int64(len(payload))
	}
	switch {
	case r.failed != "" || r.back == r.Count:
		c.shut(closePayload(1000, ""))
	case c.state == stateOpen:
		c.round()
	}
}

// difference says where two payloads part.
func difference(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d is %#02x, not %#02x", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("%d bytes, not %d", len(got), len(want))
}
