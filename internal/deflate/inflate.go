package deflate

import (
	"encoding/binary"
	"math"
)

// inflater is the scratch memory of one message: where its decoding stands, and the tables of the present block.
//
// It decodes as far as bits and room allow. Every step either has all the bits it needs or takes none of them and waits
// for more: the bits of a step fit the bit buffer, so a step is never left half done, and it does not matter where
// the input is cut. What can stop for lack of room between two bytes of output, a match or a stored block, has its rest
// in the state.
type inflater struct {
	// The bits taken from the input and not decoded yet: the next one is the lowest. All above count are zero.
	bits  uint64
	count uint // at most 63

	state stage
	final bool  // the present block is the last of its stream (BFINAL)
	moved int64 // bytes of the message that earlier calls used

	rest int // what remains to be copied of a match, or of a stored block
	dist int // of that match

	header header    // of a dynamic block
	lit    *litTable // the tables in use: dynLit or the fixed one, and likewise
	dists  *distTable

	// The call at hand.
	src  []byte
	pos  int    // how much of src is used
	out  []byte // as long as there is room
	base int    // where the output of this call begins
	end  int    // up to where there is output
	stop int    // how long out may become

	window    *window // what came before this call
	ownWindow window  // for messages that have no other

	builder tableBuilder
	dynLit  litTable
	dynDist distTable
}

// stage is what comes next in the input.
type stage uint8

const (
	stageBlock    stage = iota // three bits that begin a block
	stageLengths               // the length fields of a stored block, at a byte boundary
	stageStored                // rest bytes of a stored block
	stageDynamic               // the header of a dynamic block, in three parts:
	stageCodeLens              //   the code length code
	stageCodes                 //   the lengths of the two codes
	stageSymbols               // symbols of a compressed block
	stageMatch                 // rest bytes of a match; no input
)

// header is the header of a dynamic block as far as it has come.
type header struct {
	numLit     int // HLIT: how many lengths belong to the literal/length code
	numDist    int // HDIST: how many to the distance code, behind them
	numCodeLen int // HCLEN: how many to the code length code
	have       int // how many have come of those that come at present

	codeLens [numCodeLen]uint8
	table    codeLenTable
	lens     [numLitLen + numDist]uint8  // of the two codes, but zeros are not written
	inUse    [numLitLen + numDist]uint16 // which symbols have lengths that are not zero; those of distances are behind
	used     int                         // how many
	last     uint8                       // the latest length
}

// outcome says why a step did not do what it was to do.
type outcome uint8

const (
	done    outcome = iota
	noInput         // it needs more bits than there are
	noRoom          // it would write more than it may
	corrupt         // reason says why
)

// begin makes the inflater ready for a message, after what w has.
func (f *inflater) begin(w *window) {
	f.bits, f.count, f.moved = 0, 0, 0
	f.state, f.final = stageBlock, false
	f.window = w
}

// decode does what Decoder.Decode says.
func (f *inflater) decode(dst, src []byte, limit int) (out []byte, used int, err error) {
	f.src, f.pos = src, 0
	f.base, f.end = len(dst), len(dst)
	f.stop = f.base + min(max(limit, 0), math.MaxInt-f.base)
	f.out = dst[:min(cap(dst), f.stop)]
	for {
		why, reason := f.step()
		switch why {
		case done:
			continue
		case corrupt:
			err = &CorruptError{Offset: f.offset(), Reason: reason}
		case noRoom:
			if f.end < f.stop {
				f.grow()
				continue
			}
			err = ErrLimit
		}
		break
	}
	out, used = f.out[:f.end], f.pos
	f.moved += int64(f.pos)
	f.window.add(out[f.base:])
	f.src, f.out = nil, nil
	return out, used, err
}

const (
	growLeast    = 512      // least memory that is added to the output
	growForInput = 64 << 10 // most of it that input, instead of output, justifies
)

// grow makes room for more output: as much again as there is, or for what the input is likely to become, but never for
// more than is allowed.
func (f *inflater) grow() {
	likely := min(4*(len(f.src)-f.pos), growForInput)
	more := min(max(f.end, likely, growLeast), f.stop-f.end)
	out := make([]byte, f.end+more)
	copy(out, f.out[:f.end])
	f.out = out
}

// complete reports whether the message may end here.
func (f *inflater) complete() bool {
	return f.count == 0 && (f.state == stageLengths || f.state == stageBlock && f.final)
}

// offset is where in the message the byte with the next bit is.
func (f *inflater) offset() int64 { return f.moved + int64(f.pos) - int64((f.count+7)/8) }

// fill moves input to the bit buffer: until it has at least 56 bits, or until there is no more input.
func (f *inflater) fill() {
	if len(f.src)-f.pos >= 8 {
		n := (63 - f.count) / 8
		f.bits |= binary.LittleEndian.Uint64(f.src[f.pos:]) << (f.count & 63)
		f.pos += int(n)
		f.count += 8 * n
		f.bits &= 1<<f.count - 1
		return
	}
	for f.count < 56 && f.pos < len(f.src) {
		f.bits |= uint64(f.src[f.pos]) << (f.count & 63)
		f.pos++
		f.count += 8
	}
}

// has reports whether there are n bits, at most 56.
func (f *inflater) has(n uint) bool {
	if f.count < n {
		f.fill()
	}
	return f.count >= n
}

// peek returns the next n bits, at most 16.
func (f *inflater) peek(n uint) int { return int(f.bits & (1<<n - 1)) }

// drop takes n bits from the bit buffer.
func (f *inflater) drop(n uint) {
	f.bits >>= n & 63
	f.count -= n
}

// take returns the next n bits and drops them.
func (f *inflater) take(n uint) int {
	v := f.peek(n)
	f.drop(n)
	return v
}

// align drops the bits up to the next byte boundary. Their values do not matter.
func (f *inflater) align() { f.drop(f.count % 8) }

// step decodes one part of a block. Its second result is why it is corrupt.
func (f *inflater) step() (outcome, string) {
	switch f.state {
	case stageBlock:
		return f.beginBlock()
	case stageLengths:
		return f.storedLengths()
	case stageStored:
		return f.stored(), ""
	case stageDynamic:
		return f.dynamicSizes()
	case stageCodeLens:
		return f.codeLens()
	case stageCodes:
		return f.codes()
	case stageSymbols:
		return f.symbols()
	default: // stageMatch
		return f.match(), ""
	}
}

// beginBlock decodes what every block begins with: RFC 1951, section 3.2.3.
func (f *inflater) beginBlock() (outcome, string) {
	if !f.has(3) {
		return noInput, ""
	}
	f.final = f.peek(1) != 0
	kind := f.peek(3) >> 1
	if kind > blockDynamic {
		return corrupt, "block type 3 is reserved"
	}
	f.drop(3)
	switch kind {
	case blockStored:
		f.align()
		f.state = stageLengths
	case blockFixed:
		f.lit, f.dists = fixedTables()
		f.state = stageSymbols
	case blockDynamic:
		f.state = stageDynamic
	}
	return done, ""
}

// endBlock makes the next block come next. RFC 7692, section 7.2.1: after one with BFINAL it begins at a byte boundary.
func (f *inflater) endBlock() {
	if f.final {
		f.align()
	}
	f.state = stageBlock
}

// storedLengths decodes the length of a stored block: RFC 1951, section 3.2.4.
func (f *inflater) storedLengths() (outcome, string) {
	if !f.has(32) {
		return noInput, ""
	}
	n, complement := uint16(f.bits), uint16(f.bits>>16)
	if n != ^complement {
		return corrupt, "the length of a stored block does not agree with its complement"
	}
	f.drop(32)
	f.rest, f.state = int(n), stageStored
	return done, ""
}

// stored copies the bytes of a stored block.
func (f *inflater) stored() outcome {
	for f.rest > 0 {
		if f.end == len(f.out) {
			return noRoom
		}
		if f.count > 0 { // whole bytes
			f.out[f.end] = byte(f.take(8))
			f.end++
			f.rest--
			continue
		}
		if f.pos == len(f.src) {
			return noInput
		}
		n := copy(f.out[f.end:], f.src[f.pos:min(len(f.src), f.pos+f.rest)])
		f.pos += n
		f.end += n
		f.rest -= n
	}
	f.endBlock()
	return done
}

// dynamicSizes decodes how many lengths of codes follow: RFC 1951, section 3.2.7.
func (f *inflater) dynamicSizes() (outcome, string) {
	if !f.has(14) {
		return noInput, ""
	}
	h := &f.header
	h.numLit = f.peek(5) + 257
	h.numDist = f.peek(10)>>5 + 1
	h.numCodeLen = f.peek(14)>>10 + 4
	if h.numLit > numLitLen {
		return corrupt, "a dynamic block has codes for more literals and lengths than there are"
	}
	if h.numDist > numDist {
		return corrupt, "a dynamic block has codes for more distances than there are"
	}
	f.drop(14)
	h.have, h.codeLens = 0, [numCodeLen]uint8{}
	f.state = stageCodeLens
	return done, ""
}

// codeLens decodes the code that the lengths of the other codes are in.
func (f *inflater) codeLens() (outcome, string) {
	h := &f.header
	for ; h.have < h.numCodeLen; h.have++ {
		if !f.has(3) {
			return noInput, ""
		}
		h.codeLens[codeLenOrder[h.have]] = uint8(f.take(3))
	}
	if !f.builder.build(h.table[:], codeLenBits, h.codeLens[:], codeLenSymbols[:]) {
		return corrupt, "the lengths of the code length code are no code"
	}
	h.have, h.used, h.last = 0, 0, 0
	f.state = stageCodes
	return done, ""
}

// codes decodes the two codes of a dynamic block. Their lengths are one sequence; a repetition may cross from the first
// to the second.
func (f *inflater) codes() (outcome, string) {
	h := &f.header
	total := h.numLit + h.numDist
	bits, count := f.bits, f.count
	why, reason := done, ""
	for h.have < total {
		if count < maxCodeLenBits+7 {
			f.bits, f.count = bits, count
			f.fill()
			bits, count = f.bits, f.count
		}
		e := h.table[bits%codeLenSize]
		if e.bits() > count {
			why = noInput
			break
		}
		if e&entrySpecial != 0 {
			why, reason = corrupt, "no code length has this code"
			break
		}
		if e.value() >= repeatPrevious {
			if reason = h.repeat(e.value(), e.extra(bits), total); reason != "" {
				why = corrupt
				break
			}
		} else {
			h.last = uint8(e.value())
			h.lens[h.have] = h.last
			h.inUse[h.used] = uint16(h.have)
			h.used += int(h.last+15) >> 4 // 1, unless it is 0
			h.have++
		}
		bits >>= e & entryBits
		count -= e.bits()
	}
	if f.bits, f.count = bits, count; why != done {
		return why, reason
	}
	lit := h.used
	for lit > 0 && int(h.inUse[lit-1]) >= h.numLit {
		lit--
		h.inUse[lit] -= uint16(h.numLit)
	}
	if !f.builder.buildListed(f.dynLit[:], litBits, h.inUse[:lit], h.lens[:], litSymbols[:]) {
		return corrupt, "the lengths of the literal and length code are no code"
	}
	if !f.builder.buildListed(f.dynDist[:], distBits, h.inUse[lit:h.used], h.lens[h.numLit:], distSymbols[:]) {
		return corrupt, "the lengths of the distance code are no code"
	}
	f.lit, f.dists = &f.dynLit, &f.dynDist
	f.state = stageSymbols
	return done, ""
}

// repeat adds the lengths that a symbol of the code length code stands for. It returns what is wrong with it, or
// nothing.
func (h *header) repeat(symbol, extra, total int) string {
	n := 3 + extra
	switch symbol {
	case repeatPrevious:
		if h.have == 0 {
			return "the first code length repeats the one before"
		}
	case repeatZero:
		h.last = 0
	case repeatZeroLong:
		n, h.last = 11+extra, 0
	}
	if n > total-h.have {
		return "there are more code lengths than announced"
	}
	if h.last > 0 {
		for i := range n {
			h.lens[h.have+i] = h.last
			h.inUse[h.used+i] = uint16(h.have + i)
		}
		h.used += n
	}
	h.have += n
	return ""
}
