package deflate

import (
	"math/bits"
	"sync"
)

// A code is decoded by a table that is indexed with the next bits of the input: the first bit of the code is the lowest
// bit of the index. An entry of the main table stands for all codes of up to litBits (distBits, codeLenBits) bits; each
// code fills every entry whose index begins with it. Longer codes lead to a subtable through their first bits.
//
// An entry says everything about its symbol, so that decoding is one load and a few shifts:
//
//	bits 0–5    how many bits to consume: the code and the extra bits behind it
//	bits 8–11   how many of them are the code; in a link, how many bits index the subtable
//	bits 12–15  what else it may be: entrySpecial, entryLink, entryEnd
//	bits 16–30  the literal, the base of the length or distance, the start of the subtable
//	bit  31     entryLiteral
//
// In a subtable the lengths are without the bits that lead to it.
type entry uint32

const (
	entryLiteral entry = 1 << 31
	entrySpecial entry = 1 << 15 // neither literal nor length nor distance; invalid, if no other bit says what it is
	entryLink    entry = 1 << 14 // leads to a subtable
	entryEnd     entry = 1 << 13 // end of block

	entryBits  = 1<<6 - 1
	valueShift = 16
)

// code is the length of the code, without extra bits.
func (e entry) code() uint { return uint(e>>8) & 15 }

// bits is the number of bits to consume.
func (e entry) bits() uint { return uint(e) & entryBits }

// value is the literal, base or start.
func (e entry) value() int { return int(e >> valueShift & 0x7fff) }

// withCode adds the length of the code to an entry that has only extra bits so far.
func (e entry) withCode(n uint) entry { return e + entry(n)*(1<<8|1) }

// Sizes of tables. A main table of 9 bits and its subtables have at most 854 entries for 288 symbols of up to 15
// bits, one of 8 bits at most 402 for 32 symbols (TestLargestTables finds both); the arrays are the next power of two,
// so that masking an index proves that it is inside.
const (
	litBits     = 9
	distBits    = 8
	codeLenBits = maxCodeLenBits

	litSize     = 1024
	distSize    = 512
	codeLenSize = 1 << codeLenBits
)

type (
	litTable     [litSize]entry
	distTable    [distSize]entry
	codeLenTable [codeLenSize]entry
)

// The entries of all symbols, without the lengths of codes.
var (
	litSymbols     = buildLitSymbols()
	distSymbols    = buildDistSymbols()
	codeLenSymbols = buildCodeLenSymbols()
)

// codeLenExtra is how many extra bits the symbols of the code length code have: RFC 1951, section 3.2.7.
var codeLenExtra = [numCodeLen]uint8{repeatPrevious: 2, repeatZero: 3, repeatZeroLong: 7}

func buildLitSymbols() (symbols [288]entry) {
	for s := range symbols {
		switch {
		case s < endOfBlock:
			symbols[s] = entryLiteral | entry(s)<<valueShift
		case s == endOfBlock:
			symbols[s] = entrySpecial | entryEnd
		case s < numLitLen:
			symbols[s] = entry(lengthBase[s-257])<<valueShift | entry(lengthExtra[s-257])
		default:
			symbols[s] = entrySpecial
		}
	}
	return symbols
}

func buildDistSymbols() (symbols [32]entry) {
	for s := range symbols {
		symbols[s] = entrySpecial
		if s < numDist {
			symbols[s] = entry(distBase[s])<<valueShift | entry(distExtra[s])
		}
	}
	return symbols
}

func buildCodeLenSymbols() (symbols [numCodeLen]entry) {
	for s := range symbols {
		symbols[s] = entry(s)<<valueShift | entry(codeLenExtra[s])
	}
	return symbols
}

// fixedTables returns the tables of the fixed codes. They are shared and never written again.
var fixedTables = sync.OnceValues(func() (*litTable, *distTable) {
	var (
		lit      litTable
		dist     distTable
		litLens  = fixedLitLenBits()
		distLens = fixedDistBits()
		b        tableBuilder
	)
	b.build(lit[:], litBits, litLens[:], litSymbols[:])
	b.build(dist[:], distBits, distLens[:], distSymbols[:])
	return &lit, &dist
})

// tableBuilder is the scratch memory for building a table.
type tableBuilder struct {
	count   [maxCodeBits + 1]uint16 // how many codes have each length
	longest uint                    // the longest of them
	space   int                     // how much of the space of codes is used, in codes of 15 bits
	inUse   [288]uint16             // see list
	sorted  [288]uint16             // the symbols in the order of their codes
}

// build fills a table for the code with these lengths (0: the symbol has no code). It returns false if they are no
// code: too many short ones, or unused codes left over. As in other decoders there are two exceptions, made for
// distances: a single code of one bit, of which the other bit is invalid, and no code at all, which is all invalid.
//
// RFC 1951, section 3.2.2: codes of one length are consecutive in the order of their symbols, and longer codes follow
// shorter ones. RFC 1951, section 3.1.1: they are packed starting with their highest bit, so an index has them
// reversed.
func (b *tableBuilder) build(table []entry, mainBits uint, lens []uint8, symbols []entry) bool {
	n := 0
	for s, l := range lens {
		b.inUse[n] = uint16(s)
		n += int(l+15) >> 4 // 1, unless l is 0
	}
	return b.buildListed(table, mainBits, b.inUse[:n], lens, symbols)
}

// buildListed is build for who knows which symbols have codes: those in inUse, in order. It looks at no other lens.
func (b *tableBuilder) buildListed(table []entry, mainBits uint, inUse []uint16, lens []uint8, symbols []entry) bool {
	b.countLengths(inUse, lens)
	if b.space == 1<<maxCodeBits {
		b.sortSymbols(inUse, lens)
		b.fill(table, mainBits, symbols)
		return true
	}
	if b.longest > 1 || b.count[1] > 1 {
		return false
	}
	main := table[:1<<mainBits]
	for i := range main {
		main[i] = entrySpecial.withCode(b.longest)
	}
	if b.longest == 1 {
		e := symbols[inUse[0]].withCode(1)
		for i := 0; i < len(main); i += 2 {
			main[i] = e
		}
	}
	return true
}

// countLengths sets count, longest and space.
func (b *tableBuilder) countLengths(inUse []uint16, lens []uint8) {
	b.count, b.longest, b.space = [maxCodeBits + 1]uint16{}, 0, 0
	for _, s := range inUse {
		b.count[lens[s]&15]++
	}
	for n := uint(1); n <= maxCodeBits; n++ {
		if b.count[n] > 0 {
			b.space += int(b.count[n]) << (maxCodeBits - n)
			b.longest = n
		}
	}
}

// sortSymbols sets sorted.
func (b *tableBuilder) sortSymbols(inUse []uint16, lens []uint8) {
	var next [maxCodeBits + 1]uint16 // where the next symbol of each length goes
	for n := 1; n < maxCodeBits; n++ {
		next[n+1] = next[n] + b.count[n]
	}
	for _, s := range inUse {
		n := lens[s] & 15
		b.sorted[next[n]] = s
		next[n]++
	}
}

// fill fills the table for a complete code. The main table is filled at the size of the shortest code, and doubled for
// every longer one.
func (b *tableBuilder) fill(table []entry, mainBits uint, symbols []entry) {
	code, rest := uint(0), b.sorted[:]
	size := 1
	for n := uint(1); n <= mainBits; n++ {
		copy(table[size:2*size], table[:size])
		size *= 2
		for _, s := range rest[:b.count[n]] {
			table[code] = symbols[s].withCode(n)
			code = nextCode(code, n)
		}
		rest = rest[b.count[n]:]
	}
	if b.longest > mainBits {
		b.fillSubtables(table, mainBits, code, rest, symbols)
	}
}

// nextCode returns what follows code among the codes of n bits, all written with the first bit lowest: it adds one at
// the top and carries downwards.
func nextCode(code, n uint) uint {
	zeros := code ^ (1<<n - 1)
	if zeros == 0 {
		return 0 // it was the last
	}
	top := uint(1) << (bits.Len(zeros) - 1)
	return code&(top-1) | top
}

// fillSubtables adds the codes that are longer than mainBits: rest has their symbols, the first of them has code.
func (b *tableBuilder) fillSubtables(table []entry, mainBits, code uint, rest []uint16, symbols []entry) {
	var (
		end    = uint(1) << mainBits // of what is taken of the table
		prefix = ^uint(0)            // the bits that lead to the subtable that is being filled
		start  uint                  // where it begins
		width  uint                  // how many bits index it
	)
	for n := mainBits + 1; n <= b.longest; n++ {
		for left := b.count[n]; left > 0; left-- {
			if p := code & (1<<mainBits - 1); p != prefix {
				prefix, start = p, end
				width = subtableBits(n-mainBits, left, b.count[n+1:])
				end += 1 << width
				table[prefix] = entry(start)<<valueShift | entrySpecial | entryLink | entry(width)<<8 | entry(mainBits)
			}
			e := symbols[rest[0]].withCode(n - mainBits)
			for i := start + code>>mainBits; i < end; i += 1 << (n - mainBits) {
				table[i] = e
			}
			rest = rest[1:]
			code = nextCode(code, n)
		}
	}
}

// subtableBits returns how many bits index a subtable whose first code has n bits there, if there are left more codes
// of that length and longer ones as more counts: the subtable must hold the longest code that begins with its prefix.
func subtableBits(n uint, left uint16, more []uint16) uint {
	space := 1<<n - int(left)
	for _, c := range more {
		if space <= 0 {
			break
		}
		n++
		space = 2*space - int(c)
	}
	return n
}
