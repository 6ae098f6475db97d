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
	p := s.src[from:to]
	extra := s.count(p)
	s.setLens(s.lens[:numLitLen], s.litCount[:], maxCodeBits, s.litCodes[:])
	s.setLens(s.distLens[:], s.distCount[:], maxCodeBits, s.distCodes[:])
	fixed, dynamic := s.costs()
	s.numLit, s.numDist = used(s.lens[:numLitLen], endOfBlock+1), used(s.distLens[:], 1)
	if dynamic < fixed { // else its header cannot make it better
		copy(s.lens[s.numLit:], s.distLens[:s.numDist])
		dynamic += s.describe(s.lens[:s.numLit+s.numDist])
	}
	cost := 3 + extra + min(fixed, dynamic)

	most := 8 * len(p)
	switch {
	case s.storedFrom != noStored:
		most -= storedHeader
	case len(p) == len(s.src):
		most += 8 + 32 // its own header and what fills the byte
	}
	if cost > most {
		if s.storedFrom == noStored {
			s.storedFrom = from
		}
		return
	}
	s.writeStored(from)
	if fixed <= dynamic {
		s.out.put(blockFixed<<1, 3)
		s.writeSymbols(p, cost, fixedLitCodes[:numLitLen], fixedDistCodes[:numDist])
		return
	}
	setCodes(s.litCodes[:s.numLit], s.lens[:s.numLit])
	setCodes(s.distCodes[:s.numDist], s.distLens[:s.numDist])
	s.writeHeader()
	s.writeSymbols(p, cost, s.litCodes[:], s.distCodes[:])
}

// count counts the symbols of a block, and returns how many extra bits they take.
func (s *scratch) count(p []byte) (extra int) {
	s.litCount = [numLitLen]uint16{endOfBlock: 1}
	s.distCount = [numDist]uint16{}
	i := 0
	for _, q := range s.sequences {
		for _, c := range p[i : i+int(q.lits)] {
			s.litCount[c]++
		}
		i += int(q.lits) + int(q.length)
		length, dist := lengthSymbols[q.length-minMatch], distSymbol(q.dist)
		s.litCount[endOfBlock+1+int(length)]++
		s.distCount[dist]++
		extra += int(lengthExtra[length]) + int(distExtra[dist])
	}
	for _, c := range p[i:] {
		s.litCount[c]++
	}
	return extra
}

// costs returns how many bits all codes of the block take, without extra bits, if they are the fixed ones and if not.
func (s *scratch) costs() (fixed, dynamic int) {
	for i, n := range s.litCount {
		dynamic += int(n) * int(s.lens[i])
		fixed += int(n) * int(fixedLitCodes[i].len())
	}
	for i, n := range s.distCount {
		dynamic += int(n) * int(s.distLens[i])
		fixed += int(n) * 5
	}
	return fixed, dynamic
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

// writeHeader writes the header of a dynamic block: RFC 1951, section 3.2.7.
func (s *scratch) writeHeader() {
	w := &s.out
	w.put(blockDynamic<<1, 3)
	w.put(uint64(s.numLit-257)|uint64(s.numDist-1)<<5|uint64(s.numCL-4)<<10, 14)
	for _, symbol := range codeLenOrder[:s.numCL] {
		w.put(uint64(s.clLens[symbol]), 3)
	}
	for _, r := range s.runs[:s.numRuns] {
		c := s.clCodes[r.symbol]
		w.put(c.bits()|uint64(r.extra)<<c.len(), c.len()+uint(codeLenExtra[r.symbol]))
	}
}

// writeSymbols writes the symbols of a block and its end, of which it is known that they take no more than cost bits.
// It writes eight bytes at a time, of which only those count that are full.
func (s *scratch) writeSymbols(p []byte, cost int, lits, dists []code) {
	w := &s.out
	at := len(w.out)
	w.out = slices.Grow(w.out, cost/8+sinkRoom)
	out := w.out[:cap(w.out)]
	acc, count := w.bits, w.count

	literals := func(p []byte) {
		for len(p) >= 3 {
			a, b, c := lits[p[0]], lits[p[1]], lits[p[2]]
			acc |= a.bits()<<count | b.bits()<<(count+a.len()) | c.bits()<<(count+a.len()+b.len())
			count += a.len() + b.len() + c.len()
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(count / 8)
			acc >>= count &^ 7
			count %= 8
			p = p[3:]
		}
		for _, b := range p {
			c := lits[b]
			acc |= c.bits() << count
			count += c.len()
		}
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(count / 8)
		acc >>= count &^ 7
		count %= 8
	}
	for _, q := range s.sequences {
		literals(p[:q.lits])
		p = p[int(q.lits)+int(q.length):]
		n := q.length - minMatch
		symbol := lengthSymbols[n]
		c := lits[endOfBlock+1+int(symbol)]
		acc |= (c.bits() | uint64(q.length-lengthBase[symbol])<<c.len()) << count
		count += c.len() + uint(lengthExtra[symbol])
		d := distSymbol(q.dist)
		c = dists[d]
		acc |= (c.bits() | uint64(q.dist+1-distBase[d])<<c.len()) << count
		count += c.len() + uint(distExtra[d])
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(count / 8)
		acc >>= count &^ 7
		count %= 8
	}
	literals(p)
	w.out, w.bits, w.count = out[:at], acc, count
	w.put(lits[endOfBlock].bits(), lits[endOfBlock].len())
}
