package websocket

import (
	"encoding/binary"
	"math/bits"
)

// Mask applies the masking of RFC 6455, section 5.3, to p in place: every byte is XORed with the byte of key that its
// place in the payload selects. Doing it twice with the same key and place restores p.
//
// pos is the place of p[0] in the payload, so that a payload can be masked piece by piece; only its two low bits count.
// Mask returns the pos, 0 to 3, for the piece that follows.
//
//	pos := Mask(first, key, 0)
//	Mask(second, key, pos)
func Mask(p []byte, key [4]byte, pos int) int {
	next := (pos + len(p)) & 3
	// With the key rotated to where p begins, its first byte is for p[0].
	k := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	wide := uint64(k)<<32 | uint64(k)
	// Unrolled like this, plain words were faster at every length than crypto/subtle.XORBytes with a block that repeats
	// the key.
	for len(p) >= 64 {
		w := p[:64:64]
		binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)^wide)
		binary.LittleEndian.PutUint64(w[8:], binary.LittleEndian.Uint64(w[8:])^wide)
		binary.LittleEndian.PutUint64(w[16:], binary.LittleEndian.Uint64(w[16:])^wide)
		binary.LittleEndian.PutUint64(w[24:], binary.LittleEndian.Uint64(w[24:])^wide)
		binary.LittleEndian.PutUint64(w[32:], binary.LittleEndian.Uint64(w[32:])^wide)
		binary.LittleEndian.PutUint64(w[40:], binary.LittleEndian.Uint64(w[40:])^wide)
		binary.LittleEndian.PutUint64(w[48:], binary.LittleEndian.Uint64(w[48:])^wide)
		binary.LittleEndian.PutUint64(w[56:], binary.LittleEndian.Uint64(w[56:])^wide)
		p = p[64:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	if len(p) >= 4 {
		binary.LittleEndian.PutUint32(p, binary.LittleEndian.Uint32(p)^k)
		p = p[4:]
	}
	for i := range p {
		p[i] ^= byte(k)
		k >>= 8
	}
	return next
}
