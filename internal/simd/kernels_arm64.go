//go:build !purego

package simd

func detect() level { return neon }

// levels lists what this machine can do, for tests.
func levels() []level { return []level{portable, neon} }

//go:noescape
func maskNEON(dst, src *byte, n int, key uint32)

func maskKernel(dst, src []byte, key uint32) {
	if best == neon {
		maskNEON(&dst[0], &src[0], len(src), key)
	} else {
		maskPortable(dst, src, key)
	}
}

func utf8Unit(int) int { return 0 }

func utf8Kernel([]byte, int) int { return 0 }
