package websocket

import "hawser.example/websocket/internal/deflate"

// This file is what the encoder does to compress messages: RFC 7692, sections 6.1 and 7.2.1. It is part of the protocol
// core.

// deflater is the encoder's state for compressed messages.
type deflater struct {
	*deflate.Encoder
	threshold int  // bytes from which on a message is compressed
	fragments bool // also messages in several frames are compressed
	made      int  // compressed bytes of the message at hand, for whoever counts
}

// maxGrowth is how much larger than a message of up to 16 KiB the memory has to be in which its frame is made: for the
// header, and for what compressing it takes.
const maxGrowth = 64

// deflates reports whether a message of n bytes is to be compressed.
func (e *encoder) deflates(n int) bool { return e.deflater != nil && n >= e.deflater.threshold }

// deflate appends the compressed form of p to dst. ok is false if that would be no gain: then dst is returned, with
// what memory it got, and p has to be sent as it is. Where that cannot be, since p continues a compressed message or
// the context that is taken over has p already, ok is true.
func (e *encoder) deflate(dst, p []byte, continues bool) (out []byte, ok bool) {
	out = e.deflater.Append(dst, p)
	if !continues && !e.deflater.TakesOver() && len(out)-len(dst) >= len(p) {
		return out[:len(dst)], false
	}
	e.deflater.made += len(out) - len(dst)
	return out, true
}

// appendData appends a message as one frame, compressed if it is to be.
func (e *encoder) appendData(dst []byte, t MessageType, p []byte) []byte {
	h := Header{Fin: true, Opcode: Opcode(t)}
	if e.deflates(len(p)) {
		return e.appendDeflated(dst, h, p)
	}
	return e.append(dst, h, p)
}

// appendDeflated appends a frame with the compressed form of p, or with p if that is no gain and p begins the message,
// which then goes on like that. How long the header is depends on what comes of p, so the payload is made behind the
// longest, and then moved to its place.
func (e *encoder) appendDeflated(dst []byte, h Header, p []byte) []byte {
	var longest [maxHeaderSize]byte
	begin := len(dst) + len(longest)
	out, ok := e.deflate(append(dst, longest[:]...), p, h.Opcode == OpContinuation)
	if !ok {
		e.deflated = false
		return e.append(dst, h, p)
	}
	if !h.Fin {
		out = append(out, deflateTail...)
		e.deflater.made += len(deflateTail)
	}
	// RFC 7692, section 6.1: RSV1 is set on the first frame of a compressed message.
	h.RSV1 = h.Opcode != OpContinuation
	return e.append(out[:len(dst)], h, out[begin:])
}

// deflateTail is what a sender takes off the end of a message (RFC 7692, section 7.2.1), and leaves where the message
// goes on.
var deflateTail = []byte{0x00, 0x00, 0xff, 0xff}

// startCompressing decides, at the first fragment of a message, whether it is compressed.
func (e *encoder) startCompressing(p []byte, fin bool) {
	e.deflated = e.deflates(len(p)) && (fin || e.deflater.fragments)
}

// sent notes that a message was sent that was compressed elsewhere, to n bytes: the peer's context has it.
func (e *encoder) sent(message []byte, n int) {
	e.deflater.made = n
	e.deflater.Sent(message)
}

// takenBack notes that the last message was not sent after all: the peer's context does not have it.
func (e *encoder) takenBack() {
	if e.deflater != nil {
		e.deflater.made = 0
		e.deflater.Forget()
	}
}
