package autobahn

import "fmt"

// A sink is told what a receiver finds.
type sink interface {
	gotFrame(h header, shown []byte)        // a frame has ended; shown is the beginning of its payload
	gotMessage(binary bool, payload []byte) // payload is valid during the call
	gotControl(opcode byte, payload []byte)
	violation(code int, why string) // the peer has broken a rule; code is what a Close says of it
}

// shownBytes is how much of a payload is shown in the log.
const shownBytes = 64

// A receiver turns bytes into frames and messages, and judges them. After a violation it goes on as well as it can, so
// that the peer's Close is still seen, but delivers no more messages.
type receiver struct {
	sink       sink
	fromClient bool      // the frames have to be masked
	inflater   *inflater // nil without permessage-deflate

	head    [maxHeader]byte
	nhead   int
	h       header
	inFrame bool
	got     uint64 // bytes of the frame's payload so far
	shown   []byte
	payload []byte // of a control frame

	broken     bool // there was a violation
	deaf       bool // nothing that comes can be a frame
	inMessage  bool
	binary     bool
	compressed bool
	body       []byte
	text       utf8Check
	bytes      int64 // of payload in data frames
	frames     int64 // data frames
}

// feed reads the next bytes of the stream. It changes b.
func (r *receiver) feed(b []byte) {
	for !r.deaf {
		if !r.inFrame {
			if len(b) == 0 {
				return
			}
			b = r.header(b)
			continue
		}
		n := min(r.h.length-r.got, uint64(len(b)))
		if n == 0 && r.got < r.h.length {
			return
		}
		r.piece(b[:n])
		b = b[n:]
		if r.got == r.h.length {
			r.inFrame = false
			r.end()
		}
	}
}

// header takes bytes of a header, and returns the rest.
func (r *receiver) header(b []byte) []byte {
	had := r.nhead
	n := copy(r.head[had:], b)
	h, size := parseHeader(r.head[:had+n])
	if size == 0 {
		r.nhead += n
		return b[n:]
	}
	r.nhead = 0
	r.h, r.inFrame, r.got = h, true, 0
	r.shown, r.payload = r.shown[:0], r.payload[:0]
	if code, why := r.judge(h); code != 0 {
		r.fail(code, why)
	}
	if h.length>>63 != 0 {
		r.deaf = true
	}
	return b[size-had:]
}

// judge checks a header against the rules of RFC 6455 §5, in the state that the receiver is in.
func (r *receiver) judge(h header) (code int, why string) {
	start := h.opcode == opText || h.opcode == opBinary
	switch {
	case h.rsv&3 != 0 || h.rsv&4 != 0 && (r.inflater == nil || !start):
		return 1002, fmt.Sprintf("RSV %d on a frame with opcode %d (RFC 6455 §5.2)", h.rsv, h.opcode)
	case h.opcode > opBinary && h.opcode < opClose || h.opcode > opPong:
		return 1002, fmt.Sprintf("the opcode %d is reserved (RFC 6455 §5.2)", h.opcode)
	case isControl(h.opcode) && !h.fin:
		return 1002, "a control frame in fragments (RFC 6455 §5.5)"
	case isControl(h.opcode) && h.length > 125:
		return 1002, fmt.Sprintf("a control frame of %d bytes (RFC 6455 §5.5)", h.length)
	case h.masked != r.fromClient:
		return 1002, map[bool]string{true: "an unmasked frame of a client (RFC 6455 §5.1)",
			false: "a masked frame of a server (RFC 6455 §5.1)"}[r.fromClient]
	case h.width != widthOf(h.length):
		return 1002, fmt.Sprintf("a length of %d in %d bytes (RFC 6455 §5.2)", h.length, h.width)
	case h.length>>63 != 0:
		return 1002, "the highest bit of a length is set (RFC 6455 §5.2)"
	case h.opcode == opCont && !r.inMessage:
		return 1002, "a continuation of nothing (RFC 6455 §5.4)"
	case start && r.inMessage:
		return 1002, "a new message inside another one (RFC 6455 §5.4)"
	}
	if start {
		r.inMessage, r.binary, r.compressed = true, h.opcode == opBinary, h.rsv != 0
		r.body, r.text = r.body[:0], utf8Check{}
	}
	return 0, ""
}

// fail reports the first violation; what comes later may only be its consequence.
func (r *receiver) fail(code int, why string) {
	if !r.broken {
		r.broken = true
		r.sink.violation(code, why)
	}
}

// piece takes bytes of a payload.
func (r *receiver) piece(b []byte) {
	if r.h.masked {
		mask(b, r.h.key, int(r.got&3))
	}
	r.got += uint64(len(b))
	r.shown = append(r.shown, b[:min(len(b), shownBytes-len(r.shown))]...)
	switch {
	case isControl(r.h.opcode):
		r.payload = append(r.payload, b[:min(len(b), 125-len(r.payload))]...)
	case r.broken:
	case len(r.body)+len(b) > maxMessage:
		r.fail(1009, "a message of more than 32 MiB")
	default:
		r.bytes += int64(len(b))
		r.body = append(r.body, b...)
		if !r.binary && !r.compressed && !r.text.feed(b) {
			r.fail(1007, "a text message is not UTF-8 (RFC 6455 §8.1)")
		}
	}
}

// end takes the end of a frame.
func (r *receiver) end() {
	r.sink.gotFrame(r.h, r.shown)
	switch {
	case isControl(r.h.opcode):
		r.sink.gotControl(r.h.opcode, r.payload)
	case !r.broken:
		r.frames++
		if r.h.fin {
			r.inMessage = false
			r.deliver()
		}
	}
}

// deliver takes the end of a message.
func (r *receiver) deliver() {
	if !r.compressed {
		if !r.binary && !r.text.whole() {
			r.fail(1007, "a text message ends inside a character (RFC 6455 §8.1)")
			return
		}
		r.sink.gotMessage(r.binary, r.body)
		return
	}
	p, err := r.inflater.inflate(r.body)
	switch {
	case err == errBomb:
		r.fail(1009, err.Error())
	case err != nil:
		r.fail(1007, "a compressed message is no DEFLATE data: "+err.Error()+" (RFC 7692 §7.2.2)")
	default:
		if !r.binary && (!r.text.feed(p) || !r.text.whole()) {
			r.fail(1007, "a text message is not UTF-8 (RFC 6455 §8.1)")
			return
		}
		r.sink.gotMessage(r.binary, p)
	}
}
