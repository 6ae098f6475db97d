package websocket

import (
	"fmt"
	"io"
	"testing"
)

// The tests in this file are those of conn_alloc_test.go for compressed messages.

// allocCompressions is with a context that is taken over and without; without, all sizes compress.
var allocCompressions = map[string]*Compression{
	"takeover": {Send: upTo(15), Receive: upTo(15)}, "no takeover": {Send: no(15), Receive: no(15)},
	"small windows": {Send: upTo(9), Receive: upTo(9)}, "balanced": {Send: upTo(12), Receive: upTo(12), Level: CompressionBalanced},
}

func eachAllocCompression(t *testing.T, f func(t *testing.T, p transportPair, r role, options *Compression)) {
	for name, options := range allocCompressions {
		t.Run(name, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, p transportPair, r role) { f(t, p, r, options) })
		})
	}
}

// independent returns a compressed message that does not reach back, so that it can be sent again and again.
func (p *flatePeer) independent(op Opcode, message string) []byte {
	return p.compressedFrame(op, true, newFlateSender(deflateContext{bits: p.out.bits}).deflate(message))
}

func TestServeCompressedEchoDoesNotAllocate(t *testing.T) {
	eachAllocCompression(t, func(t *testing.T, p transportPair, r role, options *Compression) {
		for _, size := range []int{200, 1000, 16 << 10, 100_000} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withFlate(t, p, r, options)
				message := jsonText(size, 0)
				served := async(func() error {
					return c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }})
				})
				// How long the answer is depends on what came before, so a plain message marks its end.
				mark := "the end"
				send := peer.sender(t, append(peer.independent(OpText, message), peer.frame(OpText, true, mark)...))
				buf := make([]byte, 256<<10)
				wantAllocs(t, 0, func() {
					send()
					for n := 0; !endsWith(buf[:n], mark, r); {
						m, err := peer.nc.Read(buf[n:])
						if n += m; err != nil {
							t.Fatal(err)
						}
					}
				})
				if got := c.Stats(); got.CompressedOut == 0 || got.CompressedOut != got.CompressedIn {
					t.Errorf("%d compressed in, %d out", got.CompressedIn, got.CompressedOut)
				}
				peer.nc.Close()
				<-served
			})
		}
	})
}

// endsWith reports whether frames that a side of role r has sent end with one that holds text.
func endsWith(frames []byte, text string, r role) bool {
	var last [20]byte
	n := len(text)
	if len(frames) < n+6 {
		return false
	}
	copy(last[:], frames[len(frames)-n:])
	if r == clientRole {
		Mask(last[:n], [4]byte(frames[len(frames)-n-4:]), 0)
	}
	return string(last[:n]) == text
}

func TestCompressedWritesDoNotAllocate(t *testing.T) {
	eachAllocCompression(t, func(t *testing.T, p transportPair, r role, options *Compression) {
		for _, size := range []int{200, 1000, 16 << 10, 100_000} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withFlate(t, p, r, options)
				peer.discard()
				for name, payload := range map[string][]byte{"json": []byte(jsonText(size, 0)), "random": []byte(noise(size, 1))} {
					m, err := NewPreparedMessage(BinaryMessage, payload)
					if err != nil {
						t.Fatal(err)
					}
					for way, write := range map[string]func() error{
						"WriteMessage":  func() error { return c.WriteMessage(BinaryMessage, payload) },
						"WritePrepared": func() error { return c.WritePrepared(m) },
					} {
						t.Run(name+way, func(t *testing.T) {
							wantAllocs(t, 0, func() {
								if err := write(); err != nil {
									t.Fatal(err)
								}
							})
						})
					}
				}
				c.CloseNow()
			})
		}
	})
}

// ReadMessage allocates the message.
func TestReadCompressedMessageAllocatesTheMessage(t *testing.T) {
	eachAllocCompression(t, func(t *testing.T, p transportPair, r role, options *Compression) {
		for size, most := range map[int]float64{200: 1, 1000: 1, 4096: 1, 16 << 10: 1, 64 << 10: 1, 1 << 20: 6} {
			if raceEnabled && size > 16<<10 {
				continue // slow, and what it counts is not what it is without the race detector
			}
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withFlate(t, p, r, options)
				send := peer.sender(t, peer.independent(OpBinary, jsonText(size, 0)))
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

func TestAppendCompressedMessageDoesNotAllocate(t *testing.T) {
	eachAllocCompression(t, func(t *testing.T, p transportPair, r role, options *Compression) {
		for _, size := range []int{200, 16 << 10, 200_000} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				c, peer := withFlate(t, p, r, options)
				send := peer.sender(t, peer.independent(OpBinary, jsonText(size, 0)))
				dst := make([]byte, 0, size)
				wantAllocs(t, 0, func() {
					send()
					if _, p, err := c.AppendMessage(dst); err != nil || len(p) != size {
						t.Fatal(len(p), err)
					}
				})
				// Through a NextReader only the reader itself is allocated.
				wantAllocs(t, 1, func() {
					send()
					_, m, err := c.NextReader()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(m, dst[:size]); err != nil {
						t.Fatal(err)
					}
				})
				c.CloseNow()
				peer.nc.Close()
			})
		}
	})
}
