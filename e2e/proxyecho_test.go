package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	websocket "hawser.example/websocket"
)

// startEcho serves connections that echo, and tells how each has ended.
func startEcho(t *testing.T, upgrader *websocket.Upgrader) (addr string, ends <-chan error) {
	t.Helper()
	ended := make(chan error, 1)
	server := httptest.NewServer(upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		return websocket.HandlerFuncs{
			OnMessage: echoOrClose,
			OnClosed:  func(_ *websocket.Conn, err error) { ended <- err },
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), ended
}

// closeNow is what a client asks to be closed with, for each of closings.
func closeNow(i int) []byte { return []byte{'c', 'l', 'o', 's', 'e', byte(i)} }

func echoOrClose(conn *websocket.Conn, kind websocket.MessageType, p []byte) {
	for i, c := range closings {
		if bytes.Equal(p, closeNow(i)) {
			go conn.CloseWith(c.Code, c.Reason)
			return
		}
	}
	conn.WriteMessage(kind, p)
}

func dialEcho(t *testing.T, dialer *websocket.Dialer, addr string) *websocket.Conn {
	t.Helper()
	conn, _, err := dialer.Dial(within(t), "ws://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// wantEcho sends a payload and wants it back.
func wantEcho(t *testing.T, conn *websocket.Conn, p payload) {
	t.Helper()
	connected{conn: conn}.write(t, p)
	kind, data, err := conn.ReadContext(within(t))
	if err != nil || kind != p.kind || !bytes.Equal(data, p.whole()) {
		t.Fatalf("%s: the echo is %v of %d bytes, %.40q, %v", p.name, kind, len(data), data, err)
	}
}

// TestProxyPassesMessages: up to 1 MiB, whole and in fragments, in both directions.
func TestProxyPassesMessages(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		addr, _ := startEcho(t, new(websocket.Upgrader))
		conn := dialEcho(t, new(websocket.Dialer), front(t, addr).passing)
		for _, p := range append(payloads, splitRunes) {
			wantEcho(t, conn, p)
		}
	})
}

// TestProxyPassesCloseCodes: whoever closes, the other side has code and reason.
func TestProxyPassesCloseCodes(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		addr, ends := startEcho(t, new(websocket.Upgrader))
		p := front(t, addr)
		for i, c := range closings {
			conn := dialEcho(t, new(websocket.Dialer), p.passing)
			if err := conn.CloseWith(c.Code, c.Reason); err != nil {
				t.Errorf("the client closes with %v: %v", c.Code, err)
			}
			wantCloseError(t, "the client's Close", <-ends, c)

			conn = dialEcho(t, new(websocket.Dialer), p.passing)
			if err := conn.WriteMessage(websocket.BinaryMessage, closeNow(i)); err != nil {
				t.Fatal(err)
			}
			_, _, err := conn.ReadContext(within(t))
			wantCloseError(t, "the server's Close", err, c)
			<-ends
		}
	})
}

func wantCloseError(t *testing.T, what string, err error, want websocket.CloseError) {
	t.Helper()
	var got *websocket.CloseError
	if !errors.As(err, &got) || got.Code != want.Code || got.Reason != want.Reason {
		t.Errorf("%s arrives as %v; want %v", what, err, &want)
	}
}

// TestProxyCutsIdleConnections: this is why there is keepalive. Both sides are told, if with no Close.
func TestProxyCutsIdleConnections(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		addr, ends := startEcho(t, &websocket.Upgrader{Keepalive: off})
		conn := dialEcho(t, new(websocket.Dialer), front(t, addr).hasty)
		wantEcho(t, conn, payloads[0])
		start := time.Now()
		_, _, err := conn.ReadContext(within(t))
		if took := time.Since(start); !errors.Is(err, io.ErrUnexpectedEOF) || took > proxyIdle+slack {
			t.Errorf("the client's read: %v after %v; want io.ErrUnexpectedEOF after %v", err, took, proxyIdle)
		}
		if err := <-ends; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the server's end: %v; want io.ErrUnexpectedEOF", err)
		}
	})
}

// TestProxyKeptAlive: a keepalive that is shorter than the proxy's limit keeps the connection, whichever side has it.
func TestProxyKeptAlive(t *testing.T) {
	often := websocket.Keepalive{Interval: proxyIdle / 4, Timeout: patience}
	sides := []struct {
		name           string
		server, client websocket.Keepalive
	}{
		{"the server's", often, off},
		{"the client's", off, often},
	}
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		for _, side := range sides {
			t.Run(side.name, func(t *testing.T) {
				t.Parallel()
				addr, _ := startEcho(t, &websocket.Upgrader{Keepalive: side.server})
				conn := dialEcho(t, &websocket.Dialer{Keepalive: side.client}, front(t, addr).hasty)
				wantEcho(t, conn, payloads[0])
				ctx, cancel := context.WithTimeout(t.Context(), 2*proxyIdle)
				defer cancel()
				if _, _, err := conn.ReadContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("a read for twice the proxy's limit: %v; want only the context to end", err)
				}
				wantEcho(t, conn, payloads[0])
				if err := conn.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
	})
}
