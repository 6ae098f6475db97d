package frames

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
)

// A Checker is given what a connection receives and says when all of it is there.
type Checker interface {
	// Expect begins the next exchange, that of the messages number turn.
	Expect(turn int)
	// Feed takes bytes that arrived. It is done when everything expected is there; more than that is an error.
	Feed(p []byte) (done bool, err error)
}

// Exact expects the same bytes in every exchange, and compares all of them.
type Exact struct {
	Want []byte
	seen int
}

// Expect implements Checker.
func (e *Exact) Expect(int) { e.seen = 0 }

// Feed implements Checker.
func (e *Exact) Feed(p []byte) (bool, error) {
	rest := e.Want[e.seen:]
	if len(p) > len(rest) {
		return false, fmt.Errorf("%d bytes more than the reply should have", len(p)-len(rest))
	}
	if !bytes.Equal(p, rest[:len(p)]) {
		return false, fmt.Errorf("the reply differs from what was sent, within bytes %d to %d", e.seen, e.seen+len(p))
	}
	e.seen += len(p)
	return e.seen == len(e.Want), nil
}

// Compressed expects one compressed message in every exchange. The frames of all are looked at; a message is inflated
// and compared only where Verify is set, which is enough on a few connections.
type Compressed struct {
	Payloads [][]byte // plain; exchange number turn has Payloads[turn % len]
	Opcode   byte
	Takeover bool
	Verify   bool

	want    []byte
	buf     []byte // of the frame that is not complete
	message bytes.Buffer
	started bool
	inflate io.Reader
}

// maxReply is more than any frame that is expected.
const maxReply = 16 << 20

// Expect implements Checker.
func (c *Compressed) Expect(turn int) {
	c.want = c.Payloads[turn%len(c.Payloads)]
	c.started = false
}

// Feed implements Checker.
func (c *Compressed) Feed(p []byte) (bool, error) {
	if len(c.buf) > 0 {
		c.buf = append(c.buf, p...)
		p = c.buf
	}
	for {
		h, n := ParseHeader(p)
		if h.Length < 0 || h.Length > maxReply {
			return false, fmt.Errorf("a frame of %d bytes", uint64(h.Length))
		}
		if n == 0 || len(p)-n < h.Length {
			c.buf = append(c.buf[:0], p...)
			return false, nil
		}
		if err := c.checkFrame(h); err != nil {
			return false, err
		}
		if c.Verify {
			c.message.Write(p[n : n+h.Length])
		}
		p = p[n+h.Length:]
		if !h.Fin {
			continue
		}
		if len(p) > 0 {
			return false, errors.New("bytes behind the reply")
		}
		c.buf = c.buf[:0]
		return true, c.checkMessage()
	}
}

func (c *Compressed) checkFrame(h Header) error {
	wantOpcode := c.Opcode
	if c.started {
		wantOpcode = 0
	}
	if h.Opcode != wantOpcode || h.Masked || h.RSV1 == c.started {
		return fmt.Errorf("a frame with opcode %d, masked %v, RSV1 %v; expected a compressed message of opcode %d",
			h.Opcode, h.Masked, h.RSV1, c.Opcode)
	}
	c.started = true
	return nil
}

// checkMessage inflates the message. The feed of the decoder never ends: it is asked for as many bytes as the message
// has, and goes on with the next one where the context is taken over.
func (c *Compressed) checkMessage() error {
	if !c.Verify {
		return nil
	}
	c.message.Write(tail)
	if c.inflate == nil {
		c.inflate = flate.NewReader(&c.message)
	} else if !c.Takeover {
		c.inflate.(flate.Resetter).Reset(&c.message, nil)
	}
	got := make([]byte, len(c.want))
	if _, err := io.ReadFull(c.inflate, got); err != nil {
		return fmt.Errorf("inflating the reply: %w", err)
	}
	if !bytes.Equal(got, c.want) {
		return errors.New("the inflated reply differs from what was sent")
	}
	if !c.Takeover {
		if n, _ := c.inflate.Read(make([]byte, 1)); n > 0 {
			return errors.New("the inflated reply is longer than what was sent")
		}
		c.message.Reset()
	}
	return nil
}
