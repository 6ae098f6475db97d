//go:build !purego

#include "textflag.h"

// In both kernels: SI the next byte, DI where it goes, CX the bytes to do, register 0 the key over and over. A round loads
// everything before it stores anything, so dst may overlap src from below.

// func maskAVX2(dst, src *byte, n int, key uint32)
//
// n is a multiple of 32. It is fastest if dst is one too: then no store touches two cache lines.
TEXT ·maskAVX2(SB), NOSPLIT, $0-28
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	MOVL         key+24(FP), AX
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0
	SUBQ         $128, CX
	JB           rest

four:
	VPXOR   (SI), Y0, Y1
	VPXOR   32(SI), Y0, Y2
	VPXOR   64(SI), Y0, Y3
	VPXOR   96(SI), Y0, Y4
	VMOVDQU Y1, (DI)
	VMOVDQU Y2, 32(DI)
	VMOVDQU Y3, 64(DI)
	VMOVDQU Y4, 96(DI)
	ADDQ    $128, SI
	ADDQ    $128, DI
	SUBQ    $128, CX
	JAE     four

rest:
	ADDQ $128, CX
	JZ   done

one:
	VPXOR   (SI), Y0, Y1
	VMOVDQU Y1, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $32, CX
	JNZ     one

done:
	VZEROUPPER
	RET

// func maskSSE2(dst, src *byte, n int, key uint32)
//
// n is a multiple of 32.
TEXT ·maskSSE2(SB), NOSPLIT, $0-28
	MOVQ   dst+0(FP), DI
	MOVQ   src+8(FP), SI
	MOVQ   n+16(FP), CX
	MOVL   key+24(FP), AX
	MOVL   AX, X0
	PSHUFD $0, X0, X0
	TESTQ  CX, CX
	JZ     done

two:
	MOVOU (SI), X1
	MOVOU 16(SI), X2
	PXOR  X0, X1
	PXOR  X0, X2
	MOVOU X1, (DI)
	MOVOU X2, 16(DI)
	ADDQ  $32, SI
	ADDQ  $32, DI
	SUBQ  $32, CX
	JNZ   two

done:
	RET
