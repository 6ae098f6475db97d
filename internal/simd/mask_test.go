package simd

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// maskByteByByte is what Mask means.
func maskByteByByte(p []byte, key uint32) {
	var k [4]byte
	binary.LittleEndian.PutUint32(k[:], key)
	for i := range p {
		p[i] ^= k[i%4]
	}
}

// randomBytes returns n bytes of rng.
func randomBytes(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// checkMask masks p[begin:end] and wants the bytes around it to stay.
func checkMask(t *testing.T, p []byte, begin, end int, key uint32) {
	t.Helper()
	want := bytes.Clone(p)
	maskByteByByte(want[begin:end], key)
	MaskTo(p[begin:end], p[begin:end], key)
	if !bytes.Equal(p, want) {
		t.Fatalf("%d bytes at offset %d, key %08x: wrong bytes", end-begin, begin, key)
	}
}

// checkMaskTo masks src into dst, which may have room for more, and wants the bytes behind to stay, as those of src.
func checkMaskTo(t *testing.T, dst, src []byte, key uint32) {
	t.Helper()
	before := bytes.Clone(src)
	want := bytes.Clone(dst)
	copy(want, src)
	maskByteByByte(want[:len(src)], key)
	MaskTo(dst, src, key)
	if !bytes.Equal(dst, want) {
		t.Fatalf("%d bytes, key %08x: wrong bytes", len(src), key)
	}
	if !bytes.Equal(src, before) {
		t.Fatalf("%d bytes, key %08x: the source has changed", len(src), key)
	}
}

func TestMaskToEveryLengthAndAlignment(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 3))
		src, dst := randomBytes(rng, 512), randomBytes(rng, 512)
		for n := range 257 {
			for offset := range 33 {
				key := bits.RotateLeft32(0x3D21FA37, -8*(offset&3))
				checkMaskTo(t, dst[offset:], src[7:7+n], key)
				checkMaskTo(t, dst[7:], src[offset:offset+n], key)
			}
		}
		long, room := randomBytes(rng, 3*maxRun), make([]byte, 3*maxRun+9)
		for range 50 {
			begin := rng.IntN(len(long))
			checkMaskTo(t, room[rng.IntN(8):], long[begin:begin+rng.IntN(len(long)-begin+1)], rng.Uint32())
		}
	})
}

// A payload that stands a little behind where it belongs, since the header turned out shorter, moves down.
func TestMaskToOverlapFromBelow(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 3))
		for distance := range 40 {
			for n := range 300 {
				key := rng.Uint32()
				p := randomBytes(rng, distance+n)
				want := bytes.Clone(p[distance:])
				maskByteByByte(want, key)
				MaskTo(p, p[distance:], key)
				if !bytes.Equal(p[:n], want) {
					t.Fatalf("%d bytes moved by %d, key %08x: wrong bytes", n, distance, key)
				}
			}
		}
	})
}

func TestMaskEveryLengthAndAlignment(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		p := randomBytes(rand.New(rand.NewPCG(5, 3)), 512)
		for n := range 257 {
			for offset := range 64 {
				// The four rotations of a key are its phases.
				for phase := range 4 {
					checkMask(t, p, 64+offset, 64+offset+n, bits.RotateLeft32(0x3D21FA37, -8*phase))
				}
			}
		}
	})
}

func TestMaskLong(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 3))
		p := randomBytes(rng, 3*maxRun)
		for range 50 {
			begin := rng.IntN(len(p))
			checkMask(t, p, begin, begin+rng.IntN(len(p)-begin+1), rng.Uint32())
		}
		checkMask(t, p, 0, len(p), rng.Uint32())
	})
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), uint32(0x3D21FA37), 0)
	f.Add(bytes.Repeat([]byte("0123456789"), 30), uint32(0xFF00), 7)
	f.Add(make([]byte, 1000), uint32(0x01020304), 999)
	f.Fuzz(func(t *testing.T, p []byte, key uint32, cut int) {
		want := bytes.Clone(p)
		maskByteByByte(want, key)
		cut = int(uint(cut) % uint(len(p)+1))
		rest := bits.RotateLeft32(key, -8*(cut&3)) // where the second piece is in the key
		atEveryLevel(t, func(t *testing.T) {
			got := bytes.Clone(p)
			MaskTo(got, got, key)
			if !bytes.Equal(got, want) {
				t.Fatal("wrong bytes")
			}
			got = bytes.Clone(p)
			MaskTo(got[:cut], got[:cut], key)
			MaskTo(got[cut:], got[cut:], rest)
			if !bytes.Equal(got, want) {
				t.Fatalf("cut at %d: wrong bytes", cut)
			}
		})
	})
}

func BenchmarkMask(b *testing.B) {
	for _, size := range sizes {
		// A payload stands behind a header of two to fourteen bytes.
		p, q := make([]byte, 6+size)[6:], make([]byte, 6+size)[6:]
		benchmark(b, "copy", size, func() { copy(q, p) })
		benchmarkAtEveryLevel(b, size, func() { MaskTo(p, p, 0x3D21FA37) })
		benchmark(b, "bytes", size, func() { maskByteByByte(p, 0x3D21FA37) })
	}
}

func BenchmarkMaskTo(b *testing.B) {
	for _, size := range sizes {
		p, q := make([]byte, 6+size)[6:], make([]byte, 6+size)[6:]
		benchmark(b, "copy", size, func() { copy(q, p) })
		benchmark(b, "copy+Mask", size, func() { copy(q, p); MaskTo(q, q, 0x3D21FA37) })
		benchmarkAtEveryLevel(b, size, func() { MaskTo(q, p, 0x3D21FA37) })
	}
}
