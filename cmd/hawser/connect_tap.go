package main

import (
	"bytes"
	"net"

	"hawser.example/websocket"
)

// A tap is a connection that is looked at: what is sent and received passes through it unchanged, behind TLS and
// proxies. See [websocket.Dialer.WrapConn].
type tap struct {
	net.Conn
	sent     observer // used by whoever writes, of whom there is one at a time
	received observer // used by whoever reads, likewise

	// Frames may come in one read with the handshake's answer. What there is to say of them waits until it has been said
	// that there is a connection. First the Dial's, then the loop's, then of whoever reads.
	open bool
	held []func()
}

// whenOpen calls f, as soon as setOpen has been called.
func (t *tap) whenOpen(f func()) {
	if t.open {
		f()
		return
	}
	t.held = append(t.held, f)
}

// setOpen is called when it has been said that there is a connection.
func (t *tap) setOpen() {
	t.open = true
	for _, f := range t.held {
		f()
	}
	t.held = nil
}

// Read reads, and looks at what it got.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.received.look(p[:n])
	return n, err
}

// Write looks at p before it leaves, so that what it is comes before what it is answered.
func (t *tap) Write(p []byte) (int, error) {
	t.sent.look(p)
	return t.Conn.Write(p)
}

// CloseWrite ends what is sent.
func (t *tap) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// maxHead bounds how much of a head is kept; the Dialer fails a longer one.
const maxHead = websocket.DefaultMaxHeaderBytes

// An observer looks at one direction of a connection: a head of HTTP, or several, and then frames.
type observer struct {
	// head is told of every head and says what follows it.
	head func(head string) stage
	// frame is told of every frame, at its header if it is of a data message, and with its payload, unmasked, if it is
	// a control frame.
	frame func(h websocket.Header, payload []byte)

	stage   stage
	begun   []byte // of a head or a frame's header
	header  websocket.Header
	left    uint64 // bytes of payload of the frame under way that have not come
	payload []byte // of the control frame under way
}

// A stage is what one direction of a connection has come to.
type stage uint8

const (
	inHeads  stage = iota // a head of HTTP comes next
	inFrames              // frames come
	inRest                // something else comes, such as the body of a refusal
)

// look takes the next bytes.
func (o *observer) look(p []byte) {
	for len(p) > 0 && o.stage != inRest {
		switch {
		case o.stage == inHeads:
			p = o.lookAtHead(p)
		case o.left > 0:
			p = o.lookAtPayload(p)
		default:
			p = o.lookAtHeader(p)
		}
	}
}

var endOfHead = []byte("\r\n\r\n")

// lookAtHead takes bytes up to the end of a head and returns the others.
func (o *observer) lookAtHead(p []byte) []byte {
	before := len(o.begun)
	o.begun = append(o.begun, p[:min(len(p), maxHead-before)]...)
	end := bytes.Index(o.begun, endOfHead)
	switch {
	case end >= 0:
		end += len(endOfHead)
		o.stage = o.head(string(o.begun[:end]))
		o.begun = nil
		return p[end-before:]
	case len(o.begun) == maxHead:
		o.stage = inRest
	}
	return nil
}

// lookAtHeader takes bytes up to the end of a frame's header and returns the others.
func (o *observer) lookAtHeader(p []byte) []byte {
	const longest = 14 // RFC 6455, section 5.2: 2 bytes, 8 of length, 4 of key
	before := len(o.begun)
	o.begun = append(o.begun, p[:min(len(p), longest-before)]...)
	h, n := websocket.ParseHeader(o.begun)
	if n == 0 {
		return nil
	}
	o.begun = o.begun[:0]
	o.header, o.left, o.payload = h, h.Length, o.payload[:0]
	if !isControl(h) || h.Length > maxControl || h.Length == 0 {
		o.frame(h, nil)
	}
	return p[n-before:]
}

// lookAtPayload takes payload and returns what is behind it.
func (o *observer) lookAtPayload(p []byte) []byte {
	n := min(uint64(len(p)), o.left)
	o.left -= n
	if isControl(o.header) && o.header.Length <= maxControl {
		o.payload = append(o.payload, p[:n]...)
		if o.left == 0 {
			if o.header.Masked {
				unmask(o.payload, o.header.MaskKey)
			}
			o.frame(o.header, o.payload)
		}
	}
	return p[n:]
}

// isControl reports whether h is of a control frame. RFC 6455, section 5.5.
func isControl(h websocket.Header) bool { return h.Opcode >= websocket.OpClose }

// unmask takes the masking off. RFC 6455, section 5.3.
func unmask(p []byte, key [4]byte) {
	for i := range p {
		p[i] ^= key[i%4]
	}
}
