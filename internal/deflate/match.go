package deflate

import (
	"encoding/binary"
	"math/bits"
)

// finder turns a message into tokens.
//
// What it reaches back to is in ring: the message itself, or a history to which the message is copied piece by piece,
// each piece before it is searched. All that tells them apart is mask. Places are indices of src; those in the history
// are negative. The table has the latest place, modulo 2^16, of bytes that have some hash. It may be wrong, for what is
// found is compared; so nothing in it must ever be cleared or corrected.
type finder struct {
	tokens []token // of this block
	src    []byte
	ring   []byte
	table  []uint16
	mask   uint
	base   uint // place in the ring, before masking, of src[0]
	window int
	reach  int // the longest distance whose source is whole in the ring, wherever in the present piece
	ready  int // where what may be searched ends
	level  Level
	copies bool // the message has to be copied to the ring
}

const (
	hashed   = 5
	leastLen = 4
	probe    = 16 // bytes that are compared without looking for the ends of memory
	ways     = 4  // places that Balanced keeps for each hash
)

// useMessage makes the message its own window.
func (f *finder) useMessage(table []uint16) {
	f.ring, f.mask, f.reach = f.src, ^uint(0), f.window
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
		h.ring = make([]byte, f.window+probe)
		h.table = make([]uint16, max(minTable, f.window/4))
	}
	f.ring, f.mask, f.table = h.ring, uint(f.window-1), h.table
	f.base, f.copies = h.next, true
}

// findBlock fills tokens with those of the block that begins at from, and returns where it ends.
func (f *finder) findBlock(from int) (to int) {
	f.tokens = f.tokens[:0]
	if f.level == HuffmanOnly {
		f.ready = len(f.src)
		return f.literals(from, len(f.src))
	}
	for i := from; ; {
		if i >= f.ready-probe {
			if f.ready == len(f.src) {
				return f.literals(i, len(f.src))
			}
			f.advance()
		}
		if f.level == Fast {
			i = f.fast(i)
		} else {
			i = f.balanced(i)
		}
		if len(f.tokens) >= cap(f.tokens)-1 {
			return i
		}
	}
}

// literals adds the bytes up to to as literals, as far as there is room, and returns up to where.
func (f *finder) literals(from, to int) int {
	to = min(to, from+cap(f.tokens)-len(f.tokens))
	for _, c := range f.src[from:to] {
		f.tokens = append(f.tokens, token(c))
	}
	return to
}

// advance makes more of the message ready. In a ring that takes the place of the oldest history, hence the small steps.
func (f *finder) advance() {
	if !f.copies {
		f.ready = len(f.src)
		return
	}
	n := min(len(f.src)-f.ready, max(f.window/8, 64))
	p := f.src[f.ready : f.ready+n]
	at := (f.base + uint(f.ready)) & f.mask
	size := f.window
	copied := copy(f.ring[at:size], p)
	copy(f.ring, p[copied:])
	copy(f.ring[size:], f.ring[:probe])
	f.ready += n
	f.reach = f.window - n - probe
}

func hash(v uint64, shift uint) uint64 { return v << (64 - 8*hashed) * 0x9e3779b97f4a7c15 >> (shift & 63) }

func load64(p []byte, i uint) uint64 { return binary.LittleEndian.Uint64(p[i : i+8]) }

// fast looks for matches from i on until all that is ready has been searched or there is no room for tokens. It returns
// where to go on.
func (f *finder) fast(from int) int {
	src, ring, table, mask, base, reach := f.src[:f.ready], f.ring, f.table, f.mask, f.base, uint16(f.reach)
	shift := uint(64 - bits.Len(uint(len(table)-1)))
	tokens, n := f.tokens[:cap(f.tokens)], len(f.tokens)
	i := uint(from)
	stop := uint(min(len(src)-probe, from+len(tokens)-n-1)) // no byte takes more than one token
	quiet := i + 32
	for i < stop {
		v := load64(src, i)
		h := hash(v, shift)
		place := uint16(base + i)
		back := place - table[h]
		table[h] = place
		at := (base + i - uint(back)) & mask
		x := load64(ring, at) ^ v
		if x<<(64-8*leastLen) != 0 || back-1 >= reach {
			tokens[n] = token(uint8(v))
			n++
			i++
			if i > quiet { // hurry through what does not compress
				for skip := min((i+32-quiet)>>5, stop-i); skip > 0; skip-- {
					tokens[n] = token(src[i])
					n++
					i++
				}
			}
			continue
		}
		length := uint(bits.TrailingZeros64(x)) / 8
		y := load64(ring, at+8) ^ load64(src, i+8)
		length += uint(bits.TrailingZeros64(y)) / 8 & -(length / 8)
		if length == probe {
			length += uint(f.matchLen(at+probe, src[i+probe:min(uint(len(src)), i+maxMatch)]))
		}
		tokens[n] = lengthTokens[length-minMatch]
		tokens[n+1] = distToken(uint(back - 1))
		n += 2
		table[hash(v>>8, shift)] = place + 1
		i += length
		quiet = i + 32
	}
	f.tokens = tokens[:n]
	return int(i)
}

// matchLen returns how many bytes from at on in the ring are those of p.
func (f *finder) matchLen(at uint, p []byte) int {
	ring, n := f.ring, 0
	for n < len(p) {
		at &= f.mask
		if at+8 <= uint(len(ring)) && n+8 <= len(p) {
			x := binary.LittleEndian.Uint64(ring[at:]) ^ binary.LittleEndian.Uint64(p[n:])
			if x != 0 {
				return n + bits.TrailingZeros64(x)/8
			}
			n, at = n+8, at+8
			continue
		}
		if ring[at] != p[n] {
			break
		}
		n, at = n+1, at+1
	}
	return n
}

const goodEnough = 32 // a match so long is taken without a look at the next place

// balanced is fast, with more care.
func (f *finder) balanced(i int) int {
	end := f.ready
	for i < end-probe && len(f.tokens) < cap(f.tokens)-1 {
		n, back := f.longest(i)
		if n == 0 {
			i = f.literals(i, i+1)
			continue
		}
		for n < goodEnough && i < end-probe-1 && len(f.tokens) < cap(f.tokens)-2 {
			n2, back2 := f.longest(i + 1)
			if n2 <= n {
				break
			}
			i = f.literals(i, i+1)
			n, back = n2, back2
		}
		f.tokens = append(f.tokens, lengthTokens[n-minMatch], distToken(uint(back-1)))
		for j := i + 1; j < i+n && j <= end-8; j++ {
			f.insert(j)
		}
		i += n
	}
	return i
}

// bucket returns the places for the bytes at i, latest first.
func (f *finder) bucket(i int) *[ways]uint16 {
	shift := uint(64 - bits.Len(uint(len(f.table)/ways-1)))
	h := ways * int(hash(binary.LittleEndian.Uint64(f.src[i:]), shift))
	return (*[ways]uint16)(f.table[h : h+ways])
}

func (f *finder) insert(i int) {
	place := uint16(f.base + uint(i))
	if b := f.bucket(i); b[0] != place {
		b[3], b[2], b[1], b[0] = b[2], b[1], b[0], place
	}
}

// longest returns the longest match for what is at i, and its distance, and enters i in the table. No match is 0.
func (f *finder) longest(i int) (length, dist int) {
	place := uint16(f.base + uint(i))
	p := f.src[i:min(f.ready, i+maxMatch)]
	for _, candidate := range *f.bucket(i) {
		back := place - candidate
		if back-1 >= uint16(f.reach) {
			continue
		}
		at := f.base + uint(i) - uint(back)
		if length > 0 && (length == len(p) || f.ring[(at+uint(length))&f.mask] != p[length]) {
			continue
		}
		if n := f.matchLen(at, p); n >= leastLen && n > length {
			length, dist = n, int(back)
		}
	}
	f.insert(i)
	return length, dist
}
