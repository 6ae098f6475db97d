package simd

import "encoding/binary"

const (
	maskMin  = 64 // from this length on a call of the kernel pays
	maskUnit = 32 // kernels mask a multiple of it
)

// Mask XORs p in place with the four bytes of key over and over, the lowest byte of key first.
func Mask(p []byte, key uint32) {
	if len(p) >= maskMin {
		p = maskBlocks(p, key)
	}
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	if len(p) >= 4 {
		binary.LittleEndian.PutUint32(p, binary.LittleEndian.Uint32(p)^key)
		p = p[4:]
	}
	for i := range p {
		p[i] ^= byte(key)
		key >>= 8
	}
}

// maskBlocks masks whole blocks and returns the rest of p. A block is a whole number of keys, so the rest begins with
// the same byte of the key.
func maskBlocks(p []byte, key uint32) (rest []byte) {
	for len(p) >= maskUnit {
		run := min(len(p), maxRun) &^ (maskUnit - 1)
		maskKernel(p[:run], key)
		p = p[run:]
	}
	return p
}

// maskPortable is the kernel in plain Go. Unrolled like this, words were faster at every length than
// crypto/subtle.XORBytes with a block that repeats the key.
func maskPortable(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= maskUnit {
		w := p[:maskUnit:maskUnit]
		binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)^wide)
		binary.LittleEndian.PutUint64(w[8:], binary.LittleEndian.Uint64(w[8:])^wide)
		binary.LittleEndian.PutUint64(w[16:], binary.LittleEndian.Uint64(w[16:])^wide)
		binary.LittleEndian.PutUint64(w[24:], binary.LittleEndian.Uint64(w[24:])^wide)
		p = p[maskUnit:]
	}
}
