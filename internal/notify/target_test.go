package notify_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

// One request publishes on several topics, or on none of them.
func TestPublishOnSeveralTopics(t *testing.T) {
	s := serve(t, notify.Config{})
	a, all := s.subscribe(t, "a"), s.subscribe(t, ">")
	got := s.do(t, "POST", "/publish?topic=b&topic=a&topic=b", strings.NewReader("hello"), "Authorization", "Bearer "+key)
	var body struct {
		Published []struct {
			Topic, ID   string
			Subscribers int
		}
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != 200 || len(body.Published) != 2 {
		t.Fatalf("status %d, %s", got.status, got.body)
	}
	wantJSONHeader(t, got)
	first, second := body.Published[0], body.Published[1]
	epoch, _, _ := strings.Cut(first.ID, "-")
	if first.Topic != "b" || first.ID != epoch+"-1" || first.Subscribers != 1 ||
		second.Topic != "a" || second.ID != epoch+"-2" || second.Subscribers != 2 {
		t.Errorf("%+v", body)
	}
	wantMessage(t, a, websocket.TextMessage, "hello")
	wantMessage(t, all, websocket.TextMessage, "hello")
	wantMessage(t, all, websocket.TextMessage, "hello")

	got = s.do(t, "POST", "/publish?topic=a", strings.NewReader("x"), "Authorization", "Bearer "+key)
	if want := fmt.Sprintf(`{"published":[{"topic":"a","id":"%s-3","subscribers":2}]}`+"\n", epoch); got.body != want {
		t.Errorf("one topic: %s, want %s", got.body, want)
	}
	wantMessage(t, a, websocket.TextMessage, "x")
	for path, why := range map[string]string{
		"/publish":                     "no topic",
		"/publish?topic=":              "1 to 255",
		"/publish?topic=a&topic=":      "1 to 255",
		"/publish?topic=a&topic=b.%3E": "pattern",
		"/publish?topic=a&topic=b;c":   "malformed",
		"/topics/b.%3E":                "pattern",
	} {
		got := s.do(t, "POST", path, strings.NewReader("y"), "Authorization", "Bearer "+key)
		wantRefusal(t, got, 400, why)
	}
	wantRefusal(t, s.do(t, "POST", "/publish?topic=a&topic=b", strings.NewReader("y")), 401, "key")
	wantPublished(t, s.publish(t, "a", "z"), 2)
	wantMessage(t, a, websocket.TextMessage, "z") // and nothing of what was refused
}

// What is in a URL is a topic, or a mistake, and never more: no header, no path, no second topic.
func TestInjection(t *testing.T) {
	s := serve(t, notify.Config{})
	auth := "Authorization: Bearer " + key + "\r\n"
	for _, tt := range []struct {
		request string
		status  int
		why     string
	}{
		{"GET /ws?topic=a%0d%0aSet-Cookie:%20x=y", 400, "1 to 255"},
		{"GET /ws?topic=a%00", 400, "1 to 255"},
		{"GET /ws?topic=a/../b", 400, "1 to 255"},
		{"GET /ws?topic=a,b", 400, "1 to 255"},
		{"GET /ws?topic=a%26topic=b", 400, "1 to 255"},
		{"GET /ws?topic=%3Cscript%3E", 400, "1 to 255"},
		{"GET /ws?topic=plain%20a", 400, "1 to 255"}, // a key of the Hub
		{"GET /ws?topic=%ff", 400, "1 to 255"},
		{"GET /ws?topic=%zz", 400, "malformed"},
		{"GET /ws?topic=a;topic=b", 400, "malformed"},
		{"GET /ws?topic=" + strings.Repeat("a", 256), 400, "1 to 255"},
		{"GET /ws?topic=.%3E", 400, "1 to 255"},
		{"GET /ws?topic=a.%3E.b", 400, "1 to 255"},
		{"GET /ws?Topic=a", 400, "no topic"},
		{"GET /ws", 400, "no topic"},
		{"GET /ws/", 404, "nothing here"},
		{"GET //ws?topic=a", 404, "nothing here"},
		{"GET /topics/public?topic=secret", 400, "in the path"},
		{"POST /topics/public?topic=secret", 400, "in the path"},
		{"GET /topics/a%3Ftopic=b", 400, "1 to 255"},
		{"GET /topics/..%2f..%2fws", 400, "1 to 255"},
		{"POST /publish?topic=a%0d%0aX:%20y", 400, "1 to 255"},
		{"POST /publish/../topics/a", 404, "nothing here"},
		{"POST /ws?topic=a", 405, "only subscribe, with GET: a WebSocket handshake, or Accept: text/event-stream"},
		{"PUT /topics/a", 405, "with a WebSocket handshake, or with Accept: text/event-stream"},
		{"GET /publish?topic=a", 405, "only publish"},
	} {
		t.Run(tt.request, func(t *testing.T) {
			header := auth
			if strings.HasPrefix(tt.request, "GET") {
				header = handshakeHeader
			}
			got := s.raw(t, tt.request+" HTTP/1.1\r\nHost: x\r\n"+header+"\r\n")
			wantRefusal(t, got, tt.status, tt.why)
			for name := range got.header {
				switch name {
				case "Content-Type", "X-Content-Type-Options", "Cache-Control", "Date", "Content-Length", "Allow", "Connection":
				default:
					t.Errorf("the answer has the field %s", name)
				}
			}
		})
	}
	if _, seq := wantPublished(t, s.publish(t, "a", "x"), 0); seq != 1 {
		t.Errorf("seq %d; want 1: what was refused was published", seq)
	}
}

// Who asks as a browser does for a page is told both ways to subscribe.
func TestPlainGetIsToldBothWays(t *testing.T) {
	s := serve(t, notify.Config{})
	got := s.do(t, "GET", "/topics/a", nil)
	wantRefusal(t, got, 426, "WebSocket endpoint")
	wantRefusal(t, got, 426, "a client without WebSocket sends Accept: text/event-stream")
	if got.header.Get("Upgrade") != "websocket" {
		t.Errorf("%v", got.header)
	}
}

// What a publisher sends is data to those who read it, whatever it looks like.
func TestPayloadsAreData(t *testing.T) {
	s := serve(t, notify.Config{})
	f, _ := s.v1(t, []string{"a"}, "")
	e, err := s.openSSE(t.Context(), "/topics/a", "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.cut()
	e.next()
	for _, payload := range []string{
		"\n\nevent: drain\ndata: x\n\n", "\r\rid: 7\r", `","topic":"b","data":"`, `"}{"type":"drain"}`, "\u2028\u2029\ufeff", "\x00", "",
		"</script><script>", strings.Repeat("\x01\"\\", 1000),
	} {
		wantPublished(t, s.publish(t, "a", payload), 2)
		m := f.wantText(t, "a", payload)
		n, err := e.next()
		if err != nil || n.Type != "message" || n.ID != m.ID || n.Topic != "a" || *n.Data != payload {
			t.Errorf("%+v, %v; want %q", n, err, payload)
		}
	}
}

// With an address of its own for publishing the other takes none.
func TestPublishElsewhere(t *testing.T) {
	s := serve(t, notify.Config{PublishElsewhere: true})
	c := s.subscribe(t, "a")
	got := s.publish(t, "a", "x")
	wantRefusal(t, got, 405, "only subscribe")
	if allow := got.header.Get("Allow"); allow != "GET" {
		t.Errorf("Allow: %q", allow)
	}
	wantRefusal(t, s.do(t, "POST", "/publish?topic=a", strings.NewReader("x"), "Authorization", "Bearer "+key), 404, "not at this address")

	inner := httptest.NewServer(s.server.PublishHandler())
	defer inner.Close()
	s.web = inner
	wantPublished(t, s.publish(t, "a", "y"), 1)
	wantMessage(t, c, websocket.TextMessage, "y")
	wantRefusal(t, s.do(t, "POST", "/topics/a", strings.NewReader("x")), 401, "key")
	wantRefusal(t, s.do(t, "GET", "/topics/a", nil, "Accept", "text/event-stream"), 405, "only publish")
	wantRefusal(t, s.do(t, "GET", "/ws?topic=a", nil, "Accept", "text/event-stream"), 404, "not at this address")
}
