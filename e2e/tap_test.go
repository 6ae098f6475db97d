package e2e

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// A tap is a listener that passes connections on to a server and keeps what both sides have sent.
type tap struct {
	addr string

	mu    sync.Mutex
	conns []*tapped // in the order in which they came
}

// tapped is one connection.
type tapped struct {
	client, server recording // what each of them has sent
}

// startTap starts a tap in front of the server at addr.
func startTap(t *testing.T, addr string) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	w := &tap{addr: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go w.pass(client.(*net.TCPConn), addr)
		}
	}()
	return w
}

// pass passes a connection on, until both sides have ended it.
func (w *tap) pass(client *net.TCPConn, addr string) {
	defer client.Close()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	both := new(tapped)
	w.mu.Lock()
	w.conns = append(w.conns, both)
	w.mu.Unlock()
	var passed sync.WaitGroup
	passed.Go(func() { both.client.pass(server, client) })
	passed.Go(func() { both.server.pass(client, server) })
	passed.Wait()
}

// tapURL starts a tap in front of the server with this URL, and returns it with the URL of the tap.
func tapURL(t *testing.T, url string) (*tap, string) {
	t.Helper()
	scheme, rest, _ := strings.Cut(url, "://")
	addr, path, _ := strings.Cut(rest, "/")
	w := startTap(t, addr)
	return w, scheme + "://" + w.addr + "/" + path
}

// conn returns connection number i of those that were made.
func (w *tap) conn(t *testing.T, i int) *tapped {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if i >= len(w.conns) {
		t.Fatalf("%d connections were tapped; want number %d", len(w.conns), i)
	}
	return w.conns[i]
}

// A recording is what one side of a connection has sent.
type recording struct {
	mu    sync.Mutex
	bytes []byte
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes = append(r.bytes, p...)
	return len(p), nil
}

// pass copies from one side to the other, and the end of what it sends too. What is kept has not been passed on yet, so
// that nobody has seen what is not kept.
func (r *recording) pass(to, from *net.TCPConn) {
	if _, err := io.Copy(to, io.TeeReader(from, r)); err != nil {
		to.SetLinger(0) // the other side shall see a reset as well
		to.Close()
		return
	}
	to.CloseWrite()
}

// A frame is what a test wants to know of it: RFC 6455, section 5.2.
type frame struct {
	first  byte // FIN, RSV1 to RSV3, opcode
	masked bool
	length int
}

func (f frame) rsv1() bool { return f.first&0x40 != 0 }

// head returns the HTTP message that one side has sent, and frames the frames behind it. They have their own few lines,
// so that the library does not judge itself.
func (r *recording) head() (head, rest []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	head, rest, _ = bytes.Cut(r.bytes, []byte("\r\n\r\n"))
	return head, rest
}

func (r *recording) frames(t *testing.T) (frames []frame) {
	t.Helper()
	head, rest := r.head()
	if !bytes.Contains(head, []byte("HTTP/1.1")) {
		t.Fatalf("no handshake on the wire: %.100q", head)
	}
	for len(rest) > 0 {
		f := frame{first: rest[0], masked: rest[1]&0x80 != 0, length: int(rest[1] & 0x7f)}
		header := 2
		switch f.length {
		case 126:
			header, f.length = 4, int(binary.BigEndian.Uint16(rest[2:]))
		case 127:
			header, f.length = 10, int(binary.BigEndian.Uint64(rest[2:]))
		}
		if f.masked {
			header += 4
		}
		frames = append(frames, f)
		rest = rest[header+f.length:]
	}
	return frames
}
