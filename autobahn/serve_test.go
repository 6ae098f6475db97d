package autobahn_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/autobahn"
)

// TestPathsOfTheServer asks for what a client under test can.
func TestPathsOfTheServer(t *testing.T) {
	cases := pick(t, "1.1.2", "2.*")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var reported []string
	s := &autobahn.Server{Options: autobahn.Options{Cases: cases},
		UpdateReports: func(agent string) { reported = append(reported, agent) }}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), ln) }()
	ask := func(path string) string {
		c, err := websocket.Dial(context.Background(), "ws://"+ln.Addr().String()+path)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		_, p, err := c.ReadMessage()
		if err != nil {
			return "closed"
		}
		return string(p)
	}
	for _, path := range []string{"/stopServer", "/updateReports?shutdownOnComplete=true", "/getCaseCount"} {
		resp, err := http.Get("http://" + ln.Addr().String() + path) // nothing but an opening handshake stops the server
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != 400 {
			t.Errorf("a plain GET of %s: %s", path, resp.Status)
		}
	}
	for _, q := range []struct{ path, want string }{
		{"/getCaseCount", "12"},
		{"/getCaseInfo?case=1", `"id":"1.1.2"`},
		{"/getCaseInfo?casetuple=2.5", `"id":"2.5"`},
		{"/getCaseStatus?case=1&agent=x", `{"behavior":"MISSING"}`},
		{"/runCase?case=1&agent=x", "***"},
		{"/getCaseStatus?case=1&agent=x", `{"behavior":"FAILED"}`},
		{"/runCase?case=13", "400"},
		{"/runCase?case=0", "400"},
		{"/runCase?casetuple=9.9.9", "400"},
		{"/elsewhere", "404"},
		{"/updateReports?agent=x", "closed"},
	} {
		if got := ask(q.path); !strings.Contains(got, q.want) {
			t.Errorf("%s: %q, not %q", q.path, got, q.want)
		}
	}
	ask("/stopServer")
	if err := <-done; err != nil {
		t.Error("Serve:", err)
	}
	if agents := s.Agents(); len(agents) != 1 || agents[0] != "x" || len(s.Results("x")) != 1 {
		t.Errorf("agents %q, %d results", agents, len(s.Results("x")))
	}
	if len(reported) != 1 || reported[0] != "x" {
		t.Errorf("reports for %q", reported)
	}
}

// TestServeEnds ends a server by its context, with a client in the middle of a case.
func TestServeEnds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- new(autobahn.Server).Serve(ctx, ln) }()
	c, err := websocket.Dial(ctx, "ws://"+ln.Addr().String()+"/runCase?casetuple=9.5.1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error("Serve:", err)
	}
}

// TestRunServerCannotRun wants an error where there is nothing to test.
func TestRunServerCannotRun(t *testing.T) {
	for _, url := range []string{"http://localhost/", "ws://", "://", "ws://127.0.0.1:1/"} {
		if _, err := autobahn.RunServer(context.Background(), url, autobahn.Options{}); err == nil {
			t.Errorf("%s: no error", url)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := autobahn.RunServer(ctx, echoServer(t), autobahn.Options{}); err == nil {
		t.Error("a context that has ended: no error")
	}
}
