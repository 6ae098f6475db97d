package autobahn

import (
	"errors"
	"math/bits"
)

// walkMessage walks over one message of DEFLATE data, RFC 1951, and returns the longest distance that one of its
// matches reaches back. It decodes no data: it is there for what compress/flate does not tell, whether a peer keeps
// the window that was agreed on (RFC 7692 §7.1.2). The data is as it stands in the frames, without the empty stored
// block that the sender took off, so that it may end after any block.
func walkMessage(data []byte) (longest int, err error) {
	w := walker{in: data}
	for w.pos < len(w.in) || w.n > 0 {
		if w.left() < 3 {
			return w.longest, nil // what pads the last byte
		}
		w.take(1) // BFINAL: the blocks go on, RFC 7692 §7.2.3.5
		if err := w.block(w.take(2)); err != nil {
			// The last stored block of a message lost its length field to the sender, RFC 7692 §7.2.1.
			if err == errWalkShort && w.stripped {
				return w.longest, nil
			}
			return w.longest, err
		}
	}
	return w.longest, nil
}

var (
	errWalkShort = errors.New("autobahn: DEFLATE data ends inside a block")
	errWalkBad   = errors.New("autobahn: malformed DEFLATE data")
)

// A walker reads bits, the lowest first.
type walker struct {
	in       []byte
	pos      int
	acc      uint64 // bits that were read and not taken yet
	n        uint
	lit      huffman
	dist     huffman
	short    bool // more was taken than there was
	stripped bool // a stored block began, and nothing follows its type
	longest  int
}

func (w *walker) left() int { return (len(w.in)-w.pos)*8 + int(w.n) }

func (w *walker) fill() {
	for w.n <= 48 && w.pos < len(w.in) {
		w.acc |= uint64(w.in[w.pos]) << w.n
		w.pos++
		w.n += 8
	}
}

func (w *walker) take(n uint) uint32 {
	if w.n < n {
		w.fill()
		if w.n < n {
			w.short, w.n, w.acc = true, 0, 0
			return 0
		}
	}
	v := uint32(w.acc) & (1<<n - 1)
	w.acc >>= n
	w.n -= n
	return v
}

func (w *walker) block(kind uint32) error {
	switch kind {
	case 0:
		return w.stored()
	case 1:
		return w.coded(&fixedLit, &fixedDist)
	case 2:
		lit, dist, err := w.tables()
		if err != nil {
			return err
		}
		return w.coded(lit, dist)
	}
	return errWalkBad
}

// stored skips a block of plain bytes, RFC 1951 §3.2.4.
func (w *walker) stored() error {
	w.take(w.n % 8)
	if w.left() == 0 {
		w.stripped = true
		return errWalkShort
	}
	n, inverse := w.take(16), w.take(16)
	switch {
	case w.short:
		return errWalkShort
	case n != ^inverse&0xFFFF:
		return errWalkBad
	}
	back := int(w.n / 8) // whole bytes that wait in the accumulator
	w.pos -= back
	w.acc, w.n = 0, 0
	if len(w.in)-w.pos < int(n) {
		return errWalkShort
	}
	w.pos += int(n)
	return nil
}

// coded walks over a block of literals and matches, RFC 1951 §3.2.5.
func (w *walker) coded(lit, dist *huffman) error {
	for {
		s, err := w.symbol(lit)
		switch {
		case err != nil:
			return err
		case s < 256:
			continue
		case s == 256:
			return nil
		case s > 285:
			return errWalkBad
		case s > 264 && s < 285:
			w.take(uint(s-261) / 4)
		}
		d, err := w.symbol(dist)
		if err != nil {
			return err
		}
		if d > 29 {
			return errWalkBad
		}
		far := int(d) + 1
		if d > 3 {
			extra := uint(d)/2 - 1
			far = (2+int(d)&1)<<extra + 1 + int(w.take(extra))
		}
		if w.short {
			return errWalkShort
		}
		w.longest = max(w.longest, far)
	}
}

// codeOrder is the order of the lengths of the code length codes, RFC 1951 §3.2.7.
var codeOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables reads the codes of a block, RFC 1951 §3.2.7.
func (w *walker) tables() (lit, dist *huffman, err error) {
	nlit, ndist, ncode := int(w.take(5))+257, int(w.take(5))+1, int(w.take(4))+4
	if nlit > 286 || ndist > 30 {
		return nil, nil, errWalkBad
	}
	var lengths [286 + 30]byte
	for _, i := range codeOrder[:ncode] {
		lengths[i] = byte(w.take(3))
	}
	var code huffman
	if !code.build(lengths[:19]) {
		return nil, nil, errWalkBad
	}
	clear(lengths[:19])
	for i := 0; i < nlit+ndist; {
		s, err := w.symbol(&code)
		if err != nil {
			return nil, nil, err
		}
		n, value := 1, byte(s)
		switch s {
		case 16:
			if i == 0 {
				return nil, nil, errWalkBad
			}
			n, value = 3+int(w.take(2)), lengths[i-1]
		case 17:
			n, value = 3+int(w.take(3)), 0
		case 18:
			n, value = 11+int(w.take(7)), 0
		}
		if i+n > nlit+ndist {
			return nil, nil, errWalkBad
		}
		for range n {
			lengths[i] = value
			i++
		}
	}
	if w.short {
		return nil, nil, errWalkShort
	}
	if !w.lit.build(lengths[:nlit]) || !w.dist.build(lengths[nlit:nlit+ndist]) {
		return nil, nil, errWalkBad
	}
	return &w.lit, &w.dist, nil
}

// maxBits is the length of the longest code.
const maxBits = 15

// quickBits is how many bits of a code are looked up at once.
const quickBits = 9

// A huffman is a canonical code, RFC 1951 §3.2.2: how many codes there are of each length, and the symbols in the
// order of their codes. Codes of at most quickBits are looked up by the bits that come next: the symbol above the four
// bits of its length; 0 is a longer code, or none.
type huffman struct {
	count   [maxBits + 1]uint16
	symbols [288]uint16
	quick   [1 << quickBits]uint16
}

// build makes the code of lengths. It returns false when the lengths are of no complete code; a code with a single
// symbol of one bit, or with none, is the exception.
func (h *huffman) build(lengths []byte) bool {
	*h = huffman{}
	for _, n := range lengths {
		h.count[n]++
	}
	used := len(lengths) - int(h.count[0])
	h.count[0] = 0
	var next, code [maxBits + 2]uint16
	room := 1
	for n := 1; n <= maxBits; n++ {
		room = room<<1 - int(h.count[n])
		if room < 0 {
			return false
		}
		next[n+1] = next[n] + h.count[n]
		code[n+1] = (code[n] + h.count[n]) << 1
	}
	for s, n := range lengths {
		if n > 0 {
			h.symbols[next[n]] = uint16(s)
			next[n]++
			h.lookup(s, int(n), code[n])
			code[n]++
		}
	}
	return room == 0 || used == 0 || used == 1 && h.count[1] == 1
}

// lookup enters a symbol for all bits that begin with its code.
func (h *huffman) lookup(symbol, n int, code uint16) {
	if n > quickBits {
		return
	}
	first := int(bits.Reverse16(code)) >> (16 - n)
	for i := first; i < len(h.quick); i += 1 << n {
		h.quick[i] = uint16(symbol<<4 | n)
	}
}

// symbol reads one code.
func (w *walker) symbol(h *huffman) (uint16, error) {
	if w.n < maxBits {
		w.fill()
	}
	if e := h.quick[w.acc&(1<<quickBits-1)]; e != 0 && uint(e&15) <= w.n {
		w.acc >>= e & 15
		w.n -= uint(e & 15)
		return e >> 4, nil
	}
	return w.slow(h)
}

// slow reads one code, bit by bit.
func (w *walker) slow(h *huffman) (uint16, error) {
	first, index, code := 0, 0, 0
	acc := w.acc
	for n := uint(1); n <= maxBits; n++ {
		if n > w.n {
			w.short = true
			return 0, errWalkShort
		}
		code |= int(acc & 1)
		acc >>= 1
		c := int(h.count[n])
		if code-first < c {
			w.acc >>= n
			w.n -= n
			return h.symbols[index+code-first], nil
		}
		index += c
		first = (first + c) << 1
		code <<= 1
	}
	return 0, errWalkBad
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

// windowOf returns the least window bits that allow a distance.
func windowOf(distance int) int { return max(8, bits.Len(uint(max(distance-1, 0)))) }
