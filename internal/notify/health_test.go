package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket/internal/wstest"
)

// get asks h.
func get(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// TestHealth: the server says on every listener whether it lives and takes clients.
func TestHealth(t *testing.T) {
	s, err := NewServer(Config{PublishKeys: []string{"sesame"}})
	if err != nil {
		t.Fatal(err)
	}
	want := func(path string, status int, body string) {
		t.Helper()
		for name, h := range map[string]http.Handler{"main": s, "admin": s.AdminHandler(false), "publish": s.PublishHandler()} {
			if w := get(h, "GET", path); w.Code != status || w.Body.String() != body+"\n" {
				t.Errorf("%s on the %s listener: %d %s", path, name, w.Code, w.Body)
			}
		}
	}
	want("/livez", 200, `{"status":"ok"}`)
	want("/readyz", 200, `{"status":"ok"}`)
	if w := get(s, "POST", "/readyz"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("/livez", 200, `{"status":"ok"}`)
	want("/readyz", 503, `{"status":"draining"}`)
}

// TestAdminHandler: metrics, and profiles for who has asked for them; nothing of the rest, and nothing of it elsewhere.
func TestAdminHandler(t *testing.T) {
	s, err := NewServer(Config{PublishKeys: []string{"sesame"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name     string
		h        http.Handler
		path     string
		status   int
		contains string
	}{
		{"metrics", s.AdminHandler(false), "/metrics", 200, "# TYPE hawser_connections gauge"},
		{"no profiles", s.AdminHandler(false), "/debug/pprof/", 404, "--pprof turns them on"},
		{"no profile", s.AdminHandler(false), "/debug/pprof/heap", 404, "--pprof turns them on"},
		{"profiles", s.AdminHandler(true), "/debug/pprof/", 200, "goroutine"},
		{"a profile", s.AdminHandler(true), "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"the command line", s.AdminHandler(true), "/debug/pprof/cmdline", 404, "not shown"},
		{"topics", s.AdminHandler(true), "/topics/a", 404, "/metrics"},
		{"metrics for everybody", s, "/metrics", 404, "there is nothing here"},
		{"profiles for everybody", s, "/debug/pprof/", 404, "there is nothing here"},
	} {
		if w := get(row.h, "GET", row.path); w.Code != row.status || !strings.Contains(w.Body.String(), row.contains) {
			t.Errorf("%s: %d %.200s", row.name, w.Code, w.Body)
		}
	}
}

// A profile may take longer than a request has to arrive.
func TestProfilesTakeTheirTime(t *testing.T) {
	s, err := NewServer(Config{PublishKeys: []string{"sesame"}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s.AdminHandler(true))
	web.Config.ReadTimeout = time.Second // in which a busy machine still brings the request
	web.Start()
	defer web.Close()
	began := time.Now()
	res, err := web.Client().Get(web.URL + "/debug/pprof/trace?seconds=1.5")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if took := time.Since(began); res.StatusCode != 200 || took < 1500*time.Millisecond {
		t.Errorf("status %d after %v", res.StatusCode, took)
	}
}

// TestMeters: all that is counted is in the text, under the names of the documentation.
func TestMeters(t *testing.T) {
	m := newMeters()
	m.opened(kindPlain)
	m.opened(kindPlain)
	m.opened(kindSSE)
	m.closed(kindPlain, "gone")
	m.published(5)
	m.delivered(3)
	m.dropped("slow", 2)
	m.dropped("superseded", 0)
	m.recovered(true, 4)
	m.recovered(false, 1)
	m.refused("expired")
	m.reloaded(true)
	m.latency(3 * time.Millisecond)
	got, err := wstest.ParseMetrics(get(&m.set, "GET", "/metrics").Body.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		`hawser_connections{kind="websocket"}`:                            1,
		`hawser_connections{kind="hawser.v1"}`:                            0,
		`hawser_connections{kind="sse"}`:                                  1,
		`hawser_connections_opened_total{kind="websocket"}`:               2,
		`hawser_connections_opened_total{kind="hawser.v1"}`:               0,
		`hawser_connections_closed_total{kind="websocket",reason="gone"}`: 1,
		`hawser_messages_published_total`:                                 1,
		`hawser_published_bytes_total`:                                    5,
		`hawser_deliveries_total`:                                         3,
		`hawser_messages_dropped_total{reason="slow"}`:                    2,
		`hawser_messages_dropped_total{reason="superseded"}`:              0,
		`hawser_recoveries_total{result="complete"}`:                      1,
		`hawser_recoveries_total{result="incomplete"}`:                    1,
		`hawser_recovered_messages_total`:                                 5,
		`hawser_refusals_total{reason="expired"}`:                         1,
		`hawser_reloads_total{result="done"}`:                             1,
		`hawser_reloads_total{result="failed"}`:                           0,
		`hawser_publish_to_socket_seconds_bucket{le="0.0025"}`:            0,
		`hawser_publish_to_socket_seconds_bucket{le="0.005"}`:             1,
		`hawser_publish_to_socket_seconds_count`:                          1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %t), want %v", name, v, ok, want)
		}
	}
	if got["go_goroutines"] < 1 {
		t.Error("no goroutines")
	}
}

// What is refused beside topics is counted, too.
func TestAllRefusalsAreCounted(t *testing.T) {
	s, err := NewServer(Config{Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		h                   http.Handler
		method, url, origin string
		status              int
		code                string
	}{
		{s, "GET", "http://evil.example/", "", 403, "host"},
		{s, "GET", "http://localhost/", "http://evil.example", 403, "origin"},
		{s, "PUT", "http://localhost/", "", 405, "method"},
		{s, "PUT", "http://localhost/hawser.js", "", 405, "method"},
		{s, "PUT", "http://localhost/livez", "", 405, "method"},
		{s.AdminHandler(false), "GET", "http://localhost/debug/pprof/heap", "", 404, "path"},
		{s.AdminHandler(true), "GET", "http://localhost/debug/pprof/cmdline", "", 404, "path"},
		{s.AdminHandler(true), "GET", "http://localhost/nothing", "", 404, "path"},
	} {
		before := s.meters.refusals.With(row.code).Value()
		w, r := httptest.NewRecorder(), httptest.NewRequest(row.method, row.url, nil)
		if row.origin != "" {
			r.Header.Set("Origin", row.origin)
		}
		row.h.ServeHTTP(w, r)
		if after := s.meters.refusals.With(row.code).Value(); w.Code != row.status || after != before+1 {
			t.Errorf("%s %s: %d %s; %d more with %s", row.method, row.url, w.Code, w.Body, after-before, row.code)
		}
	}
}
