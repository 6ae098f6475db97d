//go:build !purego

#include "textflag.h"

// func maskNEON(dst, src *byte, n int, key uint32)
//
// n is a multiple of 32. R0 is the next byte to load, R3 the next to store, V0 the key over and over. A round loads
// everything before it stores anything, so dst may overlap src from below.
TEXT ·maskNEON(SB), NOSPLIT, $0-28
	MOVD  dst+0(FP), R3
	MOVD  src+8(FP), R0
	MOVD  n+16(FP), R1
	MOVWU key+24(FP), R2
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
