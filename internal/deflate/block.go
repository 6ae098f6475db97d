package deflate

import (
	"encoding/binary"
	"slices"
)

// bitSink appends bits to bytes, from the lowest on.
type bitSink struct {
	out   []byte
	bits  uint64
	count uint // of bits, fewer than 8 between calls
}

const sinkRoom = 16 // bytes behind the end that a block may write to

// put appends n bits, at most 56.
func (w *bitSink) put(v uint64, n uint) {
	w.bits |= v << w.count
	w.count += n
	for w.count >= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
		w.count -= 8
	}
}

func (w *bitSink) align() {
	if w.count > 0 {
		w.put(0, 8-w.count)
	}
}

// sync ends a message with the header of an empty stored block, and returns all.
func (w *bitSink) sync() []byte {
	w.put(blockStored<<1, 3)
	w.align()
	return w.out
}

// putTokens appends symbols, for which there must be room.
func (w *bitSink) putTokens(tokens []token, codes *[tokenSymbols]code) {
	var at uint
	at, w.bits, w.count = packPairs(w.out[:cap(w.out)], uint(len(w.out)), w.bits, w.count, tokens, codes)
	w.out = w.out[:at]
	if len(tokens)%2 != 0 {
		t := tokens[len(tokens)-1]
		c := codes[t.symbol()]
		w.put(c.bits()|t.value()<<c.len(), c.total())
	}
}

// packPairs writes symbols, two at a time, behind the count bits that wait. It returns where it ends and what waits
// there. It writes eight bytes at a time, of which only those count that are full. Two symbols and the bits before fit
// in them: of two that follow one another no more than one is a distance.
func packPairs(
	out []byte, at uint, wait uint64, count uint, tokens []token, codes *[tokenSymbols]code,
) (uint, uint64, uint) {
	for i := 1; i < len(tokens); i += 2 {
		a, b := tokens[i-1], tokens[i]
		c, d := codes[a.symbol()], codes[b.symbol()]
		wait |= (c.bits() | a.value()<<c.len()) << (count & 63)
		count += c.total()
		wait |= (d.bits() | b.value()<<d.len()) << (count & 63)
		count += d.total()
		binary.LittleEndian.PutUint64(out[at:at+8], wait)
		at += count / 8
		wait >>= count & 56
		count %= 8
	}
	return at, wait, count
}

const (
	storedHeader    = 3 + 7 + 32 // bits of the header of a stored block, at most
	maxStoredLength = 1<<16 - 1  // bytes in one
)

// writeBlock writes what findBlock has found, in the way that takes the fewest bits.
//
// What is to be stored waits until it fills a block or something else follows. So that the headers never add up, a
// block that is one of several must not be longer than its bytes, and one behind stored bytes must save the next header
// too.
func (s *scratch) writeBlock(from, to int) {
	if len(s.tokens) == to-from && s.flat(to-from) {
		s.store(from)
		return
	}
	dynamic := s.setLens(0, numLitLen, maxCodeBits) + s.setLens(firstDist, firstDist+numDist, maxCodeBits)
	fixed, extra := s.fixedCost(), s.extraCost()
	if dynamic < fixed { // else its header cannot make it better
		s.numLit, s.numDist = used(s.lens[:numLitLen], endOfBlock+1), used(s.lens[firstDist:firstCodeLen], 1)
		dynamic += s.describe()
	}
	cost := 3 + extra + min(fixed, dynamic)

	most := 8 * (to - from)
	switch {
	case s.storedFrom != noStored:
		most -= storedHeader
	case to-from == len(s.src):
		most += 8 + 32 // its own header and what fills the byte
	}
	if cost > most {
		s.store(from)
		return
	}
	s.writeStored(from)
	s.out.out = slices.Grow(s.out.out, cost/8+sinkRoom)
	codes := fixedCodes
	if fixed <= dynamic {
		s.out.put(blockFixed<<1, 3)
	} else {
		codes = &s.codes
		s.setCodes(0, numLitLen, lengthExtra[:])
		s.setCodes(firstDist, firstCodeLen, distExtra[:])
		s.setCodes(firstCodeLen, numSymbols, codeLenExtra[:])
		s.putHeader()
	}
	s.out.putTokens(s.tokens, codes)
	s.out.put(codes[endOfBlock].bits(), codes[endOfBlock].len())
}

// store lets the bytes of a block wait to be stored.
func (s *scratch) store(from int) {
	if s.storedFrom == noStored {
		s.storedFrom = from
	}
}

// flat reports whether n literals are so evenly spread that no code can save as much as its description takes: if d is
// how much the mean square of the counts exceeds the square of their mean, relative to that, it saves about d/(2 ln 2)
// bits for each. Noise has a d of 256/n, and more than half as much again is not called flat.
func (s *scratch) flat(n int) bool {
	if n < 256 {
		return false
	}
	squares := 0
	for _, c := range s.counts[:256] {
		squares += int(c) * int(c)
	}
	return 256*squares < n*n+256*n*3/2
}

// fixedCost returns how many bits all symbols take with the fixed codes, without extra bits: RFC 1951, section 3.2.6.
func (s *scratch) fixedCost() int {
	cost := 8 * (len(s.tokens) + 1)
	for _, n := range s.counts[144:256] {
		cost += int(n)
	}
	for _, n := range s.counts[256:280] {
		cost -= int(n)
	}
	for _, n := range s.counts[firstDist:firstCodeLen] {
		cost -= 3 * int(n)
	}
	return cost
}

// extraCost returns how many extra bits there are.
func (s *scratch) extraCost() (cost int) {
	for i, n := range s.counts[endOfBlock+1 : numLitLen] {
		cost += int(n) * int(lengthExtra[i])
	}
	for i, n := range s.counts[firstDist:firstCodeLen] {
		cost += int(n) * int(distExtra[i])
	}
	return cost
}

// writeStored writes the bytes that wait to be stored, up to to.
func (s *scratch) writeStored(to int) {
	if s.storedFrom == noStored {
		return
	}
	for p := s.src[s.storedFrom:to]; len(p) > 0; {
		n := min(len(p), maxStoredLength)
		s.out.put(blockStored<<1, 3)
		s.out.align()
		s.out.put(uint64(n)|uint64(^uint16(n))<<16, 32)
		s.out.out = append(s.out.out, p[:n]...)
		p = p[n:]
	}
	s.storedFrom = noStored
}

// putHeader writes the header of a dynamic block: RFC 1951, section 3.2.7.
func (s *scratch) putHeader() {
	s.out.put(blockDynamic<<1, 3)
	s.out.put(uint64(s.numLit-257)|uint64(s.numDist-1)<<5|uint64(s.numCL-4)<<10, 14)
	clLens, n := uint64(0), uint(0)
	for _, symbol := range codeLenOrder[:s.numCL] {
		clLens |= uint64(s.lens[firstCodeLen+int(symbol)]) << n
		n += 3
	}
	s.out.put(clLens, n)
	s.out.putTokens(s.header[:s.numRuns], &s.codes)
}
