//go:build !race

package memconn

import "testing"

// The race detector makes sync.Pool drop blocks at random, hence the build tag.
func TestConversationDoesNotAllocate(t *testing.T) {
	a, b := Pair(0)
	p := make([]byte, 4000)
	if n := testing.AllocsPerRun(200, func() {
		a.Write(p)
		b.Read(p)
		b.Write(p[:10])
		a.Read(p)
	}); n != 0 {
		t.Errorf("%v allocations for each exchange", n)
	}
}
