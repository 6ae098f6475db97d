//go:build !purego

#include "textflag.h"

// func maskNEON(p *byte, n int, key uint32)
//
// n is a multiple of 32. R0 is the next byte to load, R3 the next to store, V0 the key over and over.
TEXT ·maskNEON(SB), NOSPLIT, $0-20
	MOVD  p+0(FP), R0
	MOVD  n+8(FP), R1
	MOVWU key+16(FP), R2
	MOVD  R0, R3
	VDUP  R2, V0.S4
	TBZ   $5, R1, pairs
	VLD1.P 32(R0), [V1.B16, V2.B16]
	VEOR  V0.B16, V1.B16, V1.B16
	VEOR  V0.B16, V2.B16, V2.B16
	VST1.P [V1.B16, V2.B16], 32(R3)
	SUB   $32, R1

pairs:
	CBZ R1, done

loop:
	VLD1.P 64(R0), [V1.B16, V2.B16, V3.B16, V4.B16]
	VEOR   V0.B16, V1.B16, V1.B16
	VEOR   V0.B16, V2.B16, V2.B16
	VEOR   V0.B16, V3.B16, V3.B16
	VEOR   V0.B16, V4.B16, V4.B16
	VST1.P [V1.B16, V2.B16, V3.B16, V4.B16], 64(R3)
	SUBS   $64, R1
	BNE    loop

done:
	RET
