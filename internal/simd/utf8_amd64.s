//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The idea, and what the tables are, is told in utf8tables.go. The kernels check n bytes at p, at least one block, and
// look at the three before p, which must be there. They return how many bytes are sound: all n, or those before the
// block with the first mistake. The last block ends where the text does, and so may overlap with the one before it.
//
// SI is the text, CX the place of the last block in it, AX that of the present one. Registers 0 to 6 hold the tables
// and constants.

// CHECK adds the mistakes in the 32 bytes cur to Y15. Loads from one, two and three bytes before cur bring what is
// before each byte into its place.
#define CHECK(cur, at1, at2, at3) \
	VMOVDQU  at2, Y11;        \
	VPSUBUSB Y4, Y11, Y11;    /* after E0 and above, two back, a byte must continue */ \
	VMOVDQU  at3, Y12;        \
	VPSUBUSB Y5, Y12, Y12;    /* after F0 and above, three back, too */ \
	VPOR     Y11, Y12, Y11;   \
	VPAND    Y6, Y11, Y11;    \
	VMOVDQU  at1, Y12;        /* the first bytes of the pairs */ \
	VPSRLW   $4, Y12, Y13;    \
	VPAND    Y3, Y13, Y13;    \
	VPSHUFB  Y13, Y0, Y13;    /* looks up their high nibbles */ \
	VPAND    Y3, Y12, Y12;    \
	VPSHUFB  Y12, Y1, Y12;    /* their low nibbles */ \
	VPAND    Y12, Y13, Y12;   \
	VPSRLW   $4, cur, Y13;    \
	VPAND    Y3, Y13, Y13;    \
	VPSHUFB  Y13, Y2, Y13;    /* the high nibbles of the second bytes */ \
	VPAND    Y12, Y13, Y12;   \
	VPXOR    Y11, Y12, Y12;   \
	VPOR     Y12, Y15, Y15

// func utf8AVX2(p *byte, n int, t *utf8Tables) int
//
// A block is 64 bytes.
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
	VPXOR          Y15, Y15, Y15
	SUBQ           $64, CX
	XORL           AX, AX

block:
	VMOVDQU (SI)(AX*1), Y8
	VMOVDQU 32(SI)(AX*1), Y9

	// Nothing can be wrong if the block is ASCII, and the three bytes before it too.
	VPOR      -3(SI)(AX*1), Y8, Y10
	VPOR      Y9, Y10, Y10
	VPMOVMSKB Y10, BX
	TESTL     BX, BX
	JZ        next

	CHECK(Y8, -1(SI)(AX*1), -2(SI)(AX*1), -3(SI)(AX*1))
	CHECK(Y9, 31(SI)(AX*1), 30(SI)(AX*1), 29(SI)(AX*1))
	VPTEST Y15, Y15
	JNZ    done

next:
	ADDQ $64, AX
	CMPQ AX, CX
	JLE  block

	// Less than a block is left: if anything, go back to where a whole one is.
	LEAQ 64(CX), BX
	CMPQ AX, BX
	JGE  done
	MOVQ CX, AX
	JMP  block

done:
	MOVQ AX, ret+24(FP)
	VZEROUPPER
	RET

// func utf8SSSE3(p *byte, n int, t *utf8Tables) int
//
// A block is 16 bytes. An instruction overwrites an operand here, so it works on copies.
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
	PXOR  X15, X15
	SUBQ  $16, CX
	XORL  AX, AX

block:
	MOVOU    (SI)(AX*1), X8
	MOVOU    -3(SI)(AX*1), X12
	MOVO     X12, X10
	POR      X8, X10
	PMOVMSKB X10, BX
	TESTL    BX, BX
	JZ       next

	// Two and three bytes back, as in CHECK.
	MOVOU   -2(SI)(AX*1), X11
	PSUBUSB X4, X11
	PSUBUSB X5, X12
	POR     X12, X11
	PAND    X6, X11

	// The pairs.
	MOVOU    -1(SI)(AX*1), X12
	MOVO     X12, X13
	PSRLW    $4, X13
	PAND     X3, X13
	MOVO     X0, X9
	PSHUFB   X13, X9
	PAND     X3, X12
	MOVO     X1, X10
	PSHUFB   X12, X10
	PAND     X10, X9
	PSRLW    $4, X8
	PAND     X3, X8
	MOVO     X2, X10
	PSHUFB   X8, X10
	PAND     X10, X9

	PXOR     X11, X9
	PCMPEQB  X15, X9
	PMOVMSKB X9, BX
	CMPL     BX, $0xFFFF
	JNE      done

next:
	ADDQ $16, AX
	CMPQ AX, CX
	JLE  block
	LEAQ 16(CX), BX
	CMPQ AX, BX
	JGE  done
	MOVQ CX, AX
	JMP  block

done:
	MOVQ AX, ret+24(FP)
	RET
