package websocket

import (
	"errors"
	"slices"
	"unicode/utf8"

	"hawser.example/websocket/internal/utf8x"
)

// This file is the sending half of the protocol: messages in, frames out. Like the decoder it does no I/O; whoever
// holds the connection's write lock owns it. It refuses to write what RFC 6455 forbids. RFC 6455, sections 5 and 6.1.

var (
	// ErrInvalidUTF8 is returned for outgoing text that is not UTF-8. Nothing was sent and the connection stays usable,
	// unless the text was the later part of a message that NextWriter had begun to send.
	ErrInvalidUTF8 = errors.New("websocket: text message to be sent is not UTF-8; send it as a BinaryMessage or mend it")

	// ErrCloseSent is returned for anything to be sent after our Close frame. RFC 6455, section 5.5.1.
	ErrCloseSent = errors.New("websocket: nothing can be sent after the Close frame")

	// ErrMessageType is returned for a MessageType that is neither TextMessage nor BinaryMessage.
	ErrMessageType = errors.New("websocket: message type is neither TextMessage nor BinaryMessage")

	errControlSize   = errors.New("websocket: payload of a control frame is longer than 125 bytes")
	errCloseCode     = errors.New("websocket: this close code must not be sent; use 1000–1003, 1007–1014 or 3000–4999")
	errCloseReason   = errors.New("websocket: close reason is not UTF-8")
	errMessageOpen   = errors.New("websocket: a message is being sent in fragments, another cannot begin")
	errNoMessageOpen = errors.New("websocket: no message is being sent in fragments")
)

// An encoder appends frames to buffers of the caller. The zero value is a server's encoder; a client's needs keys.
type encoder struct {
	role role
	keys func() [4]byte // a client's source of masking keys (RFC 6455, section 5.3: fresh and unpredictable for each frame)

	closed   bool // our Close was appended
	inside   bool // a message is being sent in fragments
	msgType  MessageType
	first    bool // its first fragment has not been appended yet
	deflated bool // it is compressed
	text     utf8x.Validator

	deflater *deflater // nil: no compression was agreed on
}

// appendMessage appends p as a message of one frame. p is not changed.
func (e *encoder) appendMessage(dst []byte, t MessageType, p []byte) ([]byte, error) {
	if err := e.checkMessage(t, p); err != nil {
		return dst, err
	}
	return e.appendData(dst, t, p), nil
}

// checkMessage judges a whole message that is to be sent.
func (e *encoder) checkMessage(t MessageType, p []byte) error {
	switch {
	case !t.valid():
		return ErrMessageType
	case e.closed:
		return ErrCloseSent // RFC 6455, section 5.5.1
	case e.inside:
		return errMessageOpen // section 5.4: fragments of two messages are not interleaved
	case t == TextMessage && !utf8x.Valid(p):
		return ErrInvalidUTF8 // section 5.6: text is UTF-8
	}
	return nil
}

// beginMessage starts a message that is sent in fragments. RFC 6455, section 5.4.
func (e *encoder) beginMessage(t MessageType) error {
	if err := e.checkMessage(t, nil); err != nil {
		return err
	}
	e.inside, e.first, e.msgType, e.text = true, true, t, utf8x.Validator{}
	return nil
}

// appendFragment appends the next fragment of the message begun; fin makes it the last one. If it refuses p nothing is
// appended and the message can only be given up.
func (e *encoder) appendFragment(dst []byte, p []byte, fin bool) ([]byte, error) {
	switch {
	case !e.inside:
		return dst, errNoMessageOpen
	case e.closed:
		return dst, ErrCloseSent
	case e.msgType == TextMessage && (!e.text.Feed(p) || fin && !e.text.Complete()):
		return dst, ErrInvalidUTF8
	}
	h := Header{Fin: fin, Opcode: OpContinuation}
	if e.first {
		h.Opcode = Opcode(e.msgType)
		e.startCompressing(p, fin)
	}
	e.first, e.inside = false, !fin
	if e.deflated {
		return e.appendDeflated(dst, h, p), nil
	}
	return e.append(dst, h, p), nil
}

// giveUpMessage forgets a begun message of which no fragment was appended, and reports whether it could.
func (e *encoder) giveUpMessage() bool {
	if e.inside && !e.first {
		return false
	}
	e.inside = false
	return true
}

// appendControl appends a Ping or a Pong. RFC 6455, sections 5.5.2 and 5.5.3.
func (e *encoder) appendControl(dst []byte, op Opcode, p []byte) ([]byte, error) {
	switch {
	case e.closed:
		return dst, ErrCloseSent
	case len(p) > maxControlPayload:
		return dst, errControlSize // RFC 6455, section 5.5
	}
	return e.appendFrame(dst, op, true, p), nil
}

// appendClose appends our Close, the last frame of the stream. CloseNoStatus sends it without a code. A reason that is
// too long is cut. RFC 6455, section 5.5.1.
func (e *encoder) appendClose(dst []byte, code CloseCode, reason string) ([]byte, error) {
	if e.closed {
		return dst, ErrCloseSent
	}
	if err := checkClose(code, reason); err != nil {
		return dst, err
	}
	var scratch [maxControlPayload]byte
	e.closed = true
	return e.appendFrame(dst, OpClose, true, appendClosePayload(scratch[:0], code, reason)), nil
}

// checkClose judges a code and reason to be sent. RFC 6455, sections 5.5.1 and 7.4.
func checkClose(code CloseCode, reason string) error {
	switch {
	case code != CloseNoStatus && !code.onWire():
		return errCloseCode
	case !utf8.ValidString(reason):
		return errCloseReason
	}
	return nil
}

// appendFrame appends a frame with p as its payload.
func (e *encoder) appendFrame(dst []byte, op Opcode, fin bool, p []byte) []byte {
	return e.append(dst, Header{Fin: fin, Opcode: op}, p)
}

// append appends a frame with p as its payload, masked if we are the client; h has the rest. RFC 6455, section 5.1: a
// client masks all frames, a server none. p may lie in dst, behind where the header ends.
func (e *encoder) append(dst []byte, h Header, p []byte) []byte {
	h.Length = uint64(len(p))
	if e.role == clientRole {
		h.Masked = true
		h.MaskKey = e.keys()
	}
	dst = AppendHeader(dst, h)
	if !h.Masked {
		return append(dst, p...)
	}
	dst, _ = appendMasked(dst, p, h.MaskKey, 0)
	return dst
}

// appendMasked appends p, masked with key from pos on, in one pass. It returns the pos for what follows.
func appendMasked(dst, p []byte, key [4]byte, pos int) ([]byte, int) {
	start := len(dst)
	dst = slices.Grow(dst, len(p))[:start+len(p)]
	return dst, maskTo(dst[start:], p, key, pos)
}

// frameSize returns the most bytes that a frame with a payload of n bytes takes.
func frameSize(n int) int { return maxHeaderSize + n }
