package deflate

import (
	"math/bits"
)

// huffman has the codes of one block, and what they are made of.
type huffman struct {
	counts   [tokenSymbols]uint16 // how often each symbol is used
	codes    [tokenSymbols]code
	lens     [numSymbols]uint8 // of literals and lengths; those of distances are behind them in the header
	distLens [numDist]uint8
	numLit   int
	numDist  int

	clCounts [numCodeLen]uint16
	clCodes  [numCodeLen]code
	clLens   [numCodeLen]uint8
	numCL    int
	runs     [numSymbols]lenRun
	numRuns  int

	keys [numLitLen + 1]uint32
}

// code is how a symbol is sent: its Huffman code, from the lowest bit on, above those 16 bits how long that is, and in
// the highest 8 how long it is with extra bits.
type code uint32

func (c code) bits() uint64 { return uint64(c & 0xffff) }
func (c code) len() uint    { return uint(c>>16) & 63 }
func (c code) total() uint  { return uint(c >> 24) }

// addExtra adds the extra bits of symbols.
func addExtra(codes []code, extra []uint8) {
	for i, n := range extra {
		codes[i] += code(n) << 24
	}
}

// setLens gives each symbol that is counted the length of its code, at most limit, and others zero. It returns how many
// bits all of them take.
//
// The leaves and the inner nodes of a Huffman tree both come in order of weight, so that two queues are enough to build
// it. Of the tree only the number of leaves at each depth is of interest.
func (h *huffman) setLens(lens []uint8, counts []uint16, limit int) (cost int) {
	clear(lens)
	n := 0
	for s, c := range counts {
		h.keys[n] = uint32(c)<<16 | uint32(s)
		n += int(-uint32(c) >> 31)
	}
	keys := h.keys[:n]
	if n < 2 {
		for _, k := range keys {
			lens[k&0xffff] = 1
			cost = int(k >> 16)
		}
		return cost
	}
	room := h.codes[:n]
	sortKeys(keys, room)
	h.keys[n] = none << 16
	joinNodes(h.keys[:n+1], room)
	var leaves [maxCodeBits + 1]int
	countLeaves(&leaves, room[:n-1], n, limit)

	for size := 1; size <= limit; size++ {
		for range leaves[size] {
			n--
			k := keys[n]
			lens[k&0xffff] = uint8(size)
			cost += size * int(k>>16)
		}
	}
	return cost
}

const none = 0xffff // more than any weight

// joinNodes makes inner nodes until there is one only. Each has its weight in the lower half, and in the upper its parent.
// The keys end with one that weighs none.
func joinNodes(keys []uint32, inner []code) {
	leaf, node := 0, 0
	for k := range len(keys) - 2 {
		inner[k] = none
		weight := code(0)
		for range 2 {
			l, m := code(keys[leaf]>>16), inner[node]&0xffff
			inner[node] = m | code(k)<<16
			isLeaf := code(int32(l-m-1) >> 31) // all ones, or zero
			weight += m ^ (l^m)&isLeaf
			leaf -= int(int32(isLeaf))
			node += 1 + int(int32(isLeaf))
		}
		inner[k] = weight
	}
}

// countLeaves counts the leaves at each depth of a tree of which the inner nodes are given by their parents, and makes
// the tree no deeper than limit.
func countLeaves(leaves *[maxCodeBits + 1]int, inner []code, symbols, limit int) {
	last := len(inner) - 1
	inner[last] = 0
	nodes := [32]int{1} // inner nodes at each depth; more than 32 take more symbols than a block has
	for k := last - 1; k >= 0; k-- {
		inner[k] = inner[inner[k]>>16] + 1
		nodes[inner[k]&31]++
	}
	// Leaves that are too deep are put at the limit, and there are too many there.
	left, excess := symbols, -1<<limit
	for d := 1; d < limit; d++ {
		leaves[d] = 2*nodes[d-1] - nodes[d]
		left -= leaves[d]
		excess += leaves[d] << (limit - d)
	}
	leaves[limit] = left
	excess += left
	// One of them becomes the sibling of a leaf further up, which goes down for that by one.
	for ; excess > 0; excess-- {
		d := limit - 1
		for leaves[d] == 0 {
			d--
		}
		leaves[d]--
		leaves[d+1] += 2
		leaves[limit]--
	}
}

// sortKeys sorts by radix if there are many. room is for as many.
func sortKeys(keys []uint32, room []code) {
	if len(keys) < 24 {
		for i, k := range keys {
			for ; i > 0 && keys[i-1] > k; i-- {
				keys[i] = keys[i-1]
			}
			keys[i] = k
		}
		return
	}
	var all uint32
	for _, k := range keys {
		all |= k
	}
	for shift := 16; shift < 32 && all>>shift > 0; shift += 8 {
		var at [256]uint16
		for _, k := range keys {
			at[uint8(k>>shift)]++
		}
		sum := uint16(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, k := range keys {
			b := uint8(k >> shift)
			room[at[b]] = code(k)
			at[b]++
		}
		for i := range keys {
			keys[i] = uint32(room[i])
		}
	}
}

// setCodes gives each symbol that has a length its code: RFC 1951, section 3.2.2.
func setCodes(codes []code, lens []uint8) {
	var count, next [maxCodeBits + 2]uint32
	for i := 0; i < len(lens); i += 8 {
		if noCodes(lens, i) {
			continue
		}
		for _, n := range lens[i:min(i+8, len(lens))] {
			count[n&15]++
		}
	}
	count[0] = 0
	for n := 1; n <= maxCodeBits; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	for i := 0; i < len(lens); i += 8 {
		if noCodes(lens, i) {
			continue
		}
		for s := i; s < min(i+8, len(lens)); s++ {
			n := lens[s] & 15
			c := next[n]
			next[n]++
			codes[s] = code(bits.Reverse16(uint16(c))>>((16-n)&15)) | code(n)<<16 | code(n)<<24
		}
	}
}

// lenRun is a symbol of the code length code and its extra bits.
type lenRun struct{ symbol, extra uint8 }

// describe prepares the header of a dynamic block from the lengths of the codes, and returns how many bits it takes.
func (h *huffman) describe(lens []uint8) int {
	h.numRuns = 0
	h.clCounts = [numCodeLen]uint16{}
	for i := 0; i < len(lens); {
		n := 1
		for i+n < len(lens) && lens[i+n] == lens[i] {
			n++
		}
		h.describeRun(lens[i], n)
		i += n
	}
	// There are two symbols at least: no complete code of 257 to 286 symbols has codes of one length only.
	total := h.setLens(h.clLens[:], h.clCounts[:], maxCodeLenBits)
	setCodes(h.clCodes[:], h.clLens[:])
	h.numCL = numCodeLen
	for h.numCL > 4 && h.clLens[codeLenOrder[h.numCL-1]] == 0 {
		h.numCL--
	}
	for s, n := range h.clCounts {
		total += int(n) * int(codeLenExtra[s])
	}
	return 5 + 5 + 4 + 3*h.numCL + total
}

// describeRun describes n times the same length.
func (h *huffman) describeRun(length uint8, n int) {
	put := func(symbol, extra uint8) {
		h.runs[h.numRuns] = lenRun{symbol, extra}
		h.numRuns++
		h.clCounts[symbol]++
	}
	if length > 0 {
		put(length, 0)
		n--
	}
	for n >= 3 {
		switch {
		case length > 0:
			m := min(n, 6)
			put(repeatPrevious, uint8(m-3))
			n -= m
		case n <= 10:
			put(repeatZero, uint8(n-3))
			n = 0
		default:
			m := min(n, 138)
			put(repeatZeroLong, uint8(m-11))
			n -= m
		}
	}
	for range n {
		put(length, 0)
	}
}

// used returns how many symbols there are up to the last one in use, but at least as many as asked for.
func used(lens []uint8, least int) int {
	n := len(lens)
	for n > least && lens[n-1] == 0 {
		n--
	}
	return n
}

// fixedCodes are the codes of a fixed block.
var fixedCodes = func() (codes [tokenSymbols]code) {
	lens, distLens := fixedLitLenBits(), fixedDistBits()
	setCodes(codes[:], lens[:])
	setCodes(codes[distSymbols0:], distLens[:]) // over 286 and 287, which are not in use
	addExtra(codes[endOfBlock+1:], lengthExtra[:])
	addExtra(codes[distSymbols0:], distExtra[:])
	return codes
}()
