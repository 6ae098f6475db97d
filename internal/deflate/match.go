package deflate

import (
	"encoding/binary"
	"math/bits"
)

// finder turns a message into tokens.
//
// Matches are in ring only: that is the message itself, or a history to which the message is copied piece by piece,
// each piece before it is searched. All that tells them apart is mask. A place is where a byte is in the stream, masked
// where it is in the ring. The table has the latest place, modulo 2^16, of bytes that have some hash. It may be wrong,
// for what is found is compared; so nothing in it must ever be cleared or corrected.
type finder struct {
	tokens []token               // of this block
	tally  *[tokenSymbols]uint16 // how often each symbol is among them; the end of the block is there once
	src    []byte                // the message
	ring   []byte
	table  []uint16
	mask   uint
	base   uint // place of src[0]
	start  uint // the earliest place there ever was, or that is in the window
	reach  uint // the longest distance whose source is whole in the ring, wherever in the present piece
	window int
	ready  int  // where what may be searched ends
	run    uint // how many literals fast and balanced had seen since the last match, when they were called
	level  Level
}

const (
	hashed   = 5  // bytes that are hashed
	leastLen = 4  // shortest match that is taken
	probe    = 16 // bytes that are compared at once
)

// useMessage makes the message its own window.
func (f *finder) useMessage(table []uint16) {
	f.ring, f.mask, f.reach, f.ready = f.src, ^uint(0), uint(f.window), len(f.src)
	n := minTable
	for n < len(f.src) && n < len(table) {
		n *= 2
	}
	f.table = table[:n]
	clear(f.table)
}

// useHistory looks also in what has been sent before.
func (f *finder) useHistory(h *history) {
	if h.ring == nil {
		h.ring = make([]byte, f.window)
		h.table = make([]uint16, max(minTable, f.window/4))
	}
	f.ring, f.mask, f.table = h.ring, uint(f.window-1), h.table
	f.base, f.start = h.next, h.next-uint(h.size)
}

// findBlock fills tokens with those of the block that begins at from, and returns where it ends.
func (f *finder) findBlock(from int) (to int) {
	f.tokens = f.tokens[:0]
	*f.tally = [tokenSymbols]uint16{endOfBlock: 1}
	if f.level == HuffmanOnly {
		return f.literals(from, len(f.src))
	}
	for i := from; ; {
		if f.ready-i <= probe && f.ready < len(f.src) {
			f.advance()
		}
		if f.level == Fast {
			i = f.careful(f.fast(i))
		} else {
			i = f.balanced(i)
		}
		if len(f.tokens) >= cap(f.tokens)-tokensLeft {
			return i
		}
		if f.ready == len(f.src) && i > len(f.src)-8 {
			return f.literals(i, len(f.src))
		}
	}
}

// tokensLeft is for how many tokens there may be room at the end of a block.
const tokensLeft = 3

// advance copies more of the message to the history's ring. That takes the place of the oldest history, hence the small steps.
func (f *finder) advance() {
	n := min(len(f.src)-f.ready, max(f.window/16, 2*probe))
	p := f.src[f.ready : f.ready+n]
	at := (f.base + uint(f.ready)) & f.mask
	copied := copy(f.ring[at:], p)
	copy(f.ring, p[copied:])
	f.ready += n
	f.reach = uint(f.window - n - probe) // what is searched begins up to probe bytes before the piece
}

// literals adds the bytes up to to as literals, as far as there is room, and returns up to where.
func (f *finder) literals(from, to int) int {
	to = min(to, from+cap(f.tokens)-len(f.tokens))
	n := len(f.tokens)
	f.tokens = f.tokens[:n+to-from]
	tokens, counts := f.tokens[n:], f.tally
	for i, c := range f.src[from:to] {
		tokens[i] = token(c)
		counts[c]++
	}
	return to
}

// match adds a match, for which there is room.
func (f *finder) match(length, dist uint) {
	l, d := lengthTokens[length-minMatch], distToken(dist-1)
	f.tokens = append(f.tokens, l, d)
	f.tally[l.symbol()]++
	f.tally[d.symbol()]++
}

// matchLen returns how many bytes are the same from place a on as from b on, of which the first n are known to be.
func (f *finder) matchLen(a, b, n uint) uint {
	most := min(maxMatch, f.base+uint(f.ready)-b)
	i, j := a&f.mask, b&f.mask
	if max(i, j)+most <= uint(len(f.ring)) { // else one goes on at the beginning of the ring
		for ; n+8 <= most; n += 8 {
			if x := load64(f.ring, i+n) ^ load64(f.ring, j+n); x != 0 {
				return n + uint(bits.TrailingZeros64(x)/8)
			}
		}
	}
	for n < most && f.ring[(a+n)&f.mask] == f.ring[(b+n)&f.mask] {
		n++
	}
	return n
}

func load64(p []byte, i uint) uint64 { return binary.LittleEndian.Uint64(p[i : i+8]) }

// hash returns the upper bits of a product, all but shift of them.
func hash(v uint64, shift uint) uint64 {
	return v << (64 - 8*hashed) * 0x9e3779b97f4a7c15 >> (shift & 63)
}

// hashShift is the shift for a table of that size, a power of two.
func hashShift(size int) uint { return uint(64 - bits.Len(uint(size-1))) }
