//go:build !race

package websocket

import (
	"testing"
	"time"
)

// Time limits by deadline cost no allocation, and neither does reading into memory of the caller's; a ReadMessage costs
// the message. The race detector makes sync.Pool drop buffers at random, hence the build tag.
func TestReadingAllocates(t *testing.T) {
	tests := []struct {
		name string
		want float64
		read func(c *Conn, buf []byte) ([]byte, error)
	}{
		{"AppendMessage under a deadline", 0, func(c *Conn, buf []byte) ([]byte, error) {
			c.SetReadDeadline(time.Now().Add(time.Minute))
			_, p, err := c.AppendMessage(buf[:0])
			return p, err
		}},
		{"ReadMessage under a deadline", 1, func(c *Conn, _ []byte) ([]byte, error) {
			c.SetReadDeadline(time.Now().Add(time.Minute))
			_, p, err := c.ReadMessage()
			return p, err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, p transportPair) {
				server, client := connPair(t, p, connConfig{})
				message, buf := make([]byte, 1000), make([]byte, 0, 2000)
				if n := testing.AllocsPerRun(200, func() {
					client.SetWriteDeadline(time.Now().Add(time.Minute))
					if err := client.WriteMessage(BinaryMessage, message); err != nil {
						t.Fatal(err)
					}
					if got, err := tt.read(server, buf); err != nil || len(got) != len(message) {
						t.Fatal(len(got), err)
					}
				}); n != tt.want {
					t.Errorf("%v allocations for a message, want %v", n, tt.want)
				}
				client.CloseNow()
			})
		})
	}
}
