package websocket

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
	"testing"
)

// drawKeys draws n keys in each of several goroutines, as many connections do. The keys of one follow each other.
func drawKeys(goroutines, n int) []uint32 {
	keys := make([]uint32, goroutines*n)
	var wg sync.WaitGroup
	for mine := range slices.Chunk(keys, n) {
		wg.Go(func() {
			for i := range mine {
				key := nextMaskKey()
				mine[i] = binary.LittleEndian.Uint32(key[:])
			}
		})
	}
	wg.Wait()
	return keys
}

// RFC 6455, section 5.3: keys are fresh. A batch is drawn once and used once, also by goroutines that share them: among
// so few of 2^32 hardly two are equal by chance; three pairs are not to be expected in a lifetime.
func TestMaskKeysAreFresh(t *testing.T) {
	keys := drawKeys(8, 1000)
	slices.Sort(keys)
	if differ := len(slices.Compact(slices.Clone(keys))); differ < len(keys)-2 {
		t.Errorf("%d keys, of which %d differ", len(keys), differ)
	}
}

// RFC 6455, section 5.3: a key does not tell the next one. Each bit is set in half of the keys, and changes from one key
// to the next in half of the cases, within seven standard deviations.
func TestMaskKeysAreIndependent(t *testing.T) {
	const n = 20_000
	keys := drawKeys(1, n+1)
	var set, changed [32]int
	for i, key := range keys[:n] {
		countBits(key, &set)
		countBits(key^keys[i+1], &changed)
	}
	most := 7 * math.Sqrt(n) / 2
	for bit := range 32 {
		if math.Abs(float64(set[bit]-n/2)) > most || math.Abs(float64(changed[bit]-n/2)) > most {
			t.Errorf("bit %d is set in %d of %d keys and changes %d times", bit, set[bit], n, changed[bit])
		}
	}
}

// countBits adds the bits that are set in b to counts.
func countBits(b uint32, counts *[32]int) {
	for ; b != 0; b &= b - 1 {
		counts[bits.TrailingZeros32(b)]++
	}
}

func BenchmarkMaskKey(b *testing.B) {
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			nextMaskKey()
		}
	})
	b.Run("one by one", func(b *testing.B) {
		var key [4]byte
		for b.Loop() {
			rand.Read(key[:])
		}
	})
}
