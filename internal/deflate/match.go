package deflate

import (
	"encoding/binary"
	"math/bits"
)

// finder turns a message into tokens.
//
// It looks at nothing but ring: that is the message itself, or a history to which the message is copied piece by piece,
// each piece before it is searched. All that tells them apart is mask. Places are where a byte is in the stream: masked,
// where it is in the ring. The table has the latest place, modulo 2^16, of bytes that have some hash. It may be wrong,
// for what is found is compared; so nothing in it must ever be cleared or corrected.
type finder struct {
	tokens []token // of this block
	src    []byte
	ring   []byte // behind the last byte of a history the first ones come again, so that it can be read across its end
	table  []uint16
	mask   uint
	base   uint // place of src[0]
	window int
	reach  uint // the longest distance whose source is whole in the ring, wherever in the present piece
	ready  int  // where what may be searched ends
	level  Level
	copies bool // the message has to be copied to the ring
}

const (
	hashed   = 5         // bytes that are hashed
	leastLen = 4         // shortest match that is taken
	probe    = 16        // bytes that are compared at once
	margin   = probe + 8 // bytes behind a place that is looked at
	ways     = 4         // places that Balanced keeps for each hash
)

// useMessage makes the message its own window.
func (f *finder) useMessage(table []uint16) {
	f.ring, f.mask, f.reach = f.src, ^uint(0), uint(f.window)
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
		h.ring = make([]byte, f.window+margin)
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
		if i >= f.ready-margin && f.ready < len(f.src) {
			f.advance()
		}
		if f.level == Fast {
			i = f.fast(i)
		} else {
			i = f.balanced(i)
		}
		if i >= f.ready-margin && f.ready == len(f.src) {
			i = f.tail(i)
			return f.literals(i, len(f.src))
		}
		if len(f.tokens) >= cap(f.tokens)-3 {
			return i
		}
	}
}

// tail is fast for the last bytes, where there is not enough behind a place to look at it in a hurry.
func (f *finder) tail(i int) int {
	shift := uint(64 - bits.Len(uint(len(f.table)-1)))
	for i <= len(f.src)-8 && len(f.tokens) < cap(f.tokens)-1 {
		p := f.base + uint(i)
		v := load64(f.ring, p&f.mask)
		h := hash(v, shift)
		back := uint(uint16(p) - f.table[h])
		if back-1 < f.reach && uint32(load64(f.ring, (p-back)&f.mask)) == uint32(v) {
			n := f.matchLen(p-back, p, leastLen)
			f.tokens = append(f.tokens, lengthTokens[n-minMatch], distToken(back-1))
			i += int(n)
			continue
		}
		f.tokens = append(f.tokens, token(uint8(v)))
		f.table[h] = uint16(p)
		i++
	}
	return i
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
	n := min(len(f.src)-f.ready, max(f.window/16, 2*margin))
	p := f.src[f.ready : f.ready+n]
	at := (f.base + uint(f.ready)) & f.mask
	size := f.window
	copied := copy(f.ring[at:size], p)
	copy(f.ring, p[copied:])
	copy(f.ring[size:], f.ring[:margin])
	f.ready += n
	f.reach = uint(f.window - n - margin)
}

func hash(v uint64, shift uint) uint64 {
	return v << (64 - 8*hashed) * 0x9e3779b97f4a7c15 >> (shift & 63)
}

func load64(p []byte, i uint) uint64 { return binary.LittleEndian.Uint64(p[i : i+8]) }

const quiet = 32 // literals on end after which some places are left out

// fast looks for matches from i on until all that is ready has been searched or there is no room for tokens. It returns
// where to go on.
func (f *finder) fast(i int) int {
	ring, table, mask := f.ring, f.table, f.mask
	shift := uint(64 - bits.Len(uint(len(table)-1)))
	tokens, n := f.tokens[:cap(f.tokens)], len(f.tokens)
	p := f.base + uint(i)
	stop := f.base + uint(max(0, min(f.ready-margin, i+len(tokens)-n-3))) // no byte takes more than one token
	lit := p
	pause := min(stop, p+quiet)
	for {
		for p < pause {
			v := load64(ring, p&mask)
			h := hash(v, shift)
			back := uint(uint16(p) - table[h])
			table[h] = uint16(p)
			at := (p - back) & mask
			x := load64(ring, at) ^ v
			if uint32(x) != 0 || back-1 >= f.reach {
				tokens[n] = token(uint8(v))
				tokens[n+1] = token(uint8(v >> 8))
				table[hash(v>>8, shift)] = uint16(p + 1)
				n += 2
				p += 2
				continue
			}
			table[hash(v>>8, shift)] = uint16(p + 1)
			length := uint(bits.TrailingZeros64(x)) / 8
			y := load64(ring, at+8) ^ load64(ring, p&mask+8)
			length += uint(bits.TrailingZeros64(y)) / 8 & -(length / 8)
			if length == probe {
				length = f.matchLen(p-back, p, probe)
			}
			for p > lit && length < maxMatch && back < f.reach && (f.copies || p > back) && ring[(p-1)&mask] == ring[(p-back-1)&mask] {
				p--
				n--
				length++
			}
			tokens[n] = lengthTokens[length-minMatch]
			tokens[n+1] = distToken(back - 1)
			n += 2
			p += length
			lit = p
			pause = min(stop, p+quiet)
		}
		if p >= stop {
			break
		}
		// Hurry through what does not compress.
		skip := (p - lit) / quiet
		if p+skip > stop {
			skip = 0
			if stop > p {
				skip = stop - p
			}
		}
		for range skip {
			tokens[n] = token(ring[p&mask])
			n++
			p++
		}
		pause = min(stop, p+1)
	}
	f.tokens = tokens[:n]
	return int(p - f.base)
}

// matchLen returns how many bytes are the same from a on as from b on, of which the first n are known to be.
func (f *finder) matchLen(a, b, n uint) uint {
	most := min(maxMatch, f.base+uint(f.ready)-b)
	for ; n+8 <= most; n += 8 {
		x := load64(f.ring, (a+n)&f.mask) ^ load64(f.ring, (b+n)&f.mask)
		if x != 0 {
			return n + uint(bits.TrailingZeros64(x)/8)
		}
	}
	for n < most && f.ring[(a+n)&f.mask] == f.ring[(b+n)&f.mask] {
		n++
	}
	return n
}

const goodEnough = 32 // a match so long is taken without a look at the next place

// balanced is fast, with more care.
func (f *finder) balanced(i int) int {
	end := f.ready
	for i < end-margin && len(f.tokens) < cap(f.tokens)-2 {
		n, back := f.longest(i)
		if n == 0 {
			i = f.literals(i, i+1)
			continue
		}
		for n < goodEnough && i < end-margin-1 && len(f.tokens) < cap(f.tokens)-3 {
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
	p := f.base + uint(i)
	for _, candidate := range *f.bucket(i) {
		back := uint(uint16(p) - candidate)
		if back-1 >= f.reach {
			continue
		}
		at := p - back
		if length > 0 && (i+length >= f.ready || f.ring[(at+uint(length))&f.mask] != f.src[i+length]) {
			continue
		}
		if n := int(f.matchLen(at, p, 0)); n >= leastLen && n > length {
			length, dist = n, int(back)
		}
	}
	f.insert(i)
	return length, dist
}
