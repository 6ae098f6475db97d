package simd

import (
	"fmt"
	"testing"
)

// atEveryLevel runs body with each of the kernels that this machine can execute.
func atEveryLevel(t *testing.T, body func(t *testing.T)) {
	for _, l := range levels() {
		t.Run(l.String(), func(t *testing.T) {
			best = l
			defer func() { best = detect() }()
			body(t)
		})
	}
}

// sizes are those of the benchmarks.
var sizes = []int{16, 30, 125, 1 << 10, 16 << 10, 1 << 20}

// benchmarkAtEveryLevel adds f to a benchmark once for each level, as SIZE/LEVEL.
func benchmarkAtEveryLevel(b *testing.B, size int, f func()) {
	defer func() { best = detect() }()
	for _, l := range levels() {
		best = l
		benchmark(b, l.String(), size, f)
	}
}

func benchmark(b *testing.B, name string, size int, f func()) {
	b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
		b.SetBytes(int64(size))
		for b.Loop() {
			f()
		}
	})
}
