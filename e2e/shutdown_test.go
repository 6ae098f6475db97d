package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	websocket "hawser.example/websocket"
)

// service is an HTTP server with three kinds of WebSocket, which counts the messages whose writing succeeded.
type service struct {
	upgrader websocket.Upgrader
	server   http.Server
	down     chan error // what Upgrader.Shutdown returned
	pushed   atomic.Int64
	echoed   atomic.Int64
	ended    chan error // how pushing ended
}

// startService is the recipe of a server that stops without losing anything; shutdown is its other half.
func startService(t *testing.T) (s *service, addr string) {
	t.Helper()
	s = &service{down: make(chan error, 1), ended: make(chan error, 1)}
	s.upgrader.CloseTimeout = patience // this machine may be slow, which is not what is tested
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>shutdown</title><link rel=icon href=data:,>")
	})
	routes.Handle("/idle", s.upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return nil }))
	routes.Handle("/echo", s.upgrader.Handler(s.openEcho))
	routes.Handle("/push", s.upgrader.Handler(s.openPush))
	s.server.Handler = routes
	// Shutdown calls this and does not wait for it, so that the recipe has to.
	s.server.RegisterOnShutdown(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.down <- s.upgrader.Shutdown(ctx)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	t.Cleanup(func() {
		s.server.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, listener.Addr().String()
}

// openEcho answers each message with itself.
func (s *service) openEcho(*websocket.Conn, *http.Request) websocket.Handler {
	return websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, kind websocket.MessageType, p []byte) {
		if c.WriteMessage(kind, p) == nil {
			s.echoed.Add(1)
		}
	}}
}

// openPush sends numbers as fast as they leave, until that fails.
func (s *service) openPush(c *websocket.Conn, _ *http.Request) websocket.Handler {
	go func() {
		for {
			err := c.WriteMessage(websocket.TextMessage, []byte(strconv.FormatInt(s.pushed.Load(), 10)))
			if err != nil {
				s.ended <- err
				return
			}
			s.pushed.Add(1)
		}
	}()
	return nil
}

// shutdown ends the server as main would before it returns.
func (s *service) shutdown(ctx context.Context) error {
	return errors.Join(s.server.Shutdown(ctx), <-s.down)
}

// subscribeToAll opens the three. Each counts what comes in order, and what does not; the echo asks again and again.
const subscribeToAll = `(() => {
	window.seen = {}
	window.ends = Object.fromEntries(["idle", "echo", "push"].map(path => [path, new Promise(resolve => {
		const socket = new WebSocket("ws://" + location.host + "/" + path)
		const my = seen[path] = {Right: 0, Wrong: 0, Open: false}
		const ask = () => path === "echo" && socket.send(String(my.Right))
		socket.onopen = () => { my.Open = true; ask() }
		socket.onmessage = event => {
			event.data === String(my.Right) ? my.Right++ : my.Wrong++
			ask()
		}
		socket.onclose = event => resolve({
			Right: my.Right, Wrong: my.Wrong, Code: event.code, Reason: event.reason, Clean: event.wasClean,
		})
	})]))
})()`

// TestShutdown stops a server in the middle of its work. Chromium hears of it, and has every message that the server
// believes to have sent.
func TestShutdown(t *testing.T) {
	s, addr := startService(t)
	page := openPage(t, "http://"+addr+"/")
	page.do(func(ctx context.Context) error { return page.tab.Eval(ctx, subscribeToAll, nil) })
	page.do(func(ctx context.Context) error {
		return page.tab.WaitFor(ctx, `seen.idle.Open && seen.echo.Right > 20 && seen.push.Right > 1000`)
	})
	if err := s.shutdown(within(t)); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-s.ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("pushing ended with %v; want net.ErrClosed", err)
	}
	sent := map[string]int64{"idle": 0, "echo": s.echoed.Load(), "push": s.pushed.Load()}
	for path, messages := range sent {
		type end struct {
			Right, Wrong int64
			Code         int
			Reason       string
			Clean        bool
		}
		var got end
		page.do(func(ctx context.Context) error { return page.tab.Eval(ctx, `ends.`+path, &got) })
		want := end{Right: messages, Code: 1001, Reason: "the server is shutting down", Clean: true}
		if got != want {
			t.Errorf("/%s: the page reports %+v; want %+v", path, got, want)
		}
	}
	if problems := page.tab.Problems(); len(problems) > 0 {
		t.Errorf("the console shows %v", problems)
	}
}
