// Package simd holds the two loops that touch every byte of a message, masking and the check of UTF-8, written for the
// vector units of the machine. It is the only package with assembly.
//
// Each loop is in two parts. A kernel in assembly does a number of whole blocks and nothing else: no head, no tail, no
// decision. The Go function around it chooses the kernel, cuts the blocks out of the slice and does what is left over.
//
//	            masking               UTF-8
//	amd64       AVX2, or else SSE2    AVX2, SSSE3 for short texts and older processors
//	arm64       NEON                  –
//	others      words of 64 bits      –
//
// A dash means that [SoundTo] gets nowhere and says so; its caller then goes over the text byte by byte. The build
// tag purego leaves all assembly out, as on "others".
package simd

// level is a set of instructions for which there are kernels.
type level uint8

const (
	portable level = iota // no assembly
	sse2                  // every amd64
	ssse3                 // brings the byte shuffle, which the check of UTF-8 is made of
	avx2
	neon // every arm64
)

func (l level) String() string { return [...]string{"portable", "sse2", "ssse3", "avx2", "neon"}[l] }

// best is what this machine can do. Only tests change it.
var best = detect()

// maxRun is the most bytes that one call of a kernel gets: a goroutine cannot be preempted inside assembly, and at this
// size it is not for more than a few microseconds.
const maxRun = 64 << 10
