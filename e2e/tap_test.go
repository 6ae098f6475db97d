package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
)

// tap keeps what a connection has written.
type tap struct {
	net.Conn
	mu      sync.Mutex
	written []byte
}

// dial is for [websocket.Dialer.DialContext].
func (w *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	w.Conn = conn
	return w, err
}

func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = append(w.written, p...)
	return w.Conn.Write(p)
}

// frames returns the first byte of each frame behind the handshake. It has its own few lines for the header, so that
// the library does not judge itself.
func (w *tap) frames(t *testing.T) []byte {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	_, rest, found := bytes.Cut(w.written, []byte("\r\n\r\n"))
	if !found {
		t.Fatalf("no handshake on the wire: %.100q", w.written)
	}
	var first []byte
	for len(rest) > 0 {
		if rest[1]&0x80 == 0 {
			t.Fatal("a client's frame is not masked")
		}
		first = append(first, rest[0])
		header, length := 6, uint64(rest[1]&0x7f)
		switch length {
		case 126:
			header, length = 8, uint64(binary.BigEndian.Uint16(rest[2:]))
		case 127:
			header, length = 14, binary.BigEndian.Uint64(rest[2:])
		}
		rest = rest[uint64(header)+length:]
	}
	return first
}
