//go:build !purego

package simd

func detect() level { return neon }

// levels lists what this machine can do, for tests.
func levels() []level { return []level{portable, neon} }

//go:noescape
func maskNEON(p *byte, n int, key uint32)

func maskKernel(p []byte, key uint32) {
	if best == neon {
		maskNEON(&p[0], len(p), key)
	} else {
		maskPortable(p, key)
	}
}

func utf8Unit(int) int { return 0 }

func utf8Kernel([]byte, int) int { return 0 }
