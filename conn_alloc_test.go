package websocket

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"testing"
)

// raceAllocs is how many allocations more a test tolerates under the race detector: see raceEnabled. A message of 1 MiB
// arrives in dozens of pieces, each of which may borrow a buffer.
const raceAllocs = 100

// wantAllocs wants f to allocate at most this many objects, whichever goroutine does it.
func wantAllocs(t *testing.T, most float64, f func()) {
	t.Helper()
	runs := 50
	if raceEnabled {
		most += raceAllocs
		runs = 5 // it is slow, and its numbers say little
	}
	f()                                              // what is made once does not count
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	if n := testing.AllocsPerRun(runs, f); n > most {
		t.Errorf("%v allocations, want at most %v", n, most)
	}
}

// sender writes p to the peer's end as often as it is told, in a goroutine of its own.
func (p *rawPeer) sender(t *testing.T, frames []byte) (send func()) {
	tell := make(chan struct{}, 1)
	t.Cleanup(func() { close(tell) })
	go func() {
		for range tell {
			p.nc.Write(frames)
		}
	}()
	return func() { tell <- struct{}{} }
}

// discard throws away what the peer receives.
func (p *rawPeer) discard() {
	go io.CopyBuffer(writerOnly{io.Discard}, readerOnly{p.nc}, make([]byte, 64<<10))
}

// readerOnly and writerOnly hide methods with which io.Copy would find another way, with other allocations.
type (
	readerOnly struct{ io.Reader }
	writerOnly struct{ io.Writer }
)

func TestServeEchoDoesNotAllocate(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, size := range []int{0, 16, 125, 4000, 16 << 10, 100_000} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withRaw(t, p, r, connConfig{})
				echo := HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }}
				served := async(func() error { return c.Serve(echo) })
				text := strings.Repeat("x", size)
				send := peer.sender(t, peer.frame(OpText, true, text))
				e := encoder{role: r, keys: nextMaskKey}
				answer := e.appendFrame(nil, OpText, true, []byte(text))
				wantAllocs(t, 0, func() {
					send()
					if _, err := io.ReadFull(peer.nc, answer); err != nil {
						t.Fatal(err)
					}
				})
				peer.nc.Close()
				<-served
			})
		}
	})
}

func TestWritesDoNotAllocate(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, size := range []int{0, 16, 125, 4000, 16 << 10, 20_000} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withRaw(t, p, r, connConfig{})
				peer.discard()
				payload := []byte(strings.Repeat("x", size))
				m, err := NewPreparedMessage(TextMessage, payload)
				if err != nil {
					t.Fatal(err)
				}
				wantAllocs(t, 0, func() {
					if err := c.WriteMessage(TextMessage, payload); err != nil {
						t.Fatal(err)
					}
				})
				wantAllocs(t, 0, func() {
					if err := c.WritePrepared(m); err != nil {
						t.Fatal(err)
					}
				})
				c.CloseNow()
			})
		}
	})
}

// ReadMessage allocates the message; more only while it does not believe a length that the peer has declared.
func TestReadMessageAllocatesTheMessage(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for size, most := range map[int]float64{0: 0, 1: 1, 125: 1, 4096: 1, 16 << 10: 1, 64 << 10: 1, 1 << 20: 6} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withRaw(t, p, r, connConfig{})
				send := peer.sender(t, peer.frame(OpBinary, true, string(make([]byte, size))))
				wantAllocs(t, most, func() {
					send()
					if _, p, err := c.ReadMessage(); err != nil || len(p) != size {
						t.Fatal(len(p), err)
					}
				})
				c.CloseNow()
				peer.nc.Close()
			})
		}
	})
}

func TestAppendMessageDoesNotAllocate(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, size := range []int{0, 125, 16 << 10, 200_000} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withRaw(t, p, r, connConfig{})
				send := peer.sender(t, peer.frame(OpBinary, true, string(make([]byte, size))))
				dst := make([]byte, 0, size)
				wantAllocs(t, 0, func() {
					send()
					if _, p, err := c.AppendMessage(dst); err != nil || len(p) != size {
						t.Fatal(len(p), err)
					}
				})
				c.CloseNow()
				peer.nc.Close()
			})
		}
	})
}
