package notify_test

import (
	"strings"
	"testing"

	"hawser.example/websocket/internal/notify"
)

// A page of a listed origin may ask whether it may publish, publish with a key in a header, and read every answer. One of
// another origin may not, and is told nothing.
func TestPagesOfOtherOrigins(t *testing.T) {
	const listed, other = "https://app.example.com", "https://evil.example"
	s := serve(t, notify.Config{Origins: []string{listed}})
	ask := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	for _, row := range []struct {
		method, origin string
		header         []string
		status         int
		allowed        bool
	}{
		{"OPTIONS", listed, ask, 204, true},
		{"OPTIONS", other, ask, 405, false},
		{"OPTIONS", listed, nil, 405, true},
		{"POST", listed, []string{"Authorization", "Bearer " + key}, 200, true},
		{"POST", listed, []string{"Authorization", "Bearer wrong"}, 401, true},
		{"POST", other, []string{"Authorization", "Bearer " + key}, 403, false},
		{"POST", "", []string{"Authorization", "Bearer " + key}, 200, false},
	} {
		header := row.header
		if row.origin != "" {
			header = append([]string{"Origin", row.origin}, header...)
		}
		got := s.do(t, row.method, "/topics/a", strings.NewReader("x"), header...)
		want := ""
		if row.allowed {
			want = row.origin
		}
		if h := got.header; got.status != row.status || h.Get("Access-Control-Allow-Origin") != want ||
			(h.Get("Vary") == "Origin") != (row.origin != "") {
			t.Errorf("%s from %q: %d, %v; want %d, allowed %t", row.method, row.origin, got.status, h, row.status, row.allowed)
		}
		if methods := got.header.Get("Access-Control-Allow-Methods"); (methods == "GET, POST") != (got.status == 204) {
			t.Errorf("%s from %q allows %q", row.method, row.origin, methods)
		}
	}
}
