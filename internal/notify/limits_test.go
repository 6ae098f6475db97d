package notify

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/token"
)

// wantCode fails the test if err is not a refusal with that status and code.
func wantCode(t *testing.T, err error, status int, code string) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("error %v; want a refusal %d %s", err, status, code)
	}
	if r.Status != status || r.Code != code || r.Reason == "" {
		t.Errorf("refused with %d %s: %s; want %d %s", r.Status, r.Code, r.Reason, status, code)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || n < 1 {
			t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
		}
	}
	return r
}

// testGate returns a gate. Its server has a publish key if cfg has nothing that lets publish.
func testGate(t *testing.T, cfg Config) *gate {
	t.Helper()
	if cfg.PublishKeys == nil && cfg.JWT.Empty() && cfg.AuthURL == "" && !cfg.Dev {
		cfg.PublishKeys = []string{"sesame"}
	}
	g := &gate{}
	if err := g.configure(cfg, newMeters()); err != nil {
		t.Fatal(err)
	}
	return g
}

// from is a request of a client at that address.
func from(addr string) *http.Request {
	r := httptest.NewRequest("GET", "/topics/a", nil)
	r.RemoteAddr = addr
	return r
}

func TestLimitOfConnections(t *testing.T) {
	g := testGate(t, Config{Limits: Limits{Connections: 2}})
	first, err := g.admit(from("192.0.2.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.admit(from("192.0.2.1:2")); err != nil {
		t.Fatal(err)
	}
	_, err = g.admit(from("192.0.2.2:1"))
	wantCode(t, err, 503, "max_connections")
	first()
	first() // a second time: nothing
	third, err := g.admit(from("192.0.2.2:1"))
	if err != nil {
		t.Errorf("one has gone: %v", err)
	}
	_, err = g.admit(from("192.0.2.2:1"))
	wantCode(t, err, 503, "max_connections")
	third()
}

func TestLimitOfConnectionsPerAddress(t *testing.T) {
	g := testGate(t, Config{Limits: Limits{ConnectionsPerIP: 1}})
	for _, row := range []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1:1", true},
		{"192.0.2.1:2", false},
		{"[::ffff:192.0.2.1]:3", false},
		{"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true},
		{"[2001:db8::ffff:2]:1", false}, // the same /64
		{"[2001:db8:0:1::1]:1", true},
	} {
		release, err := g.admit(from(row.addr))
		if row.ok && err != nil {
			t.Errorf("%s: %v", row.addr, err)
		}
		if !row.ok {
			wantCode(t, err, 429, "max_connections_per_ip")
			continue
		}
		t.Cleanup(func() {
			release()
			if n := len(g.connections.from); n > 3 {
				t.Errorf("%d addresses are remembered", n)
			}
		})
	}
}

// Nobody forges another address to get around the limit.
func TestLimitPerAddressIgnoresForgedHeaders(t *testing.T) {
	g := testGate(t, Config{Limits: Limits{ConnectionsPerIP: 1}})
	if _, err := g.admit(from("192.0.2.1:1")); err != nil {
		t.Fatal(err)
	}
	r := from("192.0.2.1:2")
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	_, err := g.admit(r)
	wantCode(t, err, 429, "max_connections_per_ip")
}

func TestLimitOfHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Config{Limits: Limits{Handshakes: 2}})
		admit := func() error {
			release, err := g.admit(from("192.0.2.1:1"))
			if err == nil {
				release()
			}
			return err
		}
		for range 2 {
			if err := admit(); err != nil {
				t.Fatal(err)
			}
		}
		wantCode(t, admit(), 503, "max_handshakes")
		time.Sleep(499 * time.Millisecond)
		wantCode(t, admit(), 503, "max_handshakes")
		time.Sleep(2 * time.Millisecond)
		if err := admit(); err != nil {
			t.Errorf("after half a second at two per second: %v", err)
		}
		wantCode(t, admit(), 503, "max_handshakes")
		time.Sleep(time.Hour) // no more than a second's worth collects
		for range 2 {
			if err := admit(); err != nil {
				t.Error(err)
			}
		}
		wantCode(t, admit(), 503, "max_handshakes")
	})
}

func TestLimitOfThePublishRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Config{Limits: Limits{PublishRate: 3}})
		for range 3 {
			if err := g.mayPublishNow(&Access{Subject: "alice"}, 1); err != nil {
				t.Fatal(err)
			}
		}
		wantCode(t, g.mayPublishNow(&Access{Subject: "alice"}, 1), 429, "max_publish_rate")
		if err := g.mayPublishNow(&Access{Subject: "bob"}, 1); err != nil {
			t.Errorf("another publisher: %v", err)
		}
		time.Sleep(time.Second)
		if err := g.mayPublishNow(&Access{Subject: "alice"}, 1); err != nil {
			t.Error(err)
		}
	})
}

// What a throttle remembers is bounded by who came within the last second or so.
func TestThrottleForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th throttle
		for second := range 5 {
			for i := range manyBuckets {
				th.take(publisher{byName, fmt.Sprint(second, " ", i)}, time.Now(), 1, 1)
			}
			time.Sleep(2 * time.Second)
		}
		th.take(publisher{byName, "one more"}, time.Now(), 1, 1)
		if n := len(th.buckets); n != 1 {
			t.Errorf("%d buckets", n)
		}
	})
}

// What is counted concurrently is counted exactly.
func TestCensusIsExact(t *testing.T) {
	g := testGate(t, Config{Limits: Limits{Connections: 5, ConnectionsPerIP: 3}})
	var mu sync.Mutex
	var now, most int
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 500 {
				release, err := g.admit(from(fmt.Sprintf("192.0.2.%d:1", i%4)))
				if err != nil {
					continue
				}
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				mu.Lock()
				now--
				mu.Unlock()
				release()
			}
		})
	}
	wg.Wait()
	if most > 5 || g.connections.all != 0 || len(g.connections.from) != 0 {
		t.Errorf("%d at once; %d are left, of %d addresses", most, g.connections.all, len(g.connections.from))
	}
}

// A publication on several topics is as many messages.
func TestLimitOfPublishRateCountsTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Config{Limits: Limits{PublishRate: 3}})
		if err := g.mayPublishNow(&Access{Subject: "alice"}, 2); err != nil {
			t.Error(err)
		}
		wantCode(t, g.mayPublishNow(&Access{Subject: "alice"}, 2), 429, "max_publish_rate")
		if err := g.mayPublishNow(&Access{Subject: "alice"}, 1); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := g.mayPublishNow(&Access{Subject: "alice"}, 64); err != nil { // else it could never be published
			t.Error(err)
		}
		wantCode(t, g.mayPublishNow(&Access{Subject: "alice"}, 1), 429, "max_publish_rate")

		s := testServer(t, Config{Limits: Limits{PublishRate: 3}})
		for _, want := range []int{200, 429} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/publish?topic=a&topic=b", nil)
			r.Header.Set("Authorization", "Bearer key")
			if s.ServeHTTP(w, r); w.Code != want {
				t.Errorf("status %d, %s; want %d", w.Code, w.Body, want)
			}
		}
	})
}

// Who has too many connections already does not use up the handshakes of the others.
func TestLimitOfHandshakesIsForThoseWhoAreLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Config{Limits: Limits{Handshakes: 2, ConnectionsPerIP: 1}})
		if _, err := g.admit(from("192.0.2.1:1")); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			_, err := g.admit(from("192.0.2.1:2"))
			wantCode(t, err, 429, "max_connections_per_ip")
		}
		release, err := g.admit(from("192.0.2.2:1"))
		if err != nil {
			t.Fatal(err)
		}
		release()
		_, err = g.admit(from("192.0.2.2:1"))
		wantCode(t, err, 503, "max_handshakes")
		time.Sleep(time.Second)
		if _, err = g.admit(from("192.0.2.2:1")); err != nil { // its place was given back
			t.Error(err)
		}
	})
}

// Nobody uses up another's rate with a name that looks like his.
func TestPublishersOfEachKindHaveTheirOwnRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := withTokens
		cfg.PublishKeys = []string{"sesame"}
		cfg.Limits.PublishRate = 1
		g := testGate(t, cfg)
		for _, name := range []string{"publish key 1", "192.0.2.1"} {
			posing := carrying("", "Bearer "+jwt(t, token.Claims{Pub: []string{"a"}, Name: name}))
			access, err := g.publisher(posing, []string{"a"})
			if err != nil || access.Subject != name || g.mayPublishNow(access, 1) != nil {
				t.Fatalf("%+v, %v", access, err)
			}
			wantCode(t, g.mayPublishNow(access, 1), 429, "max_publish_rate")
		}
		owner, err := g.publisher(carrying("", "Bearer sesame"), []string{"a"})
		if err != nil || owner.Subject != "publish key 1" {
			t.Fatalf("%+v, %v", owner, err)
		}
		if err := g.mayPublishNow(owner, 1); err != nil {
			t.Errorf("the owner of the key: %v", err)
		}
	})
}
