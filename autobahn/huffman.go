package autobahn

import "math/bits"

// maxBits is the length of the longest code, quickBits how many bits of one are looked up at once.
const (
	maxBits   = 15
	quickBits = 10
)

// A huffman is a canonical code, RFC 1951 §3.2.2: how many codes there are of each length, and the symbols in the
// order of their codes. Codes of at most quickBits are looked up by the bits that come next; 0 is a longer one, or none.
type huffman struct {
	count   [maxBits + 1]uint16
	symbols [288]uint16
	quick   [1 << quickBits]decoded
}

// A decoded is a symbol, above the four bits of the length of its code.
type decoded uint16

// noSymbol is decoded where no code is. It has no length.
const noSymbol decoded = 1 << 9 << 4

func (d decoded) symbol() int { return int(d >> 4) }
func (d decoded) size() uint  { return uint(d & 15) }

// decode returns the symbol whose code the lowest bits of acc begin with.
func (h *huffman) decode(acc uint64) decoded {
	d := h.quick[acc&(1<<quickBits-1)]
	if d == 0 {
		d = h.slow(acc)
	}
	return d
}

// slow does so bit by bit. It is not inlined, so that decode can be.
//
//go:noinline
func (h *huffman) slow(acc uint64) decoded {
	first, index, code := 0, 0, 0
	for n := 1; n <= maxBits; n++ {
		code |= int(acc & 1)
		acc >>= 1
		c := int(h.count[n])
		if code-first < c {
			return decoded(int(h.symbols[index+code-first])<<4 | n)
		}
		index += c
		first = (first + c) << 1
		code <<= 1
	}
	return noSymbol
}

// build makes the code of lengths. It returns false when the lengths are of no complete code; a code with a single
// symbol of one bit, or with none, is the exception.
func (h *huffman) build(lengths []byte) bool {
	clear(h.count[:])
	for _, n := range lengths {
		h.count[n]++
	}
	used := len(lengths) - int(h.count[0])
	h.count[0] = 0
	var next [maxBits + 2]uint16
	room := 1
	for n := 1; n <= maxBits; n++ {
		room = room<<1 - int(h.count[n])
		if room < 0 {
			return false
		}
		next[n+1] = next[n] + h.count[n]
	}
	for symbol, n := range lengths {
		if n > 0 {
			h.symbols[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	h.tabulate()
	return room == 0 || used == 0 || used == 1 && h.count[1] == 1
}

// tabulate makes the table for short codes, length by length: with each bit more there are two of every entry so far.
func (h *huffman) tabulate() {
	h.quick[0] = 0
	code, i := 0, 0 // the code has its first bit lowest, as it comes
	for n := 1; n <= quickBits; n++ {
		full := 1<<n - 1
		copy(h.quick[(full+1)/2:full+1], h.quick[:(full+1)/2])
		for range h.count[n] {
			h.quick[code] = decoded(int(h.symbols[i])<<4 | n)
			i++
			if code != full { // carry from the last bit to the first
				bit := 1 << (bits.Len(uint(code^full)) - 1)
				code = code&(bit-1) | bit
			}
		}
	}
}

// codeOrder is the order of the lengths of the code length codes, RFC 1951 §3.2.7.
var codeOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables reads the codes of a block, RFC 1951 §3.2.7.
func (i *inflater) tables() error {
	nlit, ndist, ncode := i.take(5)+257, i.take(5)+1, i.take(4)+4
	if nlit > 286 || ndist > 30 {
		return errInflateBad
	}
	var lengths [286 + 30]byte
	for _, k := range codeOrder[:ncode] {
		lengths[k] = byte(i.take(3))
	}
	if !i.lit.build(lengths[:19]) {
		return errInflateBad
	}
	clear(lengths[:19])
	for k := 0; k < nlit+ndist; {
		symbol, err := i.symbol(&i.lit)
		if err != nil {
			return err
		}
		n, value := 1, byte(symbol)
		switch symbol {
		case 16:
			if k == 0 {
				return errInflateBad
			}
			n, value = 3+i.take(2), lengths[k-1]
		case 17:
			n, value = 3+i.take(3), 0
		case 18:
			n, value = 11+i.take(7), 0
		}
		if k+n > nlit+ndist {
			return errInflateBad
		}
		for range n {
			lengths[k] = value
			k++
		}
	}
	switch {
	case i.short:
		return errInflateShort
	case !i.lit.build(lengths[:nlit]) || !i.dist.build(lengths[nlit:nlit+ndist]):
		return errInflateBad
	}
	return nil
}

// symbol reads one code.
func (i *inflater) symbol(h *huffman) (int, error) {
	if i.n < maxBits {
		i.fill()
	}
	d := h.decode(i.acc)
	switch {
	case d.size() > i.n:
		return 0, errInflateShort
	case d == noSymbol:
		return 0, errInflateBad
	}
	i.take(d.size())
	return d.symbol(), nil
}

// The fixed codes of RFC 1951 §3.2.6.
var fixedLit, fixedDist = fixedCodes()

func fixedCodes() (lit, dist huffman) {
	var lengths [288]byte
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	lit.build(lengths[:])
	for i := range 30 {
		lengths[i] = 5
	}
	dist.build(lengths[:30])
	return lit, dist
}
