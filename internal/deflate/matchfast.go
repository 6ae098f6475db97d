package deflate

import "math/bits"

const (
	quiet = 32 // literals on end, after each of which fast leaves out one more place
	hurry = 64 // places that are left out on end, at most
)

// fast takes the latest place with the same hash, if there are the same bytes. It goes on from i until what is ready
// has been searched or the block is full, and returns where.
//
// The time goes into waiting: for memory, and after branches that were guessed wrong. So few branches depend on the
// data. Where there is no match, two bytes are literals at once: the second is entered in the table but not looked up,
// and if a match should have begun there it is found at the next place and extended back. Sixteen bytes are compared
// whatever they are.
func (f *finder) fast(i int) int {
	ring, table, mask, counts := f.ring, f.table, f.mask, f.tally
	shift := hashShift(len(table))
	tokens, n := f.tokens[:cap(f.tokens)], len(f.tokens)
	p := f.base + uint(i)
	// No byte takes more than one token; two literals may go one place too far. Sixteen bytes behind a place must be in
	// the ring, behind the next one, too: no others get into the table.
	stop := f.base + uint(max(i, min(f.ready-probe, i+len(tokens)-n-tokensLeft, i+len(ring)-probe-int(p&mask))))
	lit := p // where literals begin
	pause := min(stop, p+quiet-min(f.run, quiet))
	for {
		for p < pause {
			v := load64(ring, p&mask)
			h := hash(v, shift)
			back := uint(uint16(p) - table[h])
			table[h] = uint16(p)
			table[hash(v>>8, shift)] = uint16(p + 1)
			at := (p - back) & mask
			x := load64(ring, at) ^ v
			if uint32(x) != 0 || back-1 >= f.reach {
				tokens[n], tokens[n+1] = token(uint8(v)), token(uint8(v>>8))
				counts[uint8(v)]++
				counts[uint8(v>>8)]++
				n += 2
				p += 2
				continue
			}
			length := uint(bits.TrailingZeros64(x)) / 8
			x = load64(ring, at+8) ^ load64(ring, p&mask+8)
			length += uint(bits.TrailingZeros64(x)) / 8 & -(length / 8) // only behind eight
			if length == probe {
				length = f.matchLen(p-back, p, probe)
			}
			for p > lit && length < maxMatch && back < f.reach && p-f.start > back &&
				ring[(p-1)&mask] == ring[(p-1-back)&mask] {
				p, n, length = p-1, n-1, length+1
				counts[tokens[n].symbol()]--
			}
			tokens[n], tokens[n+1] = lengthTokens[length-minMatch], distToken(back-1)
			counts[tokens[n].symbol()]++
			counts[tokens[n+1].symbol()]++
			n += 2
			p += length
			lit, f.run, pause = p, 0, min(stop, p+quiet)
		}
		if p >= stop {
			f.tokens = tokens[:n]
			f.run += p - lit
			return int(p - f.base)
		}
		// Hurry through what does not compress.
		f.tokens = tokens[:n]
		p = f.base + uint(f.literals(int(p-f.base), int(p-f.base+min(stop-p, (f.run+p-lit)/quiet, hurry))))
		n = len(f.tokens)
		pause = min(stop, p+1)
	}
}

// careful is fast for places that have fewer than sixteen bytes behind them, at the end of the ring or of the message.
func (f *finder) careful(i int) int {
	shift := hashShift(len(f.table))
	for i <= len(f.src)-8 && len(f.tokens) <= cap(f.tokens)-tokensLeft {
		p := f.base + uint(i)
		if f.ready-i <= probe && f.ready < len(f.src) {
			break // more must be made ready
		}
		inside := p&f.mask+probe < uint(len(f.ring))
		if f.ready-i > probe && inside {
			break // fast can go on
		}
		h := hash(load64(f.src, uint(i)), shift)
		back := uint(uint16(p) - f.table[h])
		if inside {
			f.table[h] = uint16(p)
		}
		n := uint(0)
		if back-1 < f.reach {
			n = f.matchLen(p-back, p, 0)
		}
		if n < leastLen {
			i = f.literals(i, i+1)
			continue
		}
		f.match(n, back)
		i += int(n)
	}
	return i
}
