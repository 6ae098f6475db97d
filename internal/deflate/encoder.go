package deflate

import (
	"strconv"
	"sync"
)

// Level says how much time an [Encoder] takes to look for matches.
type Level uint8

const (
	// HuffmanOnly looks for none: bytes are only given shorter codes. Nothing is kept between messages.
	HuffmanOnly Level = iota
	// Fast takes the latest place where the next bytes have been seen, and does not look at every place.
	Fast
	// Balanced looks at every place, tries several that it has seen, and waits one byte for a longer match.
	Balanced
)

// Encoder deflates the messages of one direction of a connection, one after the other.
//
// Between messages it keeps the window and a table of places in it, half as large, if contexts are taken over, and else
// nothing. All other memory is from a pool. It belongs to one goroutine at a time.
type Encoder struct {
	history  history
	bits     uint8
	level    Level
	takeover bool
}

// history is what an Encoder keeps: what it has sent, and where to look in it.
type history struct {
	ring  []byte // the last bytes, each at its place in the stream modulo the size; nil before the first message
	table []uint16
	next  uint // place in the stream of the byte to come, modulo 2^16
	size  int  // how many bytes there are to reach back to, at most len(ring)
}

// NewEncoder returns an encoder whose distances are no longer than 2^windowBits, 8 to 15, and that does or does not
// take the context of one message over to the next. No memory is taken for the window before the first message.
func NewEncoder(windowBits int, takeover bool, level Level) *Encoder {
	checkWindowBits(windowBits)
	if level > Balanced {
		panic("deflate: no level has number " + strconv.Itoa(int(level)))
	}
	return &Encoder{bits: uint8(windowBits), level: level, takeover: takeover && level != HuffmanOnly}
}

// TakesOver reports whether the context of one message is taken over to the next.
func (e *Encoder) TakesOver() bool { return e.takeover }

// Append deflates a whole message and appends what is to be sent to dst: flushed to a byte, without the four bytes
// 00 00 ff ff behind it (RFC 7692, section 7.2.1). It is longer than the message by no more than 5 bytes for each 64
// KiB begun, and 6. Append allocates only when dst has no room, of which it wants up to 16 bytes more than it fills.
func (e *Encoder) Append(dst, message []byte) []byte {
	if len(message) == 0 {
		return append(dst, 0)
	}
	pool := &scratches
	if e.bits <= smallBits {
		pool = &smallScratches
	}
	s := pool.Get().(*scratch)
	s.begin(e, dst, message)
	for from := 0; from < len(message); {
		to := s.findBlock(from)
		s.writeBlock(from, to)
		from = to
	}
	s.writeStored(len(message))
	dst = s.out.sync()
	if e.takeover {
		e.history.passed(len(message))
	}
	s.end()
	pool.Put(s)
	return dst
}

// scratch is what an encoder needs while it is at work on a message.
type scratch struct {
	finder
	huffman
	out        bitSink
	storedFrom int      // where what is to leave in stored blocks begins, or noStored
	ownTable   []uint16 // for a message without a history
}

const noStored = -1

// Scratch memory has two sizes: one for windows of up to 2^smallBits bytes, which is 8 KiB, and one for others.
const (
	smallBits   = 9
	smallTokens = 360
	smallTable  = 1 << 8
	largeTokens = 10 << 10
	largeTable  = 1 << 13
	minTable    = 1 << 8
)

var (
	scratches      = sync.Pool{New: func() any { return newScratch(largeTokens, largeTable) }}
	smallScratches = sync.Pool{New: func() any { return newScratch(smallTokens, smallTable) }}
)

func newScratch(tokens, table int) *scratch {
	return &scratch{finder: finder{tokens: make([]token, 0, tokens)}, ownTable: make([]uint16, table)}
}

func (s *scratch) begin(e *Encoder, dst, message []byte) {
	s.storedFrom, s.out = noStored, bitSink{out: dst}
	s.finder = finder{tally: &s.huffman.counts, tokens: s.tokens, src: message, level: e.level, window: 1 << e.bits}
	switch {
	case e.level == HuffmanOnly:
	case e.takeover:
		s.finder.useHistory(&e.history)
	default:
		s.finder.useMessage(s.ownTable)
	}
}

// end lets go of what belongs to the caller and to the encoder.
func (s *scratch) end() {
	s.finder = finder{tokens: s.tokens[:0]}
	s.out = bitSink{}
}
