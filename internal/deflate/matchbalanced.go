package deflate

import "encoding/binary"

const (
	ways       = 4  // places that balanced keeps for each hash
	goodEnough = 32 // a match so long is taken without a look at the next place
)

// balanced takes the longest match among several places, and waits one byte for a longer one.
func (f *finder) balanced(i int) int {
	stop := f.ready - probe
	if f.ready == len(f.src) {
		stop = f.ready - 7 // so many bytes are hashed
	}
	for i < stop && len(f.tokens) < cap(f.tokens)-tokensLeft {
		n, back := f.longest(i)
		if n == 0 {
			next := f.literals(i, min(i+1+int(min(f.run/(4*quiet), hurry)), stop))
			f.run += uint(next - i)
			i = next
			continue
		}
		for n < goodEnough && i+1 < stop && len(f.tokens) < cap(f.tokens)-tokensLeft {
			n2, back2 := f.longest(i + 1)
			if n2 <= n {
				break
			}
			i = f.literals(i, i+1)
			n, back = n2, back2
		}
		f.match(n, back)
		f.run = 0
		for j := i + 1; j < min(i+int(n), stop); j++ {
			f.insert(j)
		}
		i += int(n)
	}
	return i
}

// longest returns the longest match for what is at i, and its distance, and enters i in the table. No match is 0.
func (f *finder) longest(i int) (length, dist uint) {
	p := f.base + uint(i)
	for _, candidate := range *f.bucket(i) {
		back := uint(uint16(p) - candidate)
		if back-1 >= f.reach {
			continue
		}
		end := p + length
		if length > 0 && (int(end-f.base) >= f.ready || f.ring[(end-back)&f.mask] != f.ring[end&f.mask]) {
			continue // it is not longer
		}
		if n := f.matchLen(p-back, p, 0); n >= leastLen && n > length {
			length, dist = n, back
		}
	}
	f.insert(i)
	return length, dist
}

// insert makes i the latest place of its hash.
func (f *finder) insert(i int) {
	place := uint16(f.base + uint(i))
	if b := f.bucket(i); b[0] != place {
		b[3], b[2], b[1], b[0] = b[2], b[1], b[0], place
	}
}

// bucket returns the places for the bytes at i, latest first.
func (f *finder) bucket(i int) *[ways]uint16 {
	h := ways * int(hash(binary.LittleEndian.Uint64(f.src[i:]), hashShift(len(f.table)/ways)))
	return (*[ways]uint16)(f.table[h : h+ways])
}
