package websocket

import (
	"bytes"
	"fmt"
	"testing"
)

// The next read gets a large buffer if the last one filled what it had, and a medium one if that would have done. A
// buffer that is held while its connection waits never grows.
func TestReadBufferAdapts(t *testing.T) {
	b := readBuffer{pool: mediumPool}
	for i, step := range []struct{ n, want int }{
		{100, mediumBuffer},
		{mediumBuffer - 1, mediumBuffer},
		{mediumBuffer, largeBuffer},
		{mediumBuffer + 1, largeBuffer},
		{largeBuffer, largeBuffer},
		{40_000, largeBuffer},
		{mediumBuffer, mediumBuffer},
		{mediumBuffer - 1, mediumBuffer},
	} {
		b.space()
		b.filled(step.n)
		b.consume(step.n)
		b.release()
		if got := len(b.space()); got != step.want {
			t.Errorf("step %d, after a read of %d bytes: room for %d, want %d", i, step.n, got, step.want)
		}
		b.release()
	}
	small := readBuffer{pool: smallPool}
	small.space()
	small.filled(smallBuffer)
	small.consume(smallBuffer)
	small.release()
	if n := len(small.space()); n != smallBuffer {
		t.Errorf("room for %d bytes where it is held, want %d", n, smallBuffer)
	}
}

// Messages that a large buffer takes have one from the second on; those that pass it by do not.
func TestReadBufferSuitsTheMessages(t *testing.T) {
	for _, tt := range []struct{ size, want int }{
		{100, mediumBuffer}, {16 << 10, mediumBuffer}, {40_000, largeBuffer}, {64 << 10, largeBuffer}, {1 << 20, mediumBuffer},
	} {
		t.Run(fmt.Sprint(tt.size), func(t *testing.T) {
			server, peer := withRaw(t, transports[0], serverRole, connConfig{})
			if server.in.pool == smallPool {
				return // a system on which a buffer is held
			}
			p := numbers(tt.size)
			frame := peer.frame(OpBinary, true, string(p))
			for range 3 {
				sent := async(func() error { _, err := peer.nc.Write(frame); return err })
				if tt.size < 100_000 {
					<-sent // all of it is there when the read begins
				}
				if _, got, err := server.ReadMessage(); err != nil || !bytes.Equal(got, p) {
					t.Fatal("another message has arrived", err)
				}
			}
			if b := getBuffer(server.in.pool); cap(b.b) != tt.want {
				t.Errorf("the next buffer has %d bytes, want %d", cap(b.b), tt.want)
			}
			server.CloseNow()
		})
	}
}
