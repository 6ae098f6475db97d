package notify_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

// The time that a server gives a request to arrive is not a bound for the answer.
func TestEventsOutliveTheReadTimeout(t *testing.T) {
	s := serve(t, notify.Config{})
	web := httptest.NewUnstartedServer(s.server)
	web.Config.ReadTimeout = time.Second // in which a busy machine still brings the requests
	web.Start()
	defer web.Close()
	s.web = web
	e, err := s.openSSE(t.Context(), "/topics/a", "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.cut()
	if m, err := e.next(); err != nil || m.Type != "welcome" {
		t.Fatalf("%+v, %v", m, err)
	}
	time.Sleep(web.Config.ReadTimeout * 3 / 2)
	wantPublished(t, s.publish(t, "a", "x"), 1)
	if m, err := e.next(); err != nil || *m.Data != "x" {
		t.Errorf("%+v, %v", m, err)
	}
}

// Server-sent events are asked for with a field that may hold more.
func TestEventsAreAskedFor(t *testing.T) {
	s := serve(t, notify.Config{})
	for accept, asked := range map[string]bool{
		"text/event-stream": true, "text/html, text/event-stream;q=0.9": true, "*/*": false, "text/plain": false, "": false,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", s.web.URL+"/topics/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		resp, err := s.web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if isStream := resp.Header.Get("Content-Type") == "text/event-stream"; isStream != asked || !asked && resp.StatusCode != 426 {
			t.Errorf("Accept: %s: status %d, %s", accept, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		cancel()
		resp.Body.Close()
	}
	if got := s.do(t, "HEAD", "/ws?topic=a", nil, "Accept", "text/event-stream"); got.status != 405 {
		t.Errorf("HEAD: status %d", got.status)
	}
	wantRefusal(t, s.do(t, "GET", "/ws", nil, "Accept", "text/event-stream"), 400, "no topic")
	wantRefusal(t, s.do(t, "GET", "/topics/a", strings.NewReader("x"), "Accept", "text/event-stream"), 400, "no body")
	s.await(t, "a", 0)
}

// Compressed once for all, messages are the same in both forms, also those that were missed.
func TestCompressedConnections(t *testing.T) {
	s := serve(t, notify.Config{})
	text := strings.Repeat("all work and no play ", 1000)
	epoch, _ := wantPublished(t, s.publish(t, "a", text), 0)
	deflate := &websocket.Compression{}
	plain, _, err := (&websocket.Dialer{Compression: deflate}).Dial(t.Context(), "ws://"+s.addr+"/topics/a?last-id="+epoch+"-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.CloseNow()
	d := websocket.Dialer{Compression: deflate, Subprotocols: []string{"hawser.v1"}}
	c, _, err := d.Dial(t.Context(), "ws://"+s.addr+"/ws"+query([]string{"a"}, epoch+"-0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := v1Feed{c}
	defer f.cut()
	if plain.Extension() == "" || c.Extension() == "" {
		t.Fatal("compression was not agreed on")
	}
	f.want(t, "welcome")
	for range 3 {
		wantMessage(t, plain, websocket.TextMessage, text)
		f.wantText(t, "a", text)
		s.publish(t, "a", text)
	}
}
