package websocket

import (
	"errors"
	"math"
	"strconv"

	"hawser.example/websocket/internal/deflate"
)

// This file is what the decoder does with compressed messages: RFC 7692, sections 6.2 and 7.2.2. It is part of the
// protocol core. The events of a compressed message hold pieces of its compressed payload; inflate turns them into
// pieces of the message, in memory of the driver's, and judges those.

// inflater is the decoder's state for compressed messages.
type inflater struct {
	*deflate.Decoder        // nil: no compression was agreed on
	deflated         bool   // the message being received is compressed
	size             uint64 // bytes that have come of it, inflated
}

// beginMessage begins a message. RFC 7692, section 6: RSV1 on its first frame says that it is compressed.
func (f *inflater) beginMessage(rsv1 bool) {
	f.deflated, f.size = rsv1, 0
}

// maxDeflated returns how many bytes the compressed form of a message of up to limit bytes, in so many frames, may
// have. With the fixed codes data grow by an eighth at most, and a flush behind each frame takes five bytes; without
// this bound a message of empty blocks would never come to the end of its limit.
func maxDeflated(limit uint64, frames int) uint64 {
	if limit > math.MaxInt64/2 {
		return limit
	}
	return limit + limit/8 + 5*uint64(frames) + 1024
}

// inflate appends to dst what p stands for, the payload of an event of a compressed message, but no more than room
// bytes; last says that the event is the message's last. It returns the longer slice and how many bytes of p were used.
// more says that there was no room for all: inflate wants the rest of p again.
//
// Text is judged as it comes, and no more is inflated than the read limit allows.
func (d *decoder) inflate(dst, p []byte, last bool, room int) (out []byte, used int, more bool, err error) {
	if d.err != nil {
		return dst, 0, false, d.err
	}
	allowed := uint64(math.MaxInt)
	if d.limit > 0 {
		allowed = d.limit - d.inflater.size // it has never been passed
	}
	out, used, derr := d.inflater.Decode(dst, p, int(min(uint64(room), allowed)))
	piece := out[len(dst):]
	d.inflater.size += uint64(len(piece))
	more = derr == deflate.ErrLimit
	if more && uint64(room) >= allowed {
		d.err = d.tooBig()
	} else if derr != nil && !more {
		// RFC 7692, section 7.2.2, does not say with what code; RFC 6455, section 7.4.1: 1007 is for data that are not
		// consistent with the type of the message.
		d.err = notDeflate(derr)
	}
	if d.err == nil {
		d.judgeInflated(piece, last && !more)
	}
	if d.err != nil {
		return dst, used, false, d.err
	}
	return out, used, more, nil
}

// judgeInflated judges the next bytes of a compressed message and, if it is over, its end.
func (d *decoder) judgeInflated(p []byte, over bool) {
	if over {
		if err := d.inflater.End(); err != nil {
			d.err = notDeflate(err)
			return
		}
	}
	d.judgeText(p, over)
}

// notDeflate is the violation of a peer whose compressed data are corrupt or incomplete.
func notDeflate(err error) *ProtocolError {
	var corrupt *deflate.CorruptError
	reason := "compressed message ends in the middle"
	if errors.As(err, &corrupt) {
		reason = "compressed message is corrupt at its byte " + strconv.FormatInt(corrupt.Offset, 10) + ": " + corrupt.Reason
	}
	return &ProtocolError{Code: CloseInvalidPayload, Reason: reason}
}
