package deflate

import "encoding/binary"

const (
	// fastInput is how much input a turn of the fast loop looks at.
	fastInput = 8
	// fastRoom is how many bytes behind its match a turn may write over.
	fastRoom = 32
	// fastLiterals is how many literals a turn may write.
	fastLiterals = 3
)

const (
	litMask  = 1<<litBits - 1
	distMask = 1<<distBits - 1
)

const (
	reasonSymbol   = "no literal or length has this code"
	reasonDistance = "no distance has this code"
	reasonWindow   = "a match reaches back beyond the window"
	reasonHistory  = "a match reaches back beyond the first byte"
)

// symbols decodes literals and matches up to the end of the block.
func (f *inflater) symbols() (outcome, string) {
	for {
		if len(f.src)-f.pos >= fastInput && cap(f.out)-f.end >= fastRoom+fastLiterals {
			f.fastSymbols()
		}
		why, reason := f.symbol()
		if why != done || f.state == stageBlock {
			return why, reason
		}
	}
}

// symbol decodes one literal, one match, or the end of the block.
func (f *inflater) symbol() (outcome, string) {
	if f.count < 2*maxCodeBits+5+13 {
		f.fill()
	}
	e, n := lookUp(f.lit[f.bits&litMask], f.bits, litBits, f.lit[:])
	switch {
	case n > f.count:
		return noInput, ""
	case e&entryEnd != 0:
		f.drop(n)
		f.endBlock()
		return done, ""
	case e&entrySpecial != 0:
		return corrupt, reasonSymbol
	case f.end == len(f.out):
		return noRoom, ""
	case e&entryLiteral != 0:
		f.drop(n)
		f.out[f.end] = byte(e.value())
		f.end++
		return done, ""
	}
	length := e.value() + e.extra(f.bits>>(n-e.bits()))

	rest := f.bits >> n
	e, m := lookUp(f.dists[rest&distMask], rest, distBits, f.dists[:])
	switch {
	case n+m > f.count:
		return noInput, ""
	case e&entrySpecial != 0:
		return corrupt, reasonDistance
	}
	dist := e.value() + e.extra(rest>>(m-e.bits()))
	if reason := f.checkDistance(dist); reason != "" {
		return corrupt, reason
	}
	f.drop(n + m)
	f.rest, f.dist = length, dist
	return f.match(), ""
}

// lookUp follows e, which the first bits lead to, into its subtable if it is a link. It also returns how many bits
// the symbol takes, extra bits included. There may be fewer, but a symbol that takes no more than there are is right.
func lookUp(e entry, bits uint64, mainBits uint, table []entry) (entry, uint) {
	if e&entryLink == 0 {
		return e, e.bits()
	}
	e = table[e.value()+int(bits>>mainBits&(1<<e.code()-1))]
	return e, mainBits + e.bits()
}

// extra returns the value of the extra bits, if bits begins with the code.
func (e entry) extra(bits uint64) int { return int(bits & (1<<e.bits() - 1) >> e.code()) }

// checkDistance returns what is wrong with a distance, or nothing. RFC 1951, section 3.2.5, has one limit, and RFC
// 7692, section 7.1.2, lets the peers agree on another: a match must not begin before the window does.
func (f *inflater) checkDistance(dist int) string {
	if dist > f.window.size {
		return reasonWindow
	}
	if dist > f.end-f.base+len(f.window.buf) {
		return reasonHistory
	}
	return ""
}

// match copies as much of the rest of a match as there is room for.
func (f *inflater) match() outcome {
	n := min(f.rest, len(f.out)-f.end)
	f.rest -= n
	f.copyMatch(f.end, n, f.dist)
	f.end += n
	if f.rest > 0 {
		f.state = stageMatch
		return noRoom
	}
	f.state = stageSymbols
	return done
}

// copyMatch writes n bytes at end of the output, as they are dist before.
func (f *inflater) copyMatch(end, n, dist int) {
	stop := end + n
	if back := dist - (end - f.base); back > 0 {
		k := min(n, back)
		f.window.copyTo(f.out[end:end+k], back)
		end += k
	}
	// The source may overlap with what is written: then that is a repetition of the source. Every turn copies all that
	// there is of it, so the next one can copy twice as much.
	for from := end - dist; end < stop; {
		end += copy(f.out[end:stop], f.out[from:end])
	}
}

// fastSymbols does the work of symbol while there is plenty of input and room. What ends the block, and what is wrong
// with a code, it leaves to symbol.
func (f *inflater) fastSymbols() {
	var (
		src, pos    = f.src, f.pos
		out, end    = f.out[:cap(f.out)], f.end
		bits, count = f.bits, f.count // here bits may have more than count: those that will come next anyway
		lit, dists  = f.lit, f.dists
		lastPos     = len(src) - fastInput
		lastEnd     = min(len(f.out), cap(f.out)-fastRoom)
		base        = f.base
		far         = uint(f.window.size - 8)
	)
	for pos <= lastPos && end <= lastEnd-fastLiterals {
		e := lit[bits&litMask] // does not wait for more bits, unless there are too few
		few := count < litBits
		bits |= binary.LittleEndian.Uint64(src[pos:]) << (count & 63)
		pos += int((63 - count) >> 3)
		count |= 56
		if few {
			e = lit[bits&litMask]
		}
		if e&entryLiteral != 0 {
			bits >>= e & entryBits
			count -= uint(e & entryBits)
			out[end] = byte(e >> valueShift)
			end++
			e = lit[bits&litMask]
			if e&entryLiteral != 0 {
				bits >>= e & entryBits
				count -= uint(e & entryBits)
				out[end] = byte(e >> valueShift)
				end++
				e = lit[bits&litMask]
				if e&entryLiteral != 0 {
					bits >>= e & entryBits
					count -= uint(e & entryBits)
					out[end] = byte(e >> valueShift)
					end++
					continue
				}
			}
		}
		next, left := bits, count
		if e&entrySpecial != 0 {
			if e&entryLink == 0 {
				break
			}
			next >>= litBits
			left -= litBits
			e = lit[(uint64(e>>valueShift)+next&(1<<e.code()-1))%litSize]
			if e&entryLiteral != 0 {
				bits = next >> (e & entryBits)
				count = left - uint(e&entryBits)
				out[end] = byte(e >> valueShift)
				end++
				continue
			}
			if e&entrySpecial != 0 {
				break
			}
		}
		length := int(e>>valueShift) + e.extra(next)
		next >>= e & entryBits
		left -= uint(e & entryBits)

		e = dists[next&distMask]
		if e&entrySpecial != 0 {
			if e&entryLink == 0 {
				break
			}
			next >>= distBits
			left -= distBits
			e = dists[(uint64(e>>valueShift)+next&(1<<e.code()-1))%distSize]
			if e&entrySpecial != 0 {
				break
			}
		}
		dist := int(e>>valueShift) + e.extra(next)
		left -= uint(e & entryBits)
		if int(left) < 0 {
			continue // behind two literals there may not be enough bits
		}
		stop := end + length
		if stop > lastEnd {
			break
		}
		if from := end - dist; from >= base && uint(dist-8) <= far {
			copyFast(out, end, out, from, length)
		} else if !f.fastMatch(end, length, dist) {
			break
		}
		end = stop
		bits = next >> (e & entryBits)
		count = left
	}
	f.pos, f.end = pos, end
	f.count, f.bits = count, bits&(1<<count-1)
}

// copyFast copies n bytes, and some behind them, for which there must be room on both sides. It does not matter if they
// overlap, as long as the source begins eight bytes before.
func copyFast(dst []byte, at int, src []byte, from, n int) {
	for stop := at + n; at < stop; at, from = at+32, from+32 {
		d, s := dst[at:at+32], src[from:from+32]
		binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(s))
		binary.LittleEndian.PutUint64(d[8:], binary.LittleEndian.Uint64(s[8:]))
		binary.LittleEndian.PutUint64(d[16:], binary.LittleEndian.Uint64(s[16:]))
		binary.LittleEndian.PutUint64(d[24:], binary.LittleEndian.Uint64(s[24:]))
	}
}

// fastMatch copies a match that begins in the window, or overlaps with itself. It returns false if the distance is
// wrong.
func (f *inflater) fastMatch(end, length, dist int) bool {
	back := dist - (end - f.base)
	if dist > f.window.size || back > len(f.window.buf) {
		return false
	}
	if back >= length {
		from := f.window.index(back)
		if from+length <= len(f.window.buf)-fastRoom {
			copyFast(f.out[:cap(f.out)], end, f.window.buf, from, length)
			return true
		}
	}
	f.copyMatch(end, length, dist)
	return true
}
