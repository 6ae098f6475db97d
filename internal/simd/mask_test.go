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
	Mask(p[begin:end], key)
	if !bytes.Equal(p, want) {
		t.Fatalf("%d bytes at offset %d, key %08x: wrong bytes", end-begin, begin, key)
	}
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
			Mask(got, key)
			if !bytes.Equal(got, want) {
				t.Fatal("wrong bytes")
			}
			got = bytes.Clone(p)
			Mask(got[:cut], key)
			Mask(got[cut:], rest)
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
		benchmarkAtEveryLevel(b, size, func() { Mask(p, 0x3D21FA37) })
		benchmark(b, "bytes", size, func() { maskByteByByte(p, 0x3D21FA37) })
	}
}
