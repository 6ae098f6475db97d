//go:build !purego

package simd

// levels lists what this machine can do, for tests.
func levels() (can []level) {
	for l := portable; l <= detect(); l++ {
		can = append(can, l)
	}
	return can
}

//go:noescape
func maskAVX2(dst, src *byte, n int, key uint32)

//go:noescape
func maskSSE2(dst, src *byte, n int, key uint32)

func maskKernel(dst, src []byte, key uint32) {
	switch best {
	case avx2:
		maskAVX2(&dst[0], &src[0], len(src), key)
	case sse2, ssse3:
		maskSSE2(&dst[0], &src[0], len(src), key)
	default:
		maskPortable(dst, src, key)
	}
}

//go:noescape
func utf8AVX2(p *byte, n int, t *utf8Tables) int

//go:noescape
func utf8SSSE3(p *byte, n int, t *utf8Tables) int

// utf8Unit returns the size of the blocks for n bytes, 0 if they are too few.
func utf8Unit(n int) int {
	switch {
	case best == avx2 && n >= 64:
		return 64
	case best >= ssse3 && n >= 16:
		return 16
	}
	return 0
}

// utf8Kernel returns how many bytes of p[Behind:], at least one block, are good: all, or those before the block in
// which a mistake shows. An impossible lead byte shows in the byte after it.
func utf8Kernel(p []byte, unit int) int {
	if unit == 64 {
		return utf8AVX2(&p[Behind], len(p)-Behind, &tables)
	}
	return utf8SSSE3(&p[Behind], len(p)-Behind, &tables)
}
