//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The idea, and what the tables are, is told in utf8tables.go. Both kernels return how many bytes lie before the block
// with the first mistake. Text begins at the first block, as if there were zeros before it. A character that is cut at
// the end of a block shows in the next one; one that is cut at the very end is no mistake.
//
// SI is the text, CX its length, AX the place in it. Registers 0 to 6 hold the tables and constants, 7 the vector of
// text before the present one.

// CHECK ORs the mistakes of the vector cur, which prev precedes, into Y15. prevN below is the vector of the bytes that
// stand N before those of cur.
#define CHECK(prev, cur) \
	VPERM2I128 $0x21, cur, prev, Y10; /* the high half of prev, the low half of cur */ \
	VPALIGNR   $14, Y10, cur, Y11;    /* prev2: E0 and above need another byte here */ \
	VPSUBUSB   Y4, Y11, Y11;          \
	VPALIGNR   $13, Y10, cur, Y12;    /* prev3: F0 and above do */ \
	VPSUBUSB   Y5, Y12, Y12;          \
	VPOR       Y11, Y12, Y11;         \
	VPAND      Y6, Y11, Y11;          /* what they need, in the highest bit */ \
	VPALIGNR   $15, Y10, cur, Y12;    /* prev1: the first bytes of the pairs */ \
	VPSRLW     $4, Y12, Y13;          \
	VPAND      Y3, Y13, Y13;          \
	VPSHUFB    Y13, Y0, Y13;          /* their high nibbles looked up */ \
	VPAND      Y3, Y12, Y12;          \
	VPSHUFB    Y12, Y1, Y12;          /* their low nibbles */ \
	VPAND      Y12, Y13, Y12;         \
	VPSRLW     $4, cur, Y13;          \
	VPAND      Y3, Y13, Y13;          \
	VPSHUFB    Y13, Y2, Y13;          /* the high nibbles of the second bytes */ \
	VPAND      Y12, Y13, Y12;         \
	VPXOR      Y11, Y12, Y12;         \
	VPOR       Y12, Y15, Y15

// func utf8AVX2(p *byte, n int, t *utf8Tables) int
//
// n is a multiple of 64 and not 0.
TEXT ·utf8AVX2(SB), NOSPLIT, $0-32
	MOVQ           p+0(FP), SI
	MOVQ           n+8(FP), CX
	MOVQ           t+16(FP), DX
	VBROADCASTI128 utf8Tables_firstHigh(DX), Y0
	VBROADCASTI128 utf8Tables_firstLow(DX), Y1
	VBROADCASTI128 utf8Tables_secondHigh(DX), Y2
	VBROADCASTI128 utf8Tables_lowNibble(DX), Y3
	VBROADCASTI128 utf8Tables_threeUp(DX), Y4
	VBROADCASTI128 utf8Tables_fourUp(DX), Y5
	VBROADCASTI128 utf8Tables_highest(DX), Y6
	VPXOR          Y7, Y7, Y7
	VPXOR          Y15, Y15, Y15
	XORL           AX, AX

loop:
	VMOVDQU (SI)(AX*1), Y8
	VMOVDQU 32(SI)(AX*1), Y9

	// Nothing can be wrong if the block is ASCII, and the vector before it too.
	VPOR      Y8, Y9, Y10
	VPOR      Y7, Y10, Y10
	VPMOVMSKB Y10, BX
	TESTL     BX, BX
	JZ        next

	CHECK(Y7, Y8)
	CHECK(Y8, Y9)
	VPTEST Y15, Y15
	JNZ    done

next:
	VMOVDQA Y9, Y7
	ADDQ    $64, AX
	CMPQ    AX, CX
	JB      loop

done:
	MOVQ AX, ret+24(FP)
	VZEROUPPER
	RET

// func utf8SSSE3(p *byte, n int, t *utf8Tables) int
//
// n is a multiple of 16 and not 0. Instructions overwrite an operand here, so X9 to X13 are copies.
TEXT ·utf8SSSE3(SB), NOSPLIT, $0-32
	MOVQ  p+0(FP), SI
	MOVQ  n+8(FP), CX
	MOVQ  t+16(FP), DX
	MOVOU utf8Tables_firstHigh(DX), X0
	MOVOU utf8Tables_firstLow(DX), X1
	MOVOU utf8Tables_secondHigh(DX), X2
	MOVOU utf8Tables_lowNibble(DX), X3
	MOVOU utf8Tables_threeUp(DX), X4
	MOVOU utf8Tables_fourUp(DX), X5
	MOVOU utf8Tables_highest(DX), X6
	PXOR  X7, X7
	PXOR  X14, X14
	XORL  AX, AX

loop:
	MOVOU    (SI)(AX*1), X8
	MOVO     X8, X9
	POR      X7, X9
	PMOVMSKB X9, BX
	TESTL    BX, BX
	JZ       next

	// The bytes two and three before, E0 and F0 and above, need one more here.
	MOVO    X8, X9
	PALIGNR $14, X7, X9
	PSUBUSB X4, X9
	MOVO    X8, X10
	PALIGNR $13, X7, X10
	PSUBUSB X5, X10
	POR     X10, X9
	PAND    X6, X9

	// The pairs.
	MOVO    X8, X10
	PALIGNR $15, X7, X10
	MOVO    X10, X11
	PSRLW   $4, X11
	PAND    X3, X11
	MOVO    X0, X12
	PSHUFB  X11, X12
	PAND    X3, X10
	MOVO    X1, X13
	PSHUFB  X10, X13
	PAND    X13, X12
	MOVO    X8, X10
	PSRLW   $4, X10
	PAND    X3, X10
	MOVO    X2, X13
	PSHUFB  X10, X13
	PAND    X13, X12

	PXOR     X9, X12
	PCMPEQB  X14, X12
	PMOVMSKB X12, BX
	CMPL     BX, $0xFFFF
	JNE      done

next:
	MOVO X8, X7
	ADDQ $16, AX
	CMPQ AX, CX
	JB   loop

done:
	MOVQ AX, ret+24(FP)
	RET
