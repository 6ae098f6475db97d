package websocket

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipeDefaults(t *testing.T) {
	for _, opts := range []*PipeOptions{nil, {}} {
		server, client := Pipe(opts)
		server.WriteMessage(TextMessage, []byte("to the client"))
		client.WriteMessage(BinaryMessage, []byte("to the server"))
		wantMessage(t, client, TextMessage, "to the client")
		wantMessage(t, server, BinaryMessage, "to the server")
		if server.Subprotocol() != "" || server.RemoteAddr().Network() != "pipe" {
			t.Errorf("subprotocol %q, address %v", server.Subprotocol(), server.RemoteAddr())
		}
	}
}

// What the client sends is masked, what the server sends is not: the bytes are those of a socket.
func TestPipeSidesMaskAsTheyShould(t *testing.T) {
	server, client := Pipe(nil)
	server.WriteMessage(TextMessage, []byte("Hello"))
	client.WriteMessage(TextMessage, []byte("Hello"))
	p := make([]byte, 32)
	if n, _ := client.NetConn().Read(p); string(p[:n]) != "\x81\x05Hello" { // RFC 6455, section 5.7
		t.Errorf("the server sent % x", p[:n])
	}
	n, _ := server.NetConn().Read(p)
	if h, size := ParseHeader(p[:n]); !h.Masked || h.Opcode != OpText || size+5 != n {
		t.Errorf("the client sent % x", p[:n])
	}
}

func TestPipeSubprotocol(t *testing.T) {
	server, client := Pipe(&PipeOptions{Subprotocol: "chat"})
	if server.Subprotocol() != "chat" || client.Subprotocol() != "chat" {
		t.Errorf("%q and %q", server.Subprotocol(), client.Subprotocol())
	}
}

func TestPipeOptionsHoldForTheirSideOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(&PipeOptions{Server: PipeSide{ReadLimit: 10}})
		server.WriteMessage(TextMessage, []byte(strings.Repeat("x", 11)))
		client.WriteMessage(TextMessage, []byte(strings.Repeat("x", 11)))
		wantMessage(t, client, TextMessage, strings.Repeat("x", 11))
		client.Drain()
		if _, _, err := server.ReadMessage(); !errors.Is(err, ErrReadLimit) {
			t.Errorf("server: %v, want ErrReadLimit", err)
		}
	})
}

func TestPipeTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := &PipeOptions{
			BufferSize: 100,
			Server:     PipeSide{WriteTimeout: 3 * time.Second},
			Client:     PipeSide{CloseTimeout: 2 * time.Second},
		}
		server, _ := Pipe(opts)
		_, client := Pipe(opts)
		for _, c := range []struct {
			name string
			f    func() error
			want time.Duration
		}{
			{"a write that nobody reads", func() error { return server.WriteMessage(TextMessage, make([]byte, 200)) }, 3 * time.Second},
			{"a Close that nobody answers", client.Close, 2 * time.Second},
		} {
			start := time.Now()
			err := c.f()
			if d := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || d != c.want {
				t.Errorf("%s: %v after %v, want a timeout after %v", c.name, err, d, c.want)
			}
		}
	})
}

// Keepalive as documented: on for the server, off for the client, each side on its own.
func TestPipeKeepalive(t *testing.T) {
	for _, c := range []struct {
		name           string
		opts           *PipeOptions
		server, client time.Duration // when a read fails that nobody sends anything to; 0: never
	}{
		{"defaults", nil, time.Minute, 0},
		{"off", &PipeOptions{Server: PipeSide{Keepalive: Keepalive{Interval: -1}}}, 0, 0},
		{"client", &PipeOptions{Client: PipeSide{Keepalive: Keepalive{Interval: time.Second, Timeout: 2 * time.Second}}}, time.Minute, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			for side, want := range map[string]time.Duration{"server": c.server, "client": c.client} {
				synctest.Test(t, func(t *testing.T) {
					conn, peer := Pipe(c.opts)
					if side == "client" {
						conn, peer = peer, conn
					}
					conn.SetReadDeadline(time.Now().Add(time.Hour))
					start := time.Now()
					_, _, err := conn.ReadMessage()
					if want == 0 {
						want = time.Hour // the deadline
					}
					if d := time.Since(start); d != want || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%s: %v after %v, want a timeout after %v", side, err, d, want)
					}
					peer.CloseNow()
				})
			}
		})
	}
}

func TestPipeBufferSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(&PipeOptions{BufferSize: 20})
		wrote := make(chan error, 1)
		go func() {
			server.WriteMessage(BinaryMessage, make([]byte, 10))
			wrote <- server.WriteMessage(BinaryMessage, make([]byte, 10))
		}()
		synctest.Wait()
		select {
		case err := <-wrote:
			t.Fatalf("24 bytes in a buffer of 20: %v", err)
		default:
		}
		wantMessage(t, client, BinaryMessage, strings.Repeat("\x00", 10))
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
	})
}

func TestPipeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(nil)
		ended := make(chan error, 1)
		go func() { _, _, err := client.ReadMessage(); ended <- err }()
		if err := server.CloseWith(CloseGoingAway, "bye"); err != nil {
			t.Error(err)
		}
		var ce *CloseError
		if err := <-ended; !errors.As(err, &ce) || ce.Code != CloseGoingAway || ce.Reason != "bye" {
			t.Errorf("client: %v", err)
		}
		<-server.Done()
		<-client.Done()

		server, client = Pipe(nil)
		server.CloseNow()
		if _, _, err := client.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after CloseNow: %v", err)
		}

		server, client = Pipe(nil)
		server.NetConn().(interface{ Reset() }).Reset()
		if _, _, err := client.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after Reset: %v", err)
		}
	})
}
