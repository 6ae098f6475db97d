package websocket

import (
	"encoding/binary"
	"math/bits"

	"hawser.example/websocket/internal/simd"
)

// Mask applies the masking of RFC 6455, section 5.3, to p in place: every byte is XORed with the byte of key that its
// place in the payload selects. Doing it twice with the same key and place restores p.
//
// pos is the place of p[0] in the payload, so that a payload can be masked piece by piece; only its two low bits count.
// Mask returns the pos, 0 to 3, for the piece that follows.
//
//	pos := Mask(first, key, 0)
//	Mask(second, key, pos)
func Mask(p []byte, key [4]byte, pos int) int { return maskTo(p, p, key, pos) }

// maskTo is Mask of a copy: it writes to dst, which is as long as src or longer. It may overlap src if it does not begin
// behind it.
func maskTo(dst, src []byte, key [4]byte, pos int) int {
	// With the key rotated to where src begins, its first byte is for src[0].
	simd.MaskTo(dst, src, bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3)))
	return (pos + len(src)) & 3
}
