package autobahn

import (
	"encoding/binary"
	"errors"
)

// An inflater restores the compressed messages of a peer, RFC 7692 §7.2.2, and takes down how far back their matches
// reach. It is the kit's own since compress/flate does not tell that, and whether a peer keeps the window that was
// agreed on (RFC 7692 §7.1.2) is for the kit to see. The tests compare it with compress/flate.
type inflater struct {
	fresh   bool // each message begins with an empty window
	longest int  // distance of all matches so far

	in  []byte // the data of the message, with its tail
	pos int    // what was read of it
	acc uint64 // bits that were read and not taken yet, the lowest first; above n there may be some that are read again
	n   uint   // at most 63

	out       []byte // the window and the message, and room for more
	begin, at int    // the message is out[begin:at]

	short     bool // more bits were taken than there were
	lit, dist huffman
}

var (
	errInflateShort    = errors.New("it ends inside a block")
	errInflateBad      = errors.New("it is malformed")
	errInflateDistance = errors.New("a match reaches back beyond what there was")
	errBomb            = errors.New("a message inflates to more than 32 MiB")
)

const (
	maxMessage = 32 << 20 // bounds what a peer can make the kit hold; the largest message of a case has 16 MiB
	windowSize = 1 << 15
	maxMatch   = 258
	matchBits  = 15 + 5 + 15 + 13 // the most that a match takes
)

func newInflater(fresh bool) *inflater { return &inflater{fresh: fresh} }

// inflate restores one message. It is valid until the next call.
func (i *inflater) inflate(p []byte) ([]byte, error) {
	i.in, i.pos, i.acc, i.n, i.short = append(p, tail...), 0, 0, 0, false
	switch {
	case i.fresh:
		i.at = 0
	case i.at > 4*windowSize:
		i.at = copy(i.out, i.out[i.at-windowSize:i.at])
	}
	i.begin = i.at
	far := i.longest
	if err := i.blocks(); err != nil {
		i.longest = far // that of malformed data means nothing
		return nil, err
	}
	return i.out[i.begin:i.at:i.at], nil
}

// blocks restores one block after another.
func (i *inflater) blocks() error {
	for {
		final := i.take(1)
		if err := i.block(i.take(2)); err != nil {
			return err
		}
		if final != 0 {
			// More may follow in the next byte, RFC 7692 §7.2.3.4; the window stays.
			if i.align(); i.left() == len(tail) {
				break // the message ended with that block
			}
		}
		if i.left() == 0 && i.n == 0 {
			break
		}
	}
	if i.at-i.begin > maxMessage {
		return errBomb
	}
	return nil
}

// left returns the whole bytes that are left.
func (i *inflater) left() int { return len(i.in) - i.pos + int(i.n/8) }

// align goes on to the next whole byte.
func (i *inflater) align() { i.take(i.n % 8) }

// fill reads on, until there are the bits of a match or all was read.
func (i *inflater) fill() {
	if len(i.in)-i.pos >= 8 {
		i.acc |= binary.LittleEndian.Uint64(i.in[i.pos:]) << i.n
		i.pos += int((63 - i.n) >> 3)
		i.n |= 56
		return
	}
	for i.acc &= 1<<i.n - 1; i.n <= matchBits && i.pos < len(i.in); i.n += 8 {
		i.acc |= uint64(i.in[i.pos]) << i.n
		i.pos++
	}
}

func (i *inflater) take(n uint) int {
	if i.n < n {
		if i.fill(); i.n < n {
			i.short = true
			return 0
		}
	}
	v := int(i.acc & (1<<n - 1))
	i.acc >>= n
	i.n -= n
	return v
}

func (i *inflater) block(kind int) error {
	switch {
	case i.short:
		return errInflateShort
	case kind == 0:
		return i.stored()
	case kind == 1:
		return i.coded(&fixedLit, &fixedDist)
	case kind == 2:
		if err := i.tables(); err != nil {
			return err
		}
		return i.coded(&i.lit, &i.dist)
	}
	return errInflateBad
}

// stored copies a block of plain bytes, RFC 1951 §3.2.4.
func (i *inflater) stored() error {
	i.align()
	size, inverse := i.take(16), i.take(16)
	switch {
	case i.short:
		return errInflateShort
	case size != ^inverse&0xFFFF:
		return errInflateBad
	}
	i.pos -= int(i.n / 8)
	i.acc, i.n = 0, 0
	if len(i.in)-i.pos < size {
		return errInflateShort
	}
	if err := i.room(size); err != nil {
		return err
	}
	i.at += copy(i.out[i.at:], i.in[i.pos:i.pos+size])
	i.pos += size
	return nil
}

// room makes place for n bytes more.
func (i *inflater) room(n int) error {
	if i.at-i.begin > maxMessage {
		return errBomb
	}
	if need := i.at + n; need > len(i.out) {
		out := make([]byte, max(need, 2*len(i.out), 2*windowSize))
		copy(out, i.out[:i.at])
		i.out = out
	}
	return nil
}

// coded restores a block of literals and matches, RFC 1951 §3.2.5. Most of the time of the categories 12 and 13 is
// spent here, so it works on copies of the fields.
func (i *inflater) coded(lit, dist *huffman) error {
	in, pos, acc, n, out, at := i.in, i.pos, i.acc, i.n, i.out, i.at
	for {
		switch {
		case n >= matchBits:
		case len(in)-pos >= 8: // as fill does
			acc |= binary.LittleEndian.Uint64(in[pos:]) << n
			pos += int((63 - n) >> 3)
			n |= 56
		default:
			i.pos, i.acc, i.n = pos, acc, n
			i.fill()
			pos, acc, n = i.pos, i.acc, i.n
		}
		if len(out)-at < maxMatch {
			if i.at = at; i.room(maxMatch) != nil {
				return errBomb
			}
			out = i.out
		}
		d := lit.decode(acc)
		symbol, size := d.symbol(), d.size()
		if size > n {
			return errInflateShort
		}
		acc >>= size
		n -= size
		if symbol < 256 {
			out[at] = byte(symbol)
			at++
			continue
		}
		if symbol == 256 {
			break
		}
		if symbol > 285 {
			return errInflateBad
		}
		e := lengthCodes[symbol-257]
		length := int(e.base) + int(acc&(1<<e.extra-1))
		acc >>= e.extra
		used := uint(e.extra)
		d = dist.decode(acc)
		if d.symbol() > 29 {
			return errInflateBad
		}
		acc >>= d.size()
		e = distanceCodes[d.symbol()]
		far := int(e.base) + int(acc&(1<<e.extra-1))
		acc >>= e.extra
		if used += d.size() + uint(e.extra); used > n {
			return errInflateShort
		}
		n -= used
		if far > at {
			return errInflateDistance
		}
		i.longest = max(i.longest, far)
		// A match may reach into itself: then each round has twice as much to copy.
		for from, end := at-far, at+length; at < end; {
			at += copy(out[at:end], out[from:at])
		}
	}
	i.pos, i.acc, i.n, i.at = pos, acc, n, at
	return nil
}

// A valueCode is what a code for a length or a distance stands for: the least value, and the bits that are added.
type valueCode struct {
	base  uint16
	extra uint8
}

// The codes of RFC 1951 §3.2.5.
var (
	lengthCodes   = valueCodes(29, 3, 4)
	distanceCodes = valueCodes(30, 1, 2)
)

// valueCodes makes n codes from first on, of which each run of group codes has one bit more than the one before, but
// for the first two.
func valueCodes(n, first, group int) []valueCode {
	codes := make([]valueCode, n)
	for i := range codes {
		extra := max(0, i/group-1)
		codes[i] = valueCode{uint16(first), uint8(extra)}
		first += 1 << extra
	}
	if group == 4 {
		codes[n-1] = valueCode{maxMatch, 0}
	}
	return codes
}
