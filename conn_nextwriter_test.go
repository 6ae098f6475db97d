package websocket

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// wantFrame reads a frame of this kind and size.
func (p *rawPeer) wantFrame(op Opcode, fin bool, size int) rawFrame {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.Opcode != op || f.Fin != fin || len(f.payload) != size {
		p.t.Fatalf("the raw peer read %v, %v, want %v fin=%v of %d bytes", f, err, op, fin, size)
	}
	return f
}

// NextWriter cuts a message into fragments of 16 KiB; one that is not larger is a single frame. RFC 6455, section 5.4.
func TestNextWriterFragments(t *testing.T) {
	const k = 16 << 10
	for size, want := range map[int][]int{
		0: {0}, 1: {1}, k - 1: {k - 1}, k: {k}, k + 1: {k, 1}, 2 * k: {k, k}, 3*k + 5: {k, k, k, 5},
	} {
		for _, chunk := range []int{1 << 20, 4096, 1000} {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				w, err := c.NextWriter(BinaryMessage)
				if err != nil {
					t.Fatal(err)
				}
				for p := range slices.Chunk(make([]byte, size), chunk) {
					if n, err := w.Write(p); n != len(p) || err != nil {
						t.Fatal(n, err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				for i, n := range want {
					op := OpContinuation
					if i == 0 {
						op = OpBinary
					}
					peer.wantFrame(op, i == len(want)-1, n)
				}
				if s := c.Stats(); s.MessagesOut != 1 || s.BytesOut != int64(size) {
					t.Errorf("%d messages, %d bytes were counted", s.MessagesOut, s.BytesOut)
				}
				if n, err := w.Write([]byte("x")); n != 0 || err == nil {
					t.Errorf("a Write behind Close: %d, %v", n, err)
				}
				if w.Close() == nil {
					t.Error("a second Close returned nil")
				}
			})
		}
	}
}

// Between the fragments of an open message Pings are answered and sent; messages wait for its end, and those of every
// goroutine leave then. RFC 6455, section 5.4.
func TestNextWriterLetsControlFramesPass(t *testing.T) {
	rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		w, _ := c.NextWriter(BinaryMessage)
		other := async(func() error { return c.WriteMessage(TextMessage, []byte("other")) })
		c.Drain()
		for i := range 3 {
			w.Write(make([]byte, 20<<10)) // more than a fragment
			op := OpContinuation
			if i == 0 {
				op = OpBinary
			}
			peer.wantFrame(op, false, 16<<10)
			peer.send(OpPing, fmt.Sprint(i))
			peer.want(OpPong, fmt.Sprint(i))
			pinged := async(func() error { _, err := c.Ping(t.Context()); return err })
			ping, _ := peer.read()
			peer.send(OpPong, ping.payload)
			if err := <-pinged; err != nil {
				t.Error(err)
			}
			wantBlocked(t, "the other message", other)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		peer.wantFrame(OpContinuation, true, 12<<10)
		if err := <-other; err != nil {
			t.Error(err)
		}
		peer.want(OpText, "other")
	})
}

// Text is judged over all fragments, so that a character may be cut in two; it is refused when it is sent.
func TestNextWriterText(t *testing.T) {
	const k = 16 << 10
	t.Run("a character in two fragments", func(t *testing.T) {
		rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			w, _ := c.NextWriter(TextMessage)
			io.WriteString(w, strings.Repeat("a", k-1)+"ä")
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			peer.wantFrame(OpText, false, k)
			peer.wantFrame(OpContinuation, true, 1)
		})
	})
	for _, bad := range []string{"\xff", "cut short \xc3"} {
		t.Run(fmt.Sprintf("nothing was sent before %q", bad), func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				w, _ := c.NextWriter(TextMessage)
				other := async(func() error { return c.WriteMessage(TextMessage, []byte("usable")) })
				io.WriteString(w, bad)
				wantBlocked(t, "the other message", other)
				if err := w.Close(); err != ErrInvalidUTF8 {
					t.Errorf("Close returned %v", err)
				}
				if err := <-other; err != nil {
					t.Error(err)
				}
				peer.want(OpText, "usable")
				if _, err := w.Write(nil); err != ErrInvalidUTF8 {
					t.Errorf("a Write behind it: %v", err)
				}
			})
		})
		t.Run(fmt.Sprintf("a part was sent before %q", bad), func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				w, _ := c.NextWriter(TextMessage)
				others := make(chan error, 30) // many: one of them may be quick to take the write lock
				for range cap(others) {
					go func() { others <- c.WriteMessage(TextMessage, []byte("never sent")) }()
				}
				synctest.Wait()
				io.WriteString(w, strings.Repeat("a", k)+bad)
				if err := w.Close(); err != ErrInvalidUTF8 {
					t.Errorf("Close returned %v", err)
				}
				peer.wantFrame(OpText, false, k)
				peer.wantClose(CloseInternalError) // a part of a message is not the message
				for range cap(others) {
					if err := <-others; err != ErrInvalidUTF8 {
						t.Errorf("another message: %v", err)
					}
				}
				if err := readOne(c)(); err != ErrInvalidUTF8 {
					t.Errorf("a read: %v", err)
				}
			})
		})
	}
}

// A writer that is left open holds up messages, not the end of the connection, and holds nothing afterwards.
func TestNextWriterLeftOpen(t *testing.T) {
	ends := map[string]func(c *Conn, peer *rawPeer){
		"Close": func(c *Conn, peer *rawPeer) {
			closed := async(c.Close)
			peer.finish(CloseNormal)
			<-closed
		},
		"the peer's Close": func(c *Conn, peer *rawPeer) {
			peer.send(OpClose, "")
			ended := async(readOne(c))
			peer.wantClose(CloseNoStatus)
			peer.nc.Close()
			<-ended
		},
		"CloseNow": func(c *Conn, _ *rawPeer) { c.CloseNow() },
		"lost":     func(c *Conn, peer *rawPeer) { peer.nc.Close(); c.ReadMessage() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				w, _ := c.NextWriter(BinaryMessage)
				other := async(func() error { return c.WriteMessage(TextMessage, []byte("never sent")) })
				second := async(func() error { _, err := c.NextWriter(TextMessage); return err })
				w.Write([]byte("begun"))
				wantBlocked(t, "the other message", other)
				wantBlocked(t, "the second NextWriter", second)
				end(c, peer)
				<-c.Done()
				cause := c.failed()
				errs := map[string]error{"the message": <-other, "the second NextWriter": <-second, "Close": w.Close()}
				for what, err := range errs {
					if err != cause {
						t.Errorf("%s returned %v, want %v", what, err, cause)
					}
				}
				if n, err := w.Write([]byte("more")); n != 0 || err != cause || w.(*messageWriter).buf != nil {
					t.Errorf("a Write afterwards: %d, %v", n, err)
				}
			})
		})
	}
}

func TestNextWriterRefusesTypes(t *testing.T) {
	server, client := Pipe(nil)
	for _, mt := range []MessageType{0, 3, 8, 9, 255} {
		if _, err := server.NextWriter(mt); !errors.Is(err, ErrMessageType) {
			t.Errorf("NextWriter(%d): %v", mt, err)
		}
	}
	if err := server.WriteMessage(TextMessage, []byte("usable")); err != nil {
		t.Error(err)
	}
	wantMessages(t, client, "usable")
	client.CloseNow()
	server.CloseNow()
}
