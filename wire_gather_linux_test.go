package websocket

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"

	"hawser.example/websocket/internal/wstest"
)

// What a wire gathers is what it would have written one piece after the other, also where the socket takes only a part,
// and wherever in the two pieces that part ends.
func TestGatheredIsInOrder(t *testing.T) {
	for _, head := range []int{1, 10, 5000, 100_000} {
		for _, tail := range []int{0, 1, 4096, 3 << 20} {
			t.Run(fmt.Sprint(head, tail), func(t *testing.T) {
				ours, peer := tcpPair(t)
				ours.(*net.TCPConn).SetWriteBuffer(8 << 10)
				w := newSocketWire(ours).(*socketWire)
				p, q := numbers(head), numbers(tail)
				want := append(bytes.Clone(p), q...)
				received := make(chan []byte, 1)
				go func() {
					all := make([]byte, len(want))
					n, _ := io.ReadFull(peer, all)
					received <- all[:n]
				}()
				for len(p)+len(q) > 0 {
					n, err := w.tryGather(p, q)
					if err != nil {
						t.Fatal(err)
					}
					ofHead := min(n, len(p))
					p, q = p[ofHead:], q[n-ofHead:]
				}
				if !bytes.Equal(<-received, want) {
					t.Error("other bytes have arrived")
				}
				if w.out != nil || w.tail != nil {
					t.Error("the wire still has the memory")
				}
			})
		}
	}
}

// A server's message leaves in one system call, and it is the frame that the encoder makes by copying.
func TestLargeMessageLeavesInOneWrite(t *testing.T) {
	writes := map[string]func(c *Conn, p []byte) error{
		"WriteMessage":      func(c *Conn, p []byte) error { return c.WriteMessage(BinaryMessage, p) },
		"WriteUncompressed": func(c *Conn, p []byte) error { return c.WriteUncompressed(BinaryMessage, p) },
		"WritePrepared": func(c *Conn, p []byte) error {
			m, err := NewPreparedMessage(BinaryMessage, p)
			if err != nil {
				return err
			}
			return c.WritePrepared(m)
		},
	}
	for name, write := range writes {
		for _, size := range []int{1, gatherFrom - 1, gatherFrom, collectLimit, collectLimit + 1, 1 << 17} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				wstest.NoLeaks(t)
				ours, peer := packetPair(t)
				c := newConn(ours, serverRole, connConfig{}, nil)
				p := numbers(size)
				if err := write(c, p); err != nil {
					t.Fatal(err)
				}
				want := (&encoder{}).appendFrame(nil, OpBinary, true, p)
				got := make([]byte, len(want)+1)
				n, err := peer.Read(got) // what was written at once
				if err != nil || !bytes.Equal(got[:n], want) {
					t.Errorf("%d bytes came at once of a frame of %d, %v", n, len(want), err)
				}
				if c.out != nil {
					t.Error("the connection holds a write buffer")
				}
				c.CloseNow()
			})
		}
	}
}

// packetPair returns the ends of a socket of which each write arrives as one packet.
func packetPair(t *testing.T) (ours, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ours, err = net.Dial("unixpacket", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); peer.Close() })
	return ours, peer
}

// A message that the socket takes only in parts, waiting in between, arrives whole, behind the replies that have
// collected before it.
func TestGatheredBehindWhatHasCollected(t *testing.T) {
	wstest.NoLeaks(t)
	ours, peer := tcpPair(t)
	ours.(*net.TCPConn).SetWriteBuffer(8 << 10)
	c := newConn(ours, serverRole, connConfig{}, nil)
	small, large := numbers(300), numbers(2<<20)
	written := async(func() error {
		c.setMore(true) // as the reader does while complete frames wait
		if err := c.WriteMessage(BinaryMessage, small); err != nil {
			return err
		}
		return c.WriteMessage(BinaryMessage, large)
	})
	e := &encoder{}
	want := e.appendFrame(e.appendFrame(nil, OpBinary, true, small), OpBinary, true, large)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other frames have arrived, %v", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	c.CloseNow()
}
