package websocket

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"

	"hawser.example/websocket/internal/deflate"
)

// This file is a peer that compresses and inflates with compress/flate, so that the code under test does not judge
// itself.

// syncTail is what a sender takes off the end of a message. RFC 7692, section 7.2.1.
const syncTail = "\x00\x00\xff\xff"

// A flateSender compresses the messages of one direction.
type flateSender struct {
	bits     int
	takeover bool
	buf      bytes.Buffer
	w        *flate.Writer
}

// newFlateSender returns a sender that keeps to a window. compress/flate has none but the largest: for others it gets a
// level that looks for no repetitions.
func newFlateSender(window deflateContext) *flateSender {
	level := flate.BestSpeed
	if window.bits < maxWindowBits {
		level = flate.HuffmanOnly
	}
	s := &flateSender{bits: window.bits, takeover: window.takeover}
	s.w, _ = flate.NewWriter(&s.buf, level)
	return s
}

// deflate returns the payload of a compressed message.
func (s *flateSender) deflate(message string) string {
	s.buf.Reset()
	if !s.takeover {
		s.w.Reset(&s.buf)
	}
	io.WriteString(s.w, message)
	s.w.Flush()
	return strings.TrimSuffix(s.buf.String(), syncTail)
}

// A flateReceiver inflates the messages of one direction.
type flateReceiver struct {
	window  deflateContext
	history []byte
	in      strings.Reader
	r       io.ReadCloser
	strict  *deflate.Decoder // which also notices a distance beyond the window
}

func newFlateReceiver(window deflateContext) *flateReceiver {
	r := &flateReceiver{window: window, strict: deflate.NewDecoder(window.bits, window.takeover)}
	r.r = flate.NewReader(&r.in)
	return r
}

// inflate returns the message whose compressed payload this is.
func (r *flateReceiver) inflate(payload string) (string, error) {
	r.in.Reset(payload + syncTail + "\x01\x00\x00\xff\xff") // a last block, so that the stream has an end
	r.r.(flate.Resetter).Reset(&r.in, r.history)
	message, err := io.ReadAll(r.r)
	if err != nil {
		return "", fmt.Errorf("compress/flate: %w", err)
	}
	again, _, err := r.strict.Decode(nil, []byte(payload), 1<<30)
	if err == nil {
		err = r.strict.End()
	}
	if err != nil || !bytes.Equal(again, message) {
		return "", fmt.Errorf("with a window of %d bits: %w", r.window.bits, err)
	}
	if r.window.takeover {
		r.history = append(r.history, message...)
		r.history = bytes.Clone(r.history[max(0, len(r.history)-1<<r.window.bits):])
	}
	return string(message), nil
}

// A flatePeer is a rawPeer that compresses.
type flatePeer struct {
	*rawPeer
	out *flateSender
	in  *flateReceiver
}

// newFlatePeer makes the peer of a connection for which agreed holds.
func newFlatePeer(p *rawPeer, agreed deflateParams) *flatePeer {
	return &flatePeer{p, newFlateSender(agreed.receive), newFlateReceiver(agreed.send)}
}

// deflated returns a message of one frame.
func (p *flatePeer) deflated(op Opcode, message string) []byte {
	return p.compressedFrame(op, true, p.out.deflate(message))
}

// compressedFrame returns a frame with RSV1.
func (p *rawPeer) compressedFrame(op Opcode, fin bool, payload string) []byte {
	e := encoder{role: p.role, keys: nextMaskKey}
	return e.append(nil, Header{Fin: fin, RSV1: true, Opcode: op}, []byte(payload))
}

// sendDeflated sends a compressed message of one frame.
func (p *flatePeer) sendDeflated(op Opcode, message string) { p.write(p.deflated(op, message)) }

// A flateMessage is a message that a flatePeer has read.
type flateMessage struct {
	op       Opcode
	text     string
	frames   int
	size     int // of its payload on the wire
	deflated bool
}

// next reads a message, past Pings and Pongs.
func (p *flatePeer) next() (m flateMessage, err error) {
	var payload string
	for {
		f, err := p.read()
		switch {
		case err != nil:
			return m, err
		case f.RSV1 && (m.frames > 0 || f.Opcode.isControl()):
			return m, fmt.Errorf("RSV1 on %v", f)
		case f.Opcode == OpPing || f.Opcode == OpPong:
			continue
		case f.Opcode == OpClose:
			return m, fmt.Errorf("a Close with %v", closeCodeOf(f.payload))
		case m.frames == 0:
			m.op, m.deflated = f.Opcode, f.RSV1
		case f.Opcode != OpContinuation:
			return m, fmt.Errorf("%v inside a message", f)
		}
		m.frames++
		m.size += len(f.payload)
		payload += f.payload
		if f.Fin {
			break
		}
	}
	m.text = payload
	if m.deflated {
		m.text, err = p.in.inflate(payload)
	}
	return m, err
}

// wantMessage reads a message and wants it to say this, compressed or not, in one frame.
func (p *flatePeer) wantMessage(text string, deflated bool) {
	p.t.Helper()
	m, err := p.next()
	if err != nil || m.text != text || m.deflated != deflated || m.frames != 1 {
		p.t.Fatalf("the peer read %.60q (%d bytes), compressed %v, %d frames, %v; want %.60q (%d bytes), compressed %v, in one frame",
			m.text, len(m.text), m.deflated, m.frames, err, text, len(text), deflated)
	}
}

// agreement returns what a server and a client agree on, each from where it stands.
func agreement(server, client *Compression) (s, c deflateParams) {
	o := PipeOptions{Server: PipeSide{Compression: server}, Client: PipeSide{Compression: client}}
	return o.negotiate()
}

// keepsTo reports whether a sender who keeps to ours is understood by a receiver who counts on theirs.
func keepsTo(ours, theirs deflateContext) bool {
	return ours.bits <= theirs.bits && ours.takeover == theirs.takeover
}

// withFlate makes a Conn of role r, whose options are ours, with a peer that asks for everything.
func withFlate(t *testing.T, p transportPair, r role, ours *Compression) (*Conn, *flatePeer) {
	t.Helper()
	most := &Compression{Send: CompressionContext{WindowBits: 15}, Receive: CompressionContext{WindowBits: 15}}
	agreed, theirs := agreement(ours, most)
	if r == clientRole {
		theirs, agreed = agreement(most, ours)
	}
	if !keepsTo(agreed.send, theirs.receive) || !keepsTo(theirs.send, agreed.receive) {
		t.Fatalf("one side agreed on %+v, the other on %+v", agreed, theirs)
	}
	c, raw := withRaw(t, p, r, connConfig{deflate: agreed})
	return c, newFlatePeer(raw, agreed)
}

// jsonText is text of n bytes as applications send it: it compresses well, and no two are the same.
func jsonText(n, seed int) string {
	var b strings.Builder
	for i := seed; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"user %d","price":%d.%02d,"tags":["a","b%d"]},`, i, i%37, i*7919%1000, i%100, i%5)
	}
	return b.String()[:n]
}

// noise is n bytes that cannot be compressed.
func noise(n int, seed uint64) string {
	b := make([]byte, n)
	for i := range b {
		seed = seed*6364136223846793005 + 1442695040888963407
		b[i] = byte(seed >> 56)
	}
	return string(b)
}
