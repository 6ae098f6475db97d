package websocket

import (
	"errors"
	"strconv"

	"hawser.example/websocket/internal/utf8x"
)

// This file is the receiving half of the protocol: bytes in, events out. It does no I/O, knows no clock and takes no
// lock; whoever reads owns it. It never writes either: an event names what is now owed to the peer, and the driver
// hands that to the encoder. RFC 6455, sections 5 and 6.2.

// ErrReadLimit is the error behind a [*ProtocolError] with code 1009: the peer's message is larger than the read limit
// allows. Upgrader.ReadLimit, Dialer.ReadLimit and [Conn.SetReadLimit] set it.
var ErrReadLimit = errors.New("message is larger than the read limit")

// eventKind says which fields of an event mean something.
type eventKind uint8

const (
	// eventNone: nothing happened yet, more bytes are needed. No field is set.
	eventNone eventKind = iota
	// eventData: a piece of a data message. msgType, first, last and payload are set. A piece is a whole message, or
	// what has arrived of one: pieces follow the bytes, not the frames. If deflated is set the payload is compressed,
	// and inflate has to be called for every piece, in order.
	eventData
	// eventPing: a Ping. payload is set, and a Pong with that payload is owed (RFC 6455, section 5.5.2).
	eventPing
	// eventPong: a Pong. payload is set (section 5.5.3).
	eventPong
	// eventClose: the peer's Close. code and reason are set, and owed says OpClose: unless ours was first, an echo has
	// to be sent (section 5.5.1). Whatever follows it is discarded.
	eventClose
)

// An event is one thing that the peer's bytes meant. payload lies in the buffer that was decoded, unmasked in place,
// and is valid until that buffer is touched again.
type event struct {
	kind     eventKind
	msgType  MessageType
	first    bool // the piece is the first of its message
	last     bool // the piece is the last of its message
	deflated bool
	owed     Opcode
	code     CloseCode
	reason   string
	payload  []byte
}

// maxFragments bounds the frames of one message. A peer that sends empty fragments without end passes every limit that
// counts bytes; this one it meets.
const maxFragments = 1 << 17

// A decoder turns the peer's bytes into events and refuses what RFC 6455 forbids, at the earliest byte that shows it.
// The zero value is a server's decoder without limits.
type decoder struct {
	limit     uint64 // of a message's bytes, inflated; 0: none
	fragments int    // frames that a message may have; 0: maxFragments

	err    *ProtocolError // the first violation; it stays
	closed bool           // the peer's Close was read
	role   role

	// The message being received.
	inside  bool // a fragment without FIN was received, its continuation is awaited
	msgType MessageType
	began   bool // a piece of it was delivered
	text    utf8x.Validator
	frames  int
	size    uint64 // bytes of its frames, as declared

	inflater inflater // has the rest of it, if it is compressed

	// The data frame being received.
	fin       bool
	masked    bool
	key       [4]byte
	pos       int    // offset of the next payload byte, modulo 4
	remaining uint64 // payload bytes still to come
}

// next decodes the beginning of buf and returns the event it found, if any, and how many bytes it used up. With
// eventNone those bytes that were not used up are the start of a frame: next wants them again, with more behind them.
// buf needs room for a whole control frame, header included. Payloads are unmasked in place.
func (d *decoder) next(buf []byte) (ev event, n int, err error) {
	for {
		switch {
		case d.err != nil:
			return event{}, n, d.err
		case d.closed:
			// RFC 6455, section 1.4: what follows a Close is discarded.
			return event{}, len(buf), nil
		case d.remaining > 0:
			take := len(buf) - n
			if take == 0 {
				return event{}, n, nil
			}
			if uint64(take) > d.remaining {
				take = int(d.remaining)
			}
			ev, err = d.fill(buf[n : n+take])
			return ev, n + take, err
		}

		h, size := d.header(buf[n:])
		if d.err != nil || size == 0 {
			return event{}, n, d.error()
		}
		if h.Opcode.isControl() {
			payload := buf[n+size:]
			if uint64(len(payload)) < h.Length {
				d.judgePartialClose(h, payload)
				return event{}, n, d.error()
			}
			ev = d.control(h, payload[:h.Length])
			return ev, n + size + int(h.Length), d.error()
		}
		n += size
		d.beginFrame(h)
		// An empty frame has no payload to wait for. It is an event if it begins or ends its message.
		if h.Length == 0 && (h.Fin || !d.began) {
			ev, err = d.fill(nil)
			return ev, n, err
		}
	}
}

// error returns the sticky violation as an error that is nil when there is none.
func (d *decoder) error() error {
	if d.err == nil {
		return nil
	}
	return d.err
}

// header reads and judges the next frame's header. While it is incomplete size is 0, but the bytes that are there are
// judged already.
func (d *decoder) header(b []byte) (h Header, size int) {
	if len(b) == 0 {
		return h, 0
	}
	s := frameState{role: d.role, inside: d.inside, rsv1Used: d.inflater.Decoder != nil}
	if len(b) == 1 {
		d.err = checkByte0(parsePrefix(b[0], 0), s)
		return h, 0
	}
	h, size = ParseHeader(b)
	if d.err = checkByte0(h, s); d.err != nil {
		return h, 0
	}
	if d.err = checkByte1(h, s); d.err != nil {
		return h, 0
	}
	if size == 0 && len(b) < 2+lengthField(b[1]) {
		return h, 0
	}
	if d.err = checkLength(h); d.err != nil {
		return h, 0
	}
	if !h.Opcode.isControl() {
		d.err = d.checkLimits(h)
	}
	return h, size
}

// checkLimits judges a data frame's declared length before a byte of its payload is stored. RFC 6455, section 10.4: an
// endpoint guards itself against oversized frames and messages.
func (d *decoder) checkLimits(h Header) *ProtocolError {
	size, frames, limit := d.size, d.frames, d.limit
	if !d.inside {
		size, frames = 0, 0
	}
	if h.RSV1 || d.inside && d.inflater.deflated {
		limit = maxDeflated(limit, frames) // the limit itself is for what comes of it
	}
	// size never passes limit, so the subtraction cannot wrap; without a limit size stays under 2^64 since a length is
	// under 2^63 and a message of two such frames never arrives.
	if d.limit > 0 && h.Length > limit-size {
		return d.tooBig()
	}
	most := d.fragments
	if most == 0 {
		most = maxFragments
	}
	if frames >= most {
		return &ProtocolError{
			Code:   ClosePolicyViolation,
			Reason: "message of more than " + strconv.Itoa(most) + " fragments",
		}
	}
	return nil
}

// tooBig is the violation of a message that is larger than the read limit.
func (d *decoder) tooBig() *ProtocolError {
	return &ProtocolError{
		Code:   CloseMessageTooBig,
		Reason: "message is larger than the read limit of " + strconv.FormatUint(d.limit, 10) + " bytes",
		Err:    ErrReadLimit,
	}
}

// beginFrame takes over a legal header of a data frame. RFC 6455, section 5.4.
func (d *decoder) beginFrame(h Header) {
	if !d.inside {
		d.msgType = MessageType(h.Opcode)
		d.began = false
		d.frames = 0
		d.size = 0
		d.text = utf8x.Validator{}
		d.inflater.beginMessage(h.RSV1)
	}
	d.frames++
	d.size += h.Length
	d.inside = !h.Fin
	d.fin = h.Fin
	d.masked = h.Masked
	d.key = h.MaskKey
	d.pos = 0
	d.remaining = h.Length
}

// body returns how many payload bytes of the current data frame are still to come. A driver may read up to that many
// straight to where they belong and hand them to fill.
func (d *decoder) body() uint64 { return d.remaining }

// fill takes the next payload bytes of the current data frame, at most body() of them, unmasks them in place and
// returns the piece of the message that they are. A piece of a compressed message is judged when it is inflated.
func (d *decoder) fill(p []byte) (event, error) {
	if d.masked {
		d.pos = Mask(p, d.key, d.pos)
	}
	d.remaining -= uint64(len(p))
	ev := event{
		kind:    eventData,
		msgType: d.msgType,
		first:   !d.began,
		last:    d.fin && d.remaining == 0,
		payload: p,
	}
	d.began = true
	if ev.deflated = d.inflater.deflated; !ev.deflated {
		d.judgeText(p, ev.last)
	}
	if d.err != nil {
		return event{}, d.err
	}
	return ev, nil
}

// judgeText judges the next bytes of a message if it is text; over says that they are the last. RFC 6455, section 8.1:
// text that is not UTF-8 fails the connection. It is judged as the bytes arrive, across fragments and in the middle of
// frames.
func (d *decoder) judgeText(p []byte, over bool) {
	if d.msgType != TextMessage {
		return
	}
	if !d.text.Feed(p) || over && !d.text.Complete() {
		d.err = &ProtocolError{Code: CloseInvalidPayload, Reason: "text message is not UTF-8"}
	}
}

// control makes the event of a complete control frame. RFC 6455, section 5.5.
func (d *decoder) control(h Header, p []byte) event {
	if h.Masked {
		Mask(p, h.MaskKey, 0)
	}
	switch h.Opcode {
	case OpPing:
		return event{kind: eventPing, owed: OpPong, payload: p}
	case OpPong:
		return event{kind: eventPong, payload: p}
	}
	var ev event
	ev, d.err = closeEventOf(p)
	d.closed = d.err == nil
	return ev
}

func closeEventOf(p []byte) (event, *ProtocolError) {
	code, reason, err := parseClosePayload(p)
	if err != nil {
		return event{}, err
	}
	return event{kind: eventClose, owed: OpClose, code: code, reason: reason}, nil
}

// judgePartialClose looks at the part of a Close frame that has arrived, so that a bad code or reason is refused at the
// first byte that shows it.
func (d *decoder) judgePartialClose(h Header, p []byte) {
	if h.Opcode != OpClose {
		return
	}
	if len(p) < 2 {
		return
	}
	var scratch [maxControlPayload]byte // p itself is decoded again when the rest is here
	part := scratch[:copy(scratch[:], p)]
	if h.Masked {
		Mask(part, h.MaskKey, 0)
	}
	if _, _, d.err = parseClosePayload(part[:2]); d.err != nil {
		return
	}
	var text utf8x.Validator
	if !text.Feed(part[2:]) {
		d.err = invalidReason()
	}
}

// midMessage reports whether a part of a message was received and another part is still to come.
func (d *decoder) midMessage() bool { return d.inside || d.remaining > 0 }
