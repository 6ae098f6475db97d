// Package utf8x validates UTF-8 that arrives in pieces.
//
// RFC 6455, section 8.1, makes a text message that is not UTF-8 fail the connection. A message may be cut anywhere,
// also inside a character: between frames and between reads. A [Validator] carries the state over such cuts, in one
// byte, and reports the first byte that no continuation can make valid, so that a bad message fails before the rest of
// it has arrived.
package utf8x

import (
	"encoding/binary"

	"hawser.example/websocket/internal/simd"
)

// Validator checks one stream of UTF-8. The zero value is ready for use.
//
// It is a single byte, holds no pointer and may be copied: the copy goes on from where the original was.
type Validator struct {
	state uint8
}

// Feed takes the next bytes of the stream. It returns false if they contain a byte that cannot continue what came
// before, that is, if the stream up to and including that byte is not the beginning of any valid UTF-8 text. From then
// on Feed returns false until [Validator.Reset].
func (v *Validator) Feed(p []byte) bool {
	v.state = run(v.state, p)
	return v.state != stateReject
}

// Complete reports whether the stream may end here: everything fed so far was valid, and the last character is whole.
func (v *Validator) Complete() bool { return v.state == stateAccept }

// Reset makes the Validator ready for a new stream.
func (v *Validator) Reset() { v.state = stateAccept }

// Valid reports whether the whole of p is valid UTF-8.
func Valid(p []byte) bool { return run(stateAccept, p) == stateAccept }

// The states say which bytes may come next. Each value is a multiple of stateBits, because it is a shift distance: see
// transitions.
const (
	stateAccept = stateBits * iota // between characters
	stateReject                    // never left again
	stateLast                      // one byte 80..BF to come
	stateTwo                       // two bytes 80..BF to come
	stateThree                     // three bytes 80..BF to come
	stateE0                        // A0..BF, then one more: no overlong form
	stateED                        // 80..9F, then one more: no surrogate
	stateF0                        // 90..BF, then two more: no overlong form
	stateF4                        // 80..8F, then two more: nothing above U+10FFFF

	stateBits = 6 // nine states of six bits fit a uint64
	stateMask = 1<<stateBits - 1
)

// transitions holds one row for each byte value. A row holds the next state for every present state, six bits each: row
// >> state. So the next row can be loaded while the shift of the one before is still under way, and no branch depends
// on the text.
var transitions = buildTransitions()

func buildTransitions() (rows [256]uint64) {
	for b := range rows {
		for s := uint64(0); s <= stateF4; s += stateBits {
			rows[b] |= nextState(s, byte(b)) << s
		}
	}
	return rows
}

// nextState is the table of RFC 3629, section 4, written as a state machine.
func nextState(state uint64, b byte) uint64 {
	between := func(lo, hi byte, next uint64) uint64 {
		if lo <= b && b <= hi {
			return next
		}
		return stateReject
	}
	switch state {
	case stateAccept:
		return firstState(b)
	case stateLast:
		return between(0x80, 0xBF, stateAccept)
	case stateTwo:
		return between(0x80, 0xBF, stateLast)
	case stateThree:
		return between(0x80, 0xBF, stateTwo)
	case stateE0:
		return between(0xA0, 0xBF, stateLast)
	case stateED:
		return between(0x80, 0x9F, stateLast)
	case stateF0:
		return between(0x90, 0xBF, stateTwo)
	case stateF4:
		return between(0x80, 0x8F, stateTwo)
	}
	return stateReject
}

// firstState is the state after b as the first byte of a character.
func firstState(b byte) uint64 {
	switch {
	case b < 0x80:
		return stateAccept
	case b < 0xC2: // a continuation byte, or C0 and C1, which are overlong
		return stateReject
	case b < 0xE0:
		return stateLast
	case b == 0xE0:
		return stateE0
	case b == 0xED:
		return stateED
	case b < 0xF0:
		return stateTwo
	case b == 0xF0:
		return stateF0
	case b < 0xF4:
		return stateThree
	case b == 0xF4:
		return stateF4
	}
	return stateReject
}

// run moves from state over p and returns the state after it.
//
// The vector unit takes what it can: a sound text but for the first bytes, most of what is before a mistake. The state
// machine does the rest, so it alone says where a mistake is.
func run(from uint8, p []byte) uint8 {
	if from == stateAccept && len(p) <= short && len(p) >= 8 && isASCII(p) {
		n := asciiWords(p)
		if n == len(p) {
			return stateAccept
		}
		p = p[n:]
	}
	if len(p) < worthwhile {
		return step(from, p)
	}
	state := uint64(from)
	for _, b := range p[:simd.Behind] {
		state = transitions[b] >> (state & stateMask)
	}
	if state &= stateMask; state == stateReject {
		return stateReject
	}
	switch n := simd.SoundTo(p); n {
	case len(p):
		return stateAccept
	case 0:
		return step(uint8(state), p[simd.Behind:])
	default:
		return step(stateAccept, p[n:])
	}
}

const (
	short      = 256              // up to this length, ASCII is seen sooner without a call of the vector unit
	worthwhile = simd.Behind + 16 // from this length on, the call pays for other text
)

// step is run by the state machine alone.
func step(from uint8, p []byte) uint8 {
	state := uint64(from)
	for len(p) >= 8 {
		if state == stateAccept {
			if n := asciiWords(p); n > 0 {
				p = p[n:]
				continue
			}
		} else if state == stateReject {
			return stateReject
		}
		// The mask of a shift distance costs nothing: it is what the machine does.
		state = transitions[p[0]] >> (state & stateMask)
		state = transitions[p[1]] >> (state & stateMask)
		state = transitions[p[2]] >> (state & stateMask)
		state = transitions[p[3]] >> (state & stateMask)
		state = transitions[p[4]] >> (state & stateMask)
		state = transitions[p[5]] >> (state & stateMask)
		state = transitions[p[6]] >> (state & stateMask)
		state = transitions[p[7]] >> (state & stateMask) & stateMask
		p = p[8:]
	}
	for _, b := range p {
		state = transitions[b] >> (state & stateMask)
	}
	return uint8(state & stateMask)
}

// high are the bits of a word that no ASCII has.
const high = 0x8080808080808080

// isASCII reports whether the first eight bytes of p are ASCII.
func isASCII(p []byte) bool { return binary.LittleEndian.Uint64(p)&high == 0 }

// asciiWords returns how many bytes at the start of p, in whole words of eight or up to the end, are ASCII.
func asciiWords(p []byte) (n int) {
	for ; len(p)-n >= 32; n += 32 {
		w := p[n : n+32 : n+32]
		if (binary.LittleEndian.Uint64(w)|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]))&high != 0 {
			break
		}
	}
	for len(p)-n >= 8 && isASCII(p[n:]) {
		n += 8
	}
	// The last word may overlap with the one before.
	if n > 0 && len(p)-n < 8 && isASCII(p[len(p)-8:]) {
		return len(p)
	}
	return n
}
