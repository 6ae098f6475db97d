package deflate

import (
	"math/bits"
)

// huffman has the codes of one block, and what they are made of.
type huffman struct {
	counts [tokenSymbols]uint16 // how often each symbol is used
	codes  [tokenSymbols]code
	lens   [numSymbols]uint8 // of the codes

	header  [numLitLen + numDist]token // the lengths of the codes, in the code length code
	numLit  int                        // how many there are of literals and lengths
	numDist int                        // how many of distances
	numCL   int                        // how many lengths of the code length code
	numRuns int                        // how many tokens are in header

	keys [288]code // see setLens
}

// code is how a symbol is sent: its Huffman code, from the lowest bit on, above those 16 bits how long that is, and in
// the highest 8 how long it is with extra bits.
type code uint32

func (c code) bits() uint64 { return uint64(c & 0xffff) }
func (c code) len() uint    { return uint(c>>16) & 63 }
func (c code) total() uint  { return uint(c >> 24) }

// setLens gives each of the symbols from first to end that is counted the length of its code, at most limit, and others
// zero. It returns how many bits all of them take.
//
// The leaves and the inner nodes of a Huffman tree both come in order of weight, so that two queues are enough to build
// it. Of the tree only the number of leaves at each depth is of interest. There must not be codes yet: their memory is
// used.
func (h *huffman) setLens(first, end, limit int) (cost int) {
	lens := h.lens[first:end]
	clear(lens)
	n := 0
	for s, c := range h.counts[first:end] {
		h.keys[n] = code(c)<<16 | code(s)
		n += int(-uint32(c) >> 31) // 1, unless c is 0
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

// joinNodes makes inner nodes until there is one only. Each has its weight in the lower half, and in the upper its
// parent. The keys end with one that weighs none. Which of two nodes is lighter cannot be guessed, so nothing branches.
func joinNodes(keys, inner []code) {
	leaf, node := 0, 0
	for k := range len(keys) - 2 {
		inner[k] = none
		weight := code(0)
		for range 2 {
			l, m := keys[leaf]>>16, inner[node]&0xffff
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
func sortKeys(keys, room []code) {
	if len(keys) < 20 {
		for i, k := range keys {
			for ; i > 0 && keys[i-1] > k; i-- {
				keys[i] = keys[i-1]
			}
			keys[i] = k
		}
		return
	}
	const digit, values = 7, 1 << 7
	all := code(0)
	for _, k := range keys {
		all |= k
	}
	for shift := 16; shift < 32 && all>>shift > 0; shift += digit {
		var at [values]uint16
		for _, k := range keys {
			at[k>>shift%values]++
		}
		sum := uint16(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, k := range keys {
			d := k >> shift % values
			room[at[d]] = k
			at[d]++
		}
		copy(keys, room)
	}
}

// setCodes gives each of the symbols from first to end that has a length its code: RFC 1951, section 3.2.2.
func (h *huffman) setCodes(first, end int, extra []uint8) {
	var count, next [maxCodeBits + 2]uint32
	n := 0
	for s, l := range h.lens[first:end] {
		h.keys[n] = code(s)
		n += int(l+15) >> 4 // 1, unless l is 0
	}
	inUse := h.keys[:n]
	for _, s := range inUse {
		count[h.lens[first+int(s)]&15]++
	}
	for n := 1; n <= maxCodeBits; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	for _, s := range inUse {
		l := h.lens[first+int(s)] & 15
		c := next[l]
		next[l]++
		h.codes[first+int(s)] = code(bits.Reverse16(uint16(c))>>(16-l)) | code(l)<<16 | code(l)<<24
	}
	addExtra(h.codes[:end], extra)
}

// addExtra adds the extra bits of symbols: of the last ones of codes.
func addExtra(codes []code, extra []uint8) {
	codes = codes[len(codes)-len(extra):]
	for i, n := range extra {
		codes[i] += code(n) << 24
	}
}

// describe prepares the header of a dynamic block, and returns how many bits it takes.
func (h *huffman) describe() int {
	h.numRuns = 0
	clear(h.counts[firstCodeLen:numSymbols])
	lens := h.lens[:numLitLen+h.numDist]
	for i := 0; i < len(lens); {
		if i == h.numLit {
			i = numLitLen
		}
		n := 1
		for i+n < len(lens) && i+n != h.numLit && lens[i+n] == lens[i] {
			n++
		}
		h.describeRun(lens[i], n)
		i += n
	}
	// There are two symbols at least: no complete code of 257 to 286 symbols has codes of one length only.
	total := h.setLens(firstCodeLen, numSymbols, maxCodeLenBits)
	clLens := h.lens[firstCodeLen:]
	h.numCL = numCodeLen
	for h.numCL > 4 && clLens[codeLenOrder[h.numCL-1]] == 0 {
		h.numCL--
	}
	for s, n := range h.counts[firstCodeLen:numSymbols] {
		total += int(n) * int(codeLenExtra[s])
	}
	return 5 + 5 + 4 + 3*h.numCL + total
}

// describeRun describes n times the same length.
func (h *huffman) describeRun(length uint8, n int) {
	if length > 0 {
		h.describeBy(length, 0)
		n--
	}
	for n >= 3 {
		switch {
		case length > 0:
			m := min(n, 6)
			h.describeBy(repeatPrevious, m-3)
			n -= m
		case n <= 10:
			h.describeBy(repeatZero, n-3)
			n = 0
		default:
			m := min(n, 138)
			h.describeBy(repeatZeroLong, m-11)
			n -= m
		}
	}
	for range n {
		h.describeBy(length, 0)
	}
}

func (h *huffman) describeBy(symbol uint8, extra int) {
	h.header[h.numRuns] = firstCodeLen + token(symbol) | token(extra)<<tokenValueShift
	h.numRuns++
	h.counts[firstCodeLen+int(symbol)]++
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
var fixedCodes = func() *[tokenSymbols]code {
	var h huffman
	lens, distLens := fixedLitLenBits(), fixedDistBits()
	copy(h.lens[:], lens[:])
	h.setCodes(0, len(lens), nil)
	addExtra(h.codes[:numLitLen], lengthExtra[:])
	copy(h.lens[firstDist:], distLens[:]) // over 286 and 287, which are not in use
	h.setCodes(firstDist, firstDist+len(distLens), nil)
	addExtra(h.codes[:firstDist+numDist], distExtra[:])
	return &h.codes
}()
