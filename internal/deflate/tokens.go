package deflate

import (
	"math/bits"
	"slices"
)

// token is one symbol of a block, as it is noted before the codes are known: which one, and the extra bits behind it. A
// match is two: its length and its distance. So blocks are counted and written symbol by symbol, without a branch that
// depends on the data.
//
//	bits 0–8    the symbol: of literals and lengths, and from firstDist on of distances
//	bits 16–28  the extra bits
type token uint32

const (
	firstDist    = numLitLen           // the first symbol of a distance
	firstCodeLen = numLitLen + numDist // the first symbol of the code length code
	numSymbols   = firstCodeLen + numCodeLen

	tokenSymbols    = 512 // that a token can name
	tokenValueShift = 16
)

func (t token) symbol() uint  { return uint(t % tokenSymbols) }
func (t token) value() uint64 { return uint64(t >> tokenValueShift) }

// lengthTokens has the token of each length, from minMatch.
var lengthTokens = func() (tokens [maxMatch - minMatch + 1]token) {
	for n := range tokens {
		s, exact := slices.BinarySearch(lengthBase[:], uint16(n+minMatch))
		if !exact {
			s--
		}
		value := n + minMatch - int(lengthBase[s])
		tokens[n] = token(endOfBlock+1+s) | token(value)<<tokenValueShift
	}
	return tokens
}()

// distToken returns the token of a distance less one. There are two symbols for each bit length, told by the bit behind
// the highest; the others are extra bits.
func distToken(d uint) token {
	extra := uint(bits.Len32(uint32(d)|2)-2) & 31
	high := uint32(d) >> extra
	return token(firstDist + 2*uint32(extra) + high | (uint32(d)-high<<extra)<<tokenValueShift)
}
