//go:build !race

package websocket

import "testing"

// The race detector makes sync.Pool drop buffers at random, hence the build tag.
func TestStreamDoesNotAllocate(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := streamPair(t, p, BinaryMessage)
		buf := make([]byte, 1000)
		if n := testing.AllocsPerRun(200, func() {
			client.Write(buf)
			for n := 0; n < len(buf); {
				m, err := server.Read(buf[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += m
			}
		}); n != 0 {
			t.Errorf("%v allocations for a Write and its Read", n)
		}
	})
}
