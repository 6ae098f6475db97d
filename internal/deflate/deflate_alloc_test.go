//go:build !race

package deflate

import "testing"

// The race detector makes sync.Pool drop blocks at random, hence the build tag.

// In steady state a message costs no allocation.
func TestEncoderAllocatesNothing(t *testing.T) {
	p := jsonMessage(4<<10, 1)
	for _, windowBits := range []int{9, 15} {
		for _, level := range levels {
			for _, takeover := range []bool{false, true} {
				e := NewEncoder(windowBits, takeover, level)
				dst := make([]byte, 0, len(p)+64)
				if n := testing.AllocsPerRun(20, func() { e.Append(dst, p) }); n != 0 {
					t.Errorf("%d bits, level %d, takeover %t: %v allocations", windowBits, level, takeover, n)
				}
			}
		}
	}
}
