package deflate

import (
	"sync"
)

// Decoder inflates the messages of one direction of a connection, one after the other.
//
// Between messages it keeps the window, if contexts are taken over, and else nothing. While a message is being decoded
// it also has scratch memory from a pool. It belongs to one goroutine at a time.
type Decoder struct {
	run      *inflater // nil between messages
	window   window    // empty without takeover: then run has one
	err      error     // the first that is final
	takeover bool
}

// NewDecoder returns a decoder for a peer that agreed on a window of 2^windowBits bytes, 8 to 15, and that does or does
// not take the context of one message over to the next. No memory is taken for the window until there are bytes for it.
//
// With 8 bits the window has 512 bytes: zlib cannot make smaller ones, and peers that use it send distances up to that.
func NewDecoder(windowBits int, takeover bool) *Decoder {
	checkWindowBits(windowBits)
	return &Decoder{window: window{size: 1 << max(windowBits, 9)}, takeover: takeover}
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// Decode inflates the next bytes of a message, cut anywhere, and appends to dst what they stand for, but no more than
// limit bytes. It returns the longer slice and how many bytes of src were used. It allocates only when dst has no room,
// and then no more than twice what there is, a small multiple of src, or the limit.
//
// If there is more output than limit the error is [ErrLimit], and the output up to the limit is there. That is the end
// for who will not take more; who will calls Decode again with the unused bytes of src, if any. In all other cases src
// is used up. A [CorruptError] is final.
//
// The bytes between the length and the capacity of dst may change beyond what is returned.
func (d *Decoder) Decode(dst, src []byte, limit int) (out []byte, used int, err error) {
	if d.err != nil || d.run == nil && len(src) == 0 {
		return dst, 0, d.err
	}
	if d.run == nil {
		d.start()
	}
	out, used, err = d.run.decode(dst, src, limit)
	if err != nil && err != ErrLimit {
		d.stop(err)
	}
	return out, used, err
}

// End ends the message: it decodes the four bytes that the sender has taken off its end (RFC 7692, section 7.2.2). If
// they do not complete it the error is [ErrTruncated], and final. A message of no bytes at all is incomplete, too: the
// shortest is one zero byte. What has been decoded of an incomplete message must not be delivered as one.
//
// The four bytes are the length fields of an empty stored block, of which the sender has left the header. That header
// is not asked for behind a block that says it is the last: there the data have told themselves where they end.
func (d *Decoder) End() error {
	if d.err != nil {
		return d.err
	}
	if d.run == nil || !d.run.complete() {
		d.stop(ErrTruncated)
		return d.err
	}
	d.stop(nil)
	return nil
}

// start takes scratch memory for a message.
func (d *Decoder) start() {
	d.run = inflaters.Get().(*inflater)
	w := &d.window
	if !d.takeover {
		w = &d.run.ownWindow
		w.reset(d.window.size)
	}
	d.run.begin(w)
}

// stop gives the scratch memory back at the end of a message, and the window at the end of all of them.
func (d *Decoder) stop(err error) {
	if d.err = err; err != nil {
		d.window = window{}
	}
	if d.run != nil {
		d.run.window = nil
		inflaters.Put(d.run)
		d.run = nil
	}
}
