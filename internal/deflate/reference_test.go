package deflate

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// This file has the simple versions of what the package does in a hurry, and compares.

// walker is an inflater that follows RFC 1951 bit by bit, and looks at distances.
type walker struct {
	src     []byte
	pos     int // in bits
	out     []byte
	longest int // distance
	err     error
}

// walk decodes a message behind a history.
func walk(message, history []byte) (out []byte, longest int, err error) {
	w := &walker{src: append(slices.Clone(message), flushTail...), out: slices.Clone(history)}
	for w.err == nil && w.pos < 8*len(w.src) {
		w.block()
	}
	return w.out[len(history):], w.longest, w.err
}

func (w *walker) bits(n int) (v int) {
	for i := range n {
		if w.pos >= 8*len(w.src) {
			w.err = errors.New("walk: truncated")
			return 0
		}
		v |= int(w.src[w.pos/8]>>(w.pos%8)&1) << i
		w.pos++
	}
	return v
}

func (w *walker) block() {
	final := w.bits(1)
	switch w.bits(2) {
	case blockStored:
		w.pos = (w.pos + 7) / 8 * 8
		n, complement := w.bits(16), w.bits(16)
		if n != complement^0xffff {
			w.err = errors.New("walk: stored length")
		}
		for range n {
			w.out = append(w.out, byte(w.bits(8)))
		}
	case blockFixed:
		lit, dist := fixedLitLenBits(), fixedDistBits()
		w.symbols(lit[:], dist[:])
	case blockDynamic:
		numLit, numDist, numCL := w.bits(5)+257, w.bits(5)+1, w.bits(4)+4
		var clLens [numCodeLen]uint8
		for _, s := range codeLenOrder[:numCL] {
			clLens[s] = uint8(w.bits(3))
		}
		var lens []uint8
		for len(lens) < numLit+numDist && w.err == nil {
			switch s := w.symbol(clLens[:]); s {
			case repeatPrevious:
				lens = append(lens, slices.Repeat(lens[len(lens)-1:], 3+w.bits(2))...)
			case repeatZero:
				lens = append(lens, make([]uint8, 3+w.bits(3))...)
			case repeatZeroLong:
				lens = append(lens, make([]uint8, 11+w.bits(7))...)
			default:
				lens = append(lens, uint8(s))
			}
		}
		if w.err == nil {
			w.symbols(lens[:numLit], lens[numLit:])
		}
	default:
		w.err = errors.New("walk: block type")
	}
	if final != 0 {
		w.err = errors.New("walk: BFINAL")
	}
}

// symbol decodes a symbol: RFC 1951, section 3.2.2, literally.
func (w *walker) symbol(lens []uint8) int {
	code, first := 0, 0
	for n := 1; n <= maxCodeBits && w.err == nil; n++ {
		code = code<<1 | w.bits(1)
		first <<= 1
		for s, l := range lens {
			if int(l) == n {
				if code == first {
					return s
				}
				first++
			}
		}
	}
	if w.err == nil {
		w.err = errors.New("walk: no such code")
	}
	return 0
}

func (w *walker) symbols(lit, dist []uint8) {
	for w.err == nil {
		s := w.symbol(lit)
		if s == endOfBlock || w.err != nil {
			return
		}
		if s < endOfBlock {
			w.out = append(w.out, byte(s))
			continue
		}
		length := int(lengthBase[s-257]) + w.bits(int(lengthExtra[s-257]))
		s = w.symbol(dist)
		back := int(distBase[s]) + w.bits(int(distExtra[s]))
		if back > len(w.out) {
			w.err = errors.New("walk: a distance beyond the first byte")
			return
		}
		w.longest = max(w.longest, back)
		for range length {
			w.out = append(w.out, w.out[len(w.out)-back])
		}
	}
}

// Tokens are what the tables of RFC 1951, section 3.2.5, say.
func TestTokens(t *testing.T) {
	check := func(what string, n int, got token, first int, base []uint16, extra []uint8) {
		s := len(base) - 1
		for int(base[s]) > n {
			s--
		}
		if got.symbol() != uint(first+s) || got.value() != uint64(n-int(base[s])) || got.value()>>extra[s] != 0 {
			t.Fatalf("%s %d: %#x", what, n, got)
		}
	}
	for n := minMatch; n <= maxMatch; n++ {
		check("length", n, lengthTokens[n-minMatch], endOfBlock+1, lengthBase[:], lengthExtra[:])
	}
	for n := 1; n <= 1<<maxWindowBits; n++ {
		check("distance", n, distToken(uint(n-1)), firstDist, distBase[:], distExtra[:])
	}
}

// weights is a heap of the weights of a Huffman tree.
type weights []int

func (w weights) Len() int           { return len(w) }
func (w weights) Less(i, j int) bool { return w[i] < w[j] }
func (w weights) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *weights) Push(x any)        { *w = append(*w, x.(int)) }
func (w *weights) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

// huffmanCost is how many bits the symbols take with the best code: two trees become one until there is one, and each
// time all symbols in them get one bit longer.
func huffmanCost(counts []uint16) (cost int) {
	var w weights
	for _, n := range counts {
		if n > 0 {
			w = append(w, int(n))
		}
	}
	if len(w) == 1 {
		return w[0]
	}
	heap.Init(&w)
	for len(w) > 1 {
		sum := heap.Pop(&w).(int) + heap.Pop(&w).(int)
		cost += sum
		heap.Push(&w, sum)
	}
	return cost
}

// Codes are as short as can be, complete, and no longer than the limit.
func TestCodeLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(1951, 322))
	for round := range 3000 {
		first, end, limit := 0, numLitLen, maxCodeBits
		switch round % 3 {
		case 1:
			first, end = firstDist, firstCodeLen
		case 2:
			first, end, limit = firstCodeLen, numSymbols, maxCodeLenBits
		}
		var h huffman
		room := largeTokens
		for range rng.IntN(end-first) + 1 {
			n := min(rng.IntN(1<<rng.IntN(13))+1, room)
			h.counts[first+rng.IntN(end-first)] = uint16(n)
			room -= n // as in a block; one that is counted again only leaves less
		}
		if round%50 == 0 { // the deepest tree
			for i, a, b := first, 1, 1; i < end && b < largeTokens/3; i, a, b = i+1, b, a+b {
				h.counts[i] = uint16(a)
			}
		}
		counts := h.counts[first:end]
		cost := h.setLens(first, end, limit)
		inUse, space, total, longest := 0, 0, 0, 0
		for s, l := range h.lens[first:end] {
			if (l == 0) != (counts[s] == 0) || int(l) > limit {
				t.Fatalf("round %d: symbol %d, %d times, has %d bits", round, s, counts[s], l)
			}
			if l > 0 {
				inUse++
				space += 1 << limit >> l
				total += int(l) * int(counts[s])
				longest = max(longest, int(l))
			}
		}
		if inUse > 1 && space != 1<<limit || total != cost {
			t.Fatalf("round %d: %d of %d codes, %d bits, not %d", round, space, 1<<limit, cost, total)
		}
		best := huffmanCost(counts)
		if cost < best || longest < limit && cost > best || cost > best+best/8 {
			t.Fatalf("round %d: %d bits, the best is %d; longest code %d", round, cost, best, longest)
		}
	}
}

// Symbols are packed as if bit by bit.
func TestPackedSymbols(t *testing.T) {
	rng := rand.New(rand.NewPCG(1951, 311))
	for round := range 200 {
		var h huffman
		lens := randomLens(rng, numLitLen, maxCodeBits)
		copy(h.lens[:], lens)
		copy(h.lens[firstDist:], randomLens(rng, numDist, maxCodeBits))
		h.setCodes(0, numLitLen, lengthExtra[:])
		h.setCodes(firstDist, firstCodeLen, distExtra[:])
		var tokens []token
		for range rng.IntN(50) {
			if rng.IntN(2) == 0 {
				tokens = append(tokens, token(rng.IntN(256)))
			} else {
				tokens = append(tokens, lengthTokens[rng.IntN(len(lengthTokens))], distToken(uint(rng.IntN(1<<15))))
			}
		}
		var want bitWriter
		before := rng.IntN(8)
		want.put(0, uint(before))
		for _, tk := range tokens {
			first, extra := 0, uint8(0)
			switch s := tk.symbol(); {
			case s >= firstDist:
				first, extra = firstDist, distExtra[s-firstDist]
			case s > endOfBlock:
				extra = lengthExtra[s-endOfBlock-1]
			}
			end := numLitLen
			if first == firstDist {
				end = firstCodeLen
			}
			v, n := canonical(h.lens[first:end], int(tk.symbol())-first)
			want.code(v, n).put(uint(tk.value()), uint(extra))
		}
		w := bitSink{out: make([]byte, 0, 1000), count: uint(before)}
		w.putTokens(tokens, &h.codes)
		w.align()
		if want.align(); !slices.Equal(w.out, want.out) {
			t.Fatalf("round %d, %d symbols:\n% x\n% x", round, len(tokens), w.out, want.out)
		}
	}
}

// canonical returns the code of a symbol and its length: RFC 1951, section 3.2.2.
func canonical(lens []uint8, symbol int) (code, n uint) {
	n = uint(lens[symbol])
	for l := uint(1); l <= n; l++ {
		code <<= 1
		for s, other := range lens {
			if uint(other) == l && (l < n || s < symbol) {
				code++
			}
		}
	}
	return code, n
}
