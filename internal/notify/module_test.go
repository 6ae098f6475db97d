package notify_test

import (
	"strings"
	"testing"

	"hawser.example/websocket/internal/notify"
)

// TestModule: pages of all origins may import it, with and without --dev, and ask whether it has changed.
func TestModule(t *testing.T) {
	for name, row := range map[string]struct {
		cfg     notify.Config
		caching string
	}{
		"for users": {notify.Config{}, "public, max-age=3600"},
		"--dev":     {notify.Config{Dev: true}, "no-cache"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, row.cfg)
			got := s.do(t, "GET", "/hawser.js", nil)
			if got.status != 200 || got.body != pageFile(t, "hawser.js") {
				t.Errorf("status %d, %.80q", got.status, got.body)
			}
			for header, want := range map[string]string{
				"Content-Type":                 "text/javascript; charset=utf-8",
				"Access-Control-Allow-Origin":  "*",
				"Cross-Origin-Resource-Policy": "cross-origin",
				"X-Content-Type-Options":       "nosniff",
				"Cache-Control":                row.caching,
			} {
				if value := got.header.Get(header); value != want {
					t.Errorf("%s: %q; want %q", header, value, want)
				}
			}
			tag := got.header.Get("ETag")
			if len(tag) < 10 || tag[0] != '"' {
				t.Errorf("ETag: %q", tag)
			}
			got = s.do(t, "GET", "/hawser.js", nil, "If-None-Match", tag)
			if got.status != 304 || got.body != "" || got.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("for its own tag: status %d, %q, %v; want 304", got.status, got.body, got.header)
			}
			if got = s.do(t, "GET", "/hawser.js", nil, "If-None-Match", `"another"`); got.status != 200 {
				t.Errorf("for another tag: status %d; want 200", got.status)
			}
			if got = s.do(t, "HEAD", "/hawser.js", nil); got.status != 200 || got.header.Get("ETag") != tag {
				t.Errorf("HEAD: status %d, %v", got.status, got.header)
			}
			got = s.do(t, "POST", "/hawser.js", strings.NewReader("x"))
			wantRefusal(t, got, 405, "GET")
			if allow := got.header.Get("Allow"); allow != "GET, HEAD" {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}
