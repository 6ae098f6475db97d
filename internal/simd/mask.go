package simd

import "encoding/binary"

const (
	maskMin  = 64 // from this length on a call of the kernel pays
	maskUnit = 32 // kernels mask a multiple of it
)

// MaskTo writes to dst the bytes of src, each XORed with one of the four bytes of key, which come over and over, the
// lowest first. dst is as long as src or longer. The two may be the same, which masks in place, or overlap if dst does
// not begin behind src.
func MaskTo(dst, src []byte, key uint32) {
	dst = dst[:len(src)]
	if len(src) >= maskMin {
		dst, src = maskBlocks(dst, src, key)
	}
	wide := uint64(key)<<32 | uint64(key)
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^wide)
		dst, src = dst[8:], src[8:]
	}
	if len(src) >= 4 && len(dst) >= 4 {
		binary.LittleEndian.PutUint32(dst, binary.LittleEndian.Uint32(src)^key)
		dst, src = dst[4:], src[4:]
	}
	for i := range min(len(src), len(dst)) {
		dst[i] = src[i] ^ byte(key)
		key >>= 8
	}
}

// maskBlocks masks whole blocks and returns what is left of dst and src. A block is a whole number of keys, so the rest
// begins with the same byte of the key.
func maskBlocks(dst, src []byte, key uint32) (restDst, restSrc []byte) {
	for len(src) >= maskUnit {
		run := min(len(src), maxRun) &^ (maskUnit - 1)
		maskKernel(dst[:run], src[:run], key)
		dst, src = dst[run:], src[run:]
	}
	return dst, src
}

// maskPortable is the kernel in plain Go. Unrolled like this, words were faster at every length than
// crypto/subtle.XORBytes with a block that repeats the key.
func maskPortable(dst, src []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(src) >= maskUnit && len(dst) >= maskUnit {
		d, s := dst[:maskUnit:maskUnit], src[:maskUnit:maskUnit]
		binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(s)^wide)
		binary.LittleEndian.PutUint64(d[8:], binary.LittleEndian.Uint64(s[8:])^wide)
		binary.LittleEndian.PutUint64(d[16:], binary.LittleEndian.Uint64(s[16:])^wide)
		binary.LittleEndian.PutUint64(d[24:], binary.LittleEndian.Uint64(s[24:])^wide)
		dst, src = dst[maskUnit:], src[maskUnit:]
	}
}
