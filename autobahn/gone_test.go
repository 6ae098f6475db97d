package autobahn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/autobahn"
)

// pick returns cases that exist.
func pick(t *testing.T, patterns ...string) []*autobahn.Case {
	t.Helper()
	cases, err := autobahn.Select(patterns, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestServerThatDies: a server that takes no connection any more is no server that fails the cases.
func TestServerThatDies(t *testing.T) {
	var u websocket.Upgrader
	var opened atomic.Int32
	var server *httptest.Server
	h := u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		if opened.Add(1) == 4 { // the probe is the first
			server.Listener.Close()
		}
		return websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, kind websocket.MessageType, p []byte) {
			c.WriteMessage(kind, p)
		}}
	})
	server = httptest.NewServer(h)
	defer server.Close()
	results, err := autobahn.RunServer(context.Background(), "ws"+strings.TrimPrefix(server.URL, "http"),
		autobahn.Options{Cases: pick(t, "1.1.*"), Parallel: 1})
	if !errors.Is(err, autobahn.ErrGone) || !strings.Contains(err.Error(), "the server at 127.0.0.1:") {
		t.Errorf("error %v", err)
	}
	if len(results) != 3 {
		t.Errorf("%d results, want 3", len(results))
	}
	for _, r := range results {
		if r.Behavior != autobahn.OK {
			t.Errorf("case %s: %s, %s", r.ID, r.Behavior, r.Reason)
		}
	}
}

// TestRunIsCutOff: what a run was in the middle of when its context ended has no result.
func TestRunIsCutOff(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var opened atomic.Int32
	var u websocket.Upgrader
	server := httptest.NewServer(u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		return websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, kind websocket.MessageType, p []byte) {
			if opened.Add(1) == 2 {
				cancel()
				return
			}
			c.WriteMessage(kind, p)
		}}
	}))
	defer server.Close()
	results, err := autobahn.RunServer(ctx, "ws"+strings.TrimPrefix(server.URL, "http"),
		autobahn.Options{Cases: pick(t, "1.1.*"), Parallel: 1})
	if err != context.Canceled || len(results) != 1 || results[0].Behavior != autobahn.OK {
		t.Errorf("%d results, error %v", len(results), err)
	}
}

// TestClientIsCutOff: the same where clients are tested.
func TestClientIsCutOff(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &autobahn.Server{Options: autobahn.Options{Cases: pick(t, "1.1.2")}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	c, err := websocket.Dial(context.Background(), "ws://"+ln.Addr().String()+"/runCase?case=1&agent=x")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != context.Canceled || len(s.Agents()) != 0 {
		t.Errorf("agents %v, error %v", s.Agents(), err)
	}
}

// TestNoServer: what does not complete an opening handshake is told once, before all cases.
func TestNoServer(t *testing.T) {
	for says, answer := range map[string]string{
		"the answer is 403 Forbidden":                       "HTTP/1.1 403 Forbidden\r\n\r\n",
		"the answer is 302 Found":                           "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
		`the answer is not HTTP: "SSH-2.0-x\r\n"`:           "SSH-2.0-x\r\n",
		"there was no whole answer within 200ms":            "",
		"there was no whole answer within 200ms (but half)": "HTTP/1.1 101",
		"Sec-WebSocket-Accept is [\"x\"]": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
			"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
		"the server ended the connection instead of an answer": "end",
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					if answer == "end" {
						c.Read(make([]byte, 4096))
						return
					}
					io.WriteString(c, answer)
					io.Copy(io.Discard, c)
				}()
			}
		}()
		says, _, _ = strings.Cut(says, " (but")
		url := "ws://" + ln.Addr().String() + "/x"
		options := autobahn.Options{TimeoutScale: 0.4} // two seconds
		if strings.Contains(says, "no whole answer") {
			options.TimeoutScale = 0.04
		}
		began := time.Now()
		_, err = autobahn.RunServer(context.Background(), url, options)
		if want := url + ": no opening handshake: " + says; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
		if took := time.Since(began); took > 30*time.Second { // with all cases it would be minutes
			t.Errorf("%s: it took %v", says, took)
		}
	}
}
