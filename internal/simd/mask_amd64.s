//go:build !purego

#include "textflag.h"

// In both kernels: SI the next byte, CX the bytes to do, register 0 the key over and over.

// func maskAVX2(p *byte, n int, key uint32)
//
// n is a multiple of 32. It is fastest if p is one too: then no store touches two cache lines.
TEXT ·maskAVX2(SB), NOSPLIT, $0-20
	MOVQ         p+0(FP), SI
	MOVQ         n+8(FP), CX
	MOVL         key+16(FP), AX
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0
	SUBQ         $128, CX
	JB           rest

four:
	VPXOR   (SI), Y0, Y1
	VPXOR   32(SI), Y0, Y2
	VPXOR   64(SI), Y0, Y3
	VPXOR   96(SI), Y0, Y4
	VMOVDQU Y1, (SI)
	VMOVDQU Y2, 32(SI)
	VMOVDQU Y3, 64(SI)
	VMOVDQU Y4, 96(SI)
	ADDQ    $128, SI
	SUBQ    $128, CX
	JAE     four

rest:
	ADDQ $128, CX
	JZ   done

one:
	VPXOR   (SI), Y0, Y1
	VMOVDQU Y1, (SI)
	ADDQ    $32, SI
	SUBQ    $32, CX
	JNZ     one

done:
	VZEROUPPER
	RET

// func maskSSE2(p *byte, n int, key uint32)
//
// n is a multiple of 32.
TEXT ·maskSSE2(SB), NOSPLIT, $0-20
	MOVQ   p+0(FP), SI
	MOVQ   n+8(FP), CX
	MOVL   key+16(FP), AX
	MOVL   AX, X0
	PSHUFD $0, X0, X0
	TESTQ  CX, CX
	JZ     done

two:
	MOVOU (SI), X1
	MOVOU 16(SI), X2
	PXOR  X0, X1
	PXOR  X0, X2
	MOVOU X1, (SI)
	MOVOU X2, 16(SI)
	ADDQ  $32, SI
	SUBQ  $32, CX
	JNZ   two

done:
	RET
