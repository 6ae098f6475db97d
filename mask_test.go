package websocket

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

var maskTestKey = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// maskByteByByte is the masking as RFC 6455, section 5.3, writes it down.
func maskByteByByte(p []byte, key [4]byte, pos int) {
	for i := range p {
		p[i] ^= key[(pos+i)%4]
	}
}

// checkMask masks n random bytes that begin at offset in a larger slice, and
// wants nothing around them to change.
func checkMask(t *testing.T, rng *rand.Rand, n, pos, offset int) {
	t.Helper()
	const guard = 48
	got := make([]byte, guard+offset+n+guard)
	for i := range got {
		got[i] = byte(rng.Uint32())
	}
	want := bytes.Clone(got)
	begin, end := guard+offset, guard+offset+n
	maskByteByByte(want[begin:end], maskTestKey, pos)
	// The capacity reaches over the guard, as it does in a read buffer.
	if next := Mask(got[begin:end], maskTestKey, pos); next != (pos+n)%4 {
		t.Fatalf("length %d at pos %d: next pos %d", n, pos, next)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("length %d at pos %d, offset %d: wrong bytes", n, pos, offset)
	}
}

func TestMaskExampleOfRFC(t *testing.T) {
	// RFC 6455, section 5.7: a single-frame masked text message.
	p := []byte{0x7f, 0x9f, 0x4d, 0x51, 0x58}
	Mask(p, maskTestKey, 0)
	if string(p) != "Hello" {
		t.Fatalf("got %q", p)
	}
}

func TestMaskEveryLengthPosAndAlignment(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	for n := range 300 {
		for pos := range 4 {
			for offset := range 16 {
				checkMask(t, rng, n, pos, offset)
			}
		}
	}
}

func TestMaskLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	for range 200 {
		checkMask(t, rng, rng.IntN(100_000), rng.IntN(4), rng.IntN(16))
	}
}

func TestMaskUsesOnlyTheLowBitsOfPos(t *testing.T) {
	const maxInt = int(^uint(0) >> 1)
	for _, pos := range []int{4, 7, 1 << 20, maxInt, maxInt - 1, -1, -6} {
		got, want := []byte("abcdefghijk"), []byte("abcdefghijk")
		next, low := Mask(got, maskTestKey, pos), pos&3
		maskByteByByte(want, maskTestKey, low)
		if !bytes.Equal(got, want) || next != (low+len(got))%4 {
			t.Errorf("pos %d: next %d, % x, want % x", pos, next, got, want)
		}
	}
}

func TestMaskPieceByPiece(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	original := make([]byte, 4096)
	for i := range original {
		original[i] = byte(rng.Uint32())
	}
	for range 500 {
		whole := bytes.Clone(original[:rng.IntN(len(original))])
		pieces := bytes.Clone(whole)
		Mask(whole, maskTestKey, 0)
		pos := 0
		for rest := pieces; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			pos = Mask(rest[:n], maskTestKey, pos)
			rest = rest[n:]
		}
		if !bytes.Equal(pieces, whole) {
			t.Fatalf("%d bytes in pieces differ", len(whole))
		}
		Mask(pieces, maskTestKey, 0)
		if !bytes.Equal(pieces, original[:len(pieces)]) {
			t.Fatalf("%d bytes masked twice differ", len(pieces))
		}
	}
}

func TestMaskDoesNotAllocate(t *testing.T) {
	p := make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() { Mask(p, maskTestKey, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 125, 1 << 10, 16 << 10, 1 << 20} {
		p, q := make([]byte, size), make([]byte, size)
		b.Run(fmt.Sprintf("%d/mask", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				Mask(p, maskTestKey, 0)
			}
		})
		b.Run(fmt.Sprintf("%d/copy", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				copy(q, p)
			}
		})
	}
}
