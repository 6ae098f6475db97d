//go:build !purego

package simd

func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

func xgetbv0() uint32

// The bits that decide, as the Intel 64 and IA-32 Architectures Software Developer's Manual names them: volume 2, table
// "Feature Information Returned in the ECX Register" and leaf 07H of CPUID; volume 1, "Enabling the XSAVE Feature Set"
// for XCR0. AMD's manual has the same.
const (
	leaf1SSSE3   = 1 << 9  // CPUID.01H:ECX
	leaf1OSXSAVE = 1 << 27 // CPUID.01H:ECX, the system lets programs execute XGETBV
	leaf1AVX     = 1 << 28 // CPUID.01H:ECX
	leaf7AVX2    = 1 << 5  // CPUID.(EAX=07H,ECX=0):EBX
	xcr0XMMYMM   = 3 << 1  // the system saves both halves of the Y registers
)

func detect() level {
	highest, _, _, _ := cpuid(0, 0)
	_, _, leaf1, _ := cpuid(1, 0)
	var leaf7, xcr0 uint32
	if highest >= 7 {
		_, leaf7, _, _ = cpuid(7, 0)
	}
	if leaf1&leaf1OSXSAVE != 0 {
		xcr0 = xgetbv0() // an illegal instruction without that bit
	}
	return levelOf(leaf1, leaf7, xcr0)
}

// levelOf follows volume 1 of the manual, "Detection of Intel AVX2": the processor has the instructions and the system
// keeps their registers for us when it switches between threads.
func levelOf(leaf1, leaf7, xcr0 uint32) level {
	switch {
	case leaf1&leaf1SSSE3 == 0:
		return sse2
	case leaf1&leaf1AVX == 0 || leaf7&leaf7AVX2 == 0 || xcr0&xcr0XMMYMM != xcr0XMMYMM:
		return ssse3
	}
	return avx2
}
