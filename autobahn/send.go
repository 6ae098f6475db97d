package autobahn

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"
)

// An openFrame is one whose payload comes in pieces.
type openFrame struct {
	key [4]byte
	pos int
}

// frame appends a frame to what is pending. The payload is copied.
func (c *conn) frame(h header, payload []byte) {
	h.masked = !c.isServer
	c.rawFrame(h, payload)
}

// rawFrame does so with the mask bit as it is in h.
func (c *conn) rawFrame(h header, payload []byte) {
	if h.masked {
		binary.NativeEndian.PutUint32(h.key[:], rand.Uint32())
	}
	if h.length == 0 {
		h.length = uint64(len(payload))
	}
	h.width = max(h.width, widthOf(h.length))
	c.pending = h.append(c.pending)
	at := len(c.pending)
	c.pending = append(c.pending, payload...)
	mask(c.pending[at:], h.key, 0)
	c.open = openFrame{h.key, len(payload)}
	c.r.TxFrames[strconv.Itoa(int(h.opcode))]++
	c.log.frame("TF", h, payload)
}

// piece appends more of the payload of the last frame.
func (c *conn) piece(payload []byte) {
	at := len(c.pending)
	c.pending = append(c.pending, payload...)
	mask(c.pending[at:], c.open.key, c.open.pos)
	c.open.pos += len(payload)
}

// message appends a message in frames of at most fragment bytes; 0 is one frame.
func (c *conn) message(h header, payload []byte, fragment int) {
	if fragment == 0 {
		fragment = max(len(payload), 1)
	}
	for {
		n := min(fragment, len(payload))
		h.fin = n == len(payload)
		c.frame(h, payload[:n])
		if payload = payload[n:]; h.fin {
			return
		}
		h.opcode, h.rsv = opCont, 0
	}
}

// chopped has what is pending leave in writes of size bytes.
func (c *conn) chopped(size int) {
	b := c.pending
	c.pending = nil
	for len(b) > 0 {
		n := min(size, len(b))
		c.write(b[:n:n])
		b = b[n:]
	}
}

// play does what the steps of a case say.
func (c *conn) play(steps []Step) {
	for i, s := range steps {
		switch s.Op {
		case Wait:
			c.log.add(WireEntry{Kind: "CT", Delay: s.Wait.Seconds(), Text: s.Tag})
			c.after(s.Wait, func() { c.resume(s.Tag, steps[i+1:]) })
			return
		case Kill:
			c.log.add(WireEntry{Kind: "KL", Delay: s.Wait.Seconds()})
			c.after(c.opt.limit(s.Wait), func() {
				c.log.add(WireEntry{Kind: "KLE"})
				c.fail(1001, "the time is up")
			})
		case CloseAfter:
			c.log.add(WireEntry{Kind: "TI", Delay: s.Wait.Seconds()})
			c.after(c.opt.limit(s.Wait), func() {
				c.log.add(WireEntry{Kind: "TIE"})
				c.shut(closePayload(1000, ""))
			})
		default:
			c.step(s)
		}
	}
}

// resume goes on with a case after a wait. When the peer has closed in the meantime, nothing more is sent.
func (c *conn) resume(tag string, rest []Step) {
	c.log.add(WireEntry{Kind: "CTE", Text: tag})
	if tag != "" {
		c.event(Event{Kind: "timeout", Tag: tag})
	}
	if !c.replied {
		c.play(rest)
	}
}

// step sends.
func (c *conn) step(s Step) {
	if s.Sync || s.Chop > 0 {
		c.flush()
	}
	h := header{fin: s.Fin, rsv: s.RSV, opcode: s.Opcode, width: s.Width, length: s.Length}
	switch s.Op {
	case SendFrame, Begin:
		h.masked = c.isServer == s.WrongMask
		c.rawFrame(h, s.Payload)
	case SendMessage:
		c.message(header{opcode: s.Opcode}, s.Payload, s.Fragment)
	case Data:
		c.piece(s.Payload)
	case End:
		c.frame(header{fin: true, opcode: opCont}, nil)
	case Shut:
		c.shut(s.Payload)
	}
	switch {
	case s.Chop > 0:
		c.chopped(s.Chop)
	case s.Sync:
		c.flush()
	}
}

func frameEntry(kind string, h header, payload []byte) WireEntry {
	e := WireEntry{Kind: kind, Opcode: int(h.opcode), Fin: h.fin, RSV: int(h.rsv), Masked: h.masked,
		Data: shownHex(payload), Payload: int(h.length)}
	if h.masked {
		e.Key = hex.EncodeToString(h.key[:])
	}
	return e
}

// closePayload makes the payload of a Close, RFC 6455 §5.5.1.
func closePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

// The time limits of the original, in which the peer has to do its part.
const (
	openLimit  = 5 * time.Second // the opening handshake
	closeLimit = time.Second     // its Close, when the kit has sent one
	dropLimit  = time.Second     // as a server, the end of TCP after both
)
