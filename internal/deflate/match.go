package deflate

import (
	"encoding/binary"
	"math/bits"
)

// sequence is a run of literals and the match behind it.
type sequence struct {
	lits   uint16 // how many literals
	dist   uint16 // the distance less one
	length uint16 // of the match
}

// finder turns a message into sequences.
//
// What it reaches back to is in ring: the message itself, or a history to which the message is copied piece by piece,
// each piece before it is searched. All that tells them apart is mask. Places are indices of src; those in the history
// are negative. The table has the latest place, modulo 2^16, of four bytes that have some hash. It may be wrong, for
// what is found is compared; so nothing in it must ever be cleared or corrected.
type finder struct {
	sequences []sequence // of this block
	src       []byte
	ring      []byte
	table     []uint16
	mask      uint
	base      uint // place in the ring, before masking, of src[0]
	window    int
	low       int // the earliest place that is in the ring
	ready     int // where what may be searched ends
	history   int // bytes before src[0]
	level     Level
	copies    bool // the message has to be copied to the ring
}

const (
	hashed   = 4       // bytes that a match must have to be found
	maxBlock = 1 << 15 // bytes of the message in one block
	ways     = 4       // places that Balanced keeps for each hash
)

// useMessage makes the message its own window.
func (f *finder) useMessage(table []uint16) {
	f.ring, f.mask = f.src, ^uint(0)
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
	f.ring, f.mask, f.table = h.ring, uint(len(h.ring)-1), h.table
	f.base, f.history, f.copies = h.next, h.size, true
	f.low = -h.size
}

// findBlock fills sequences with those of the block that begins at from, and returns where it ends. Bytes behind the
// last sequence are literals.
func (f *finder) findBlock(from int) (to int) {
	f.sequences = f.sequences[:0]
	limit := min(len(f.src), from+maxBlock)
	if f.level == HuffmanOnly {
		return limit
	}
	for i, lit := from, from; ; {
		if f.ready-i < hashed {
			if f.ready >= limit {
				return limit
			}
			f.advance(limit)
		}
		if f.level == Fast {
			i, lit = f.fast(i, lit)
		} else {
			i, lit = f.balanced(i, lit)
		}
		if len(f.sequences) == cap(f.sequences) {
			return lit
		}
	}
}

// advance makes more of the message ready, up to limit. In a ring that takes the place of the oldest history, hence the
// small steps.
func (f *finder) advance(limit int) {
	if !f.copies {
		f.ready = limit
		return
	}
	n := min(limit-f.ready, max(f.window/8, 64))
	p := f.src[f.ready : f.ready+n]
	at := (f.base + uint(f.ready)) & f.mask
	copied := copy(f.ring[at:], p)
	copy(f.ring, p[copied:])
	f.ready += n
	f.low = max(-f.history, f.ready-f.window)
}

func (f *finder) add(lits, length, back int) {
	f.sequences = append(f.sequences, sequence{uint16(lits), uint16(back - 1), uint16(length)})
}

func hash(v uint32, shift uint) uint32 { return v * 0x9e3779b1 >> (shift & 31) }

// fast looks for matches from i on, behind literals from lit on, until all that is ready has been searched or there is
// no room for sequences. It returns where to go on.
func (f *finder) fast(i, lit int) (int, int) {
	src, ring, table, mask, base, low, window := f.src[:f.ready], f.ring, f.table, f.mask, f.base, f.low, f.window
	shift := uint(32 - bits.Len(uint(len(table)-1)))
	for i+hashed <= len(src) {
		v := binary.LittleEndian.Uint32(src[i:])
		h := int(hash(v, shift))
		place := uint16(base + uint(i))
		back := int(place - table[h])
		table[h] = place
		at := (base + uint(i-back)) & mask
		if uint(back-1) >= uint(min(i-low, window)) || at > uint(len(ring)-hashed) ||
			binary.LittleEndian.Uint32(ring[at:]) != v {
			i += 1 + (i-lit)>>5 // hurry through what does not compress
			continue
		}
		n := hashed + f.matchLen(at+hashed, src[i+hashed:min(len(src), i+maxMatch)])
		for i > lit && i-back > low && n < maxMatch && src[i-1] == ring[(at-1)&mask] {
			i, n, at = i-1, n+1, at-1
		}
		f.add(i-lit, n, back)
		i += n
		lit = i
		if i+2 <= len(src) {
			table[hash(binary.LittleEndian.Uint32(src[i-2:]), shift)] = uint16(base + uint(i-2))
		}
		if len(f.sequences) == cap(f.sequences) {
			break
		}
	}
	return i, lit
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
func (f *finder) balanced(i, lit int) (int, int) {
	end := f.ready
	for i+hashed <= end {
		n, back := f.longest(i)
		if n == 0 {
			i += 1 + (i-lit)>>7
			continue
		}
		for n < goodEnough && i+1+hashed <= end {
			n2, back2 := f.longest(i + 1)
			if n2 <= n {
				break
			}
			i, n, back = i+1, n2, back2
		}
		f.add(i-lit, n, back)
		for j := i + 1; j < i+n && j+hashed <= end; j++ {
			f.insert(j)
		}
		i += n
		lit = i
		if len(f.sequences) == cap(f.sequences) {
			break
		}
	}
	return i, lit
}

// bucket returns the places for the four bytes at i, latest first.
func (f *finder) bucket(i int) *[ways]uint16 {
	shift := uint(32 - bits.Len(uint(len(f.table)/ways-1)))
	h := ways * int(hash(binary.LittleEndian.Uint32(f.src[i:]), shift))
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
		back := int(place - candidate)
		if uint(back-1) >= uint(min(i-f.low, f.window)) {
			continue
		}
		at := f.base + uint(i-back)
		if length > 0 && (length == len(p) || f.ring[(at+uint(length))&f.mask] != p[length]) {
			continue
		}
		if n := f.matchLen(at, p); n >= hashed && n > length {
			length, dist = n, back
		}
	}
	f.insert(i)
	return length, dist
}
