//go:build !race

package deflate

import (
	"slices"
	"testing"
)

// The race detector makes sync.Pool drop blocks at random, hence the build tag.

// In steady state a message costs no allocation: whole or in pieces, with and without takeover.
func TestNoAllocations(t *testing.T) {
	p := jsonMessage(4<<10, 1)
	for _, takeover := range []bool{false, true} {
		sent := deflated(t, 6, takeover, slices.Repeat([][]byte{p}, 40)...)
		for i, cut := range []cutter{whole, func(n int) int { return min(n, 10) }} {
			d := NewDecoder(15, takeover)
			dst := make([]byte, 0, len(p))
			next := 0
			message := func() {
				got, err := decodeMessage(d, dst, sent[next], cut)
				if err != nil || len(got) != len(p) {
					t.Fatal(len(got), err)
				}
				next++
			}
			for range 10 {
				message() // fill the window and the pool
			}
			if n := testing.AllocsPerRun(20, message); n != 0 {
				t.Errorf("takeover %t, cut %d: %v allocations", takeover, i, n)
			}
		}
	}
}
