package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// refusalOf returns the status, the reason and the Retry-After with which a handshake is refused.
func refusalOf(t *testing.T, url string, header http.Header) (status int, why, retry string) {
	t.Helper()
	status, why, retry = tryDial(t, url, header)
	if status == http.StatusSwitchingProtocols {
		t.Fatalf("%s is not refused", url)
	}
	return status, why, retry
}

// tryDial returns the status of the answer to a handshake, and if it is refused the reason and the Retry-After.
func tryDial(t *testing.T, url string, header http.Header) (status int, why, retry string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, res, err := new(websocket.Dialer).Dial(ctx, url, header)
	if err == nil {
		c.CloseNow()
		return http.StatusSwitchingProtocols, "", ""
	}
	if res == nil {
		t.Fatal(err)
	}
	var answer struct{ Error string }
	body, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error == "" {
		t.Errorf("%s: %d %q", url, res.StatusCode, body)
	}
	return res.StatusCode, answer.Error, res.Header.Get("Retry-After")
}

// TestServeLimits: each limit has a refusal that says what it is, and a metric of its own.
func TestServeLimits(t *testing.T) {
	for name, row := range map[string]struct {
		flags  []string
		code   string // the label of the metric
		status int
		says   string
		retry  bool
		exceed func(t *testing.T, addr string) (status int, why, retry string)
	}{
		"connections": {
			[]string{"--max-connections", "2"}, "max_connections", 503, "as many connections as it may have", true,
			func(t *testing.T, addr string) (int, string, string) {
				dial(t, "ws://"+addr+"/topics/a", nil)
				dial(t, "ws://"+addr+"/topics/b", nil)
				return refusalOf(t, "ws://"+addr+"/topics/a", nil)
			},
		},
		"connections of one address": {
			[]string{"--max-connections-per-ip", "1", "--trusted-proxy", "127.0.0.1"}, "max_connections_per_ip", 429, "from 192.0.2.7 already", true,
			func(t *testing.T, addr string) (int, string, string) {
				dial(t, "ws://"+addr+"/topics/a", http.Header{"X-Forwarded-For": {"192.0.2.7"}})
				dial(t, "ws://"+addr+"/topics/a", http.Header{"X-Forwarded-For": {"192.0.2.7, 192.0.2.8"}})
				return refusalOf(t, "ws://"+addr+"/topics/a", http.Header{"X-Forwarded-For": {"198.51.100.1, 192.0.2.7"}})
			},
		},
		"connections of one address that nobody forwards": {
			[]string{"--max-connections-per-ip", "1"}, "max_connections_per_ip", 429, "from 127.0.0.1 already", true,
			func(t *testing.T, addr string) (int, string, string) {
				dial(t, "ws://"+addr+"/topics/a", nil)
				return refusalOf(t, "ws://"+addr+"/topics/a", http.Header{"X-Forwarded-For": {"192.0.2.7"}})
			},
		},
		"handshakes": {
			[]string{"--max-handshakes", "1"}, "max_handshakes", 503, "more than 1 connections come in a second", true,
			func(t *testing.T, addr string) (status int, why, retry string) {
				for range 100 { // on a slow machine one a second may come
					if status, why, retry = tryDial(t, "ws://"+addr+"/topics/a", nil); status != 101 {
						break
					}
				}
				return status, why, retry
			},
		},
		"message": {
			[]string{"--max-message", "1KiB"}, "max_message", 413, "larger than 1024 bytes", false,
			func(t *testing.T, addr string) (int, string, string) {
				return publishing(t, addr, strings.Repeat("x", 1025))
			},
		},
		"topics": {
			[]string{"--max-topics", "2"}, "max_topics", 400, "3 topics are too many; at most 2", false,
			func(t *testing.T, addr string) (int, string, string) {
				dial(t, "ws://"+addr+"/ws?topic=a&topic=b", nil)
				return refusalOf(t, "ws://"+addr+"/ws?topic=a&topic=b&topic=c.%3E", nil)
			},
		},
		"publish rate": {
			[]string{"--max-publish-rate", "2"}, "max_publish_rate", 429, "more than 2 messages in a second of one publisher", true,
			func(t *testing.T, addr string) (status int, why, retry string) {
				for range 100 {
					if status, why, retry = publishing(t, addr, "x"); status != 200 {
						break
					}
				}
				return status, why, retry
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, addr := startServe(t, append(row.flags, "--admin-addr", "127.0.0.1:0")...)
			status, why, retry := row.exceed(t, addr)
			if status != row.status || !strings.Contains(why, row.says) {
				t.Errorf("%d %q; want %d %q", status, why, row.status, row.says)
			}
			if n, err := strconv.Atoi(retry); row.retry && (err != nil || n < 1) || !row.retry && retry != "" {
				t.Errorf("Retry-After: %q", retry)
			}
			if n := p.metrics()[`hawser_refusals_total{reason="`+row.code+`"}`]; n < 1 {
				t.Errorf("%v refusals are counted", n)
			}
		})
	}
}

// publishing publishes text and returns the answer's status, error and Retry-After.
func publishing(t *testing.T, addr, text string) (status int, why, retry string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/topics/a", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = withKey()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Error string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Error(err)
	}
	return res.StatusCode, answer.Error, res.Header.Get("Retry-After")
}

// TestServeAsksTheAuthorizationService: from the command line to the connection.
func TestServeAsksTheAuthorizationService(t *testing.T) {
	var asked atomic.Pointer[http.Request]
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		if r.Header.Get("Cookie") != "session=alice" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"sub":["a","b"],"pub":["b"]}`)
	}))
	defer auth.Close()
	p := start(t, "serve", "--addr", "127.0.0.1:0", "--auth-url", auth.URL+"/may", "--public", "open")
	addr := p.address()
	alice := http.Header{"Cookie": {"session=alice"}}
	subscriber := dial(t, "ws://"+addr+"/topics/b?x=1&token=secret", alice)
	r := asked.Load()
	if r.URL.Path != "/may" || r.Header.Get("X-Hawser-Action") != "subscribe" || r.Header.Get("X-Hawser-Topics") != "b" ||
		r.Header.Get("X-Original-Uri") != "/topics/b?x=1" || r.Header.Get("X-Forwarded-For") != "127.0.0.1" ||
		r.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("asked with %s %v", r.URL, r.Header)
	}
	wantRefused(t, "ws://"+addr+"/topics/c", alice, 403)
	wantRefused(t, "ws://"+addr+"/topics/b", nil, 403)
	dial(t, "ws://"+addr+"/topics/open", nil)
	if status, answer := request(t, http.MethodPost, "http://"+addr+"/topics/b", "hello", alice); status != 200 {
		t.Errorf("publishing: %d %s", status, answer)
	}
	subscriber.wantMessage(websocket.TextMessage, "hello")
	if status, _ := request(t, http.MethodPost, "http://"+addr+"/topics/a", "hello", alice); status != 403 {
		t.Errorf("publishing elsewhere: %d", status)
	}
	auth.Close()
	if status, why, retry := refusalOf(t, "ws://"+addr+"/topics/b", alice); status != 503 || !strings.Contains(why, "cannot be reached") || retry == "" {
		t.Errorf("without the service: %d %q, Retry-After %q", status, why, retry)
	}
}

// TestPublishAddr: there one can publish and nothing else, and nowhere else.
func TestPublishAddr(t *testing.T) {
	p, addr := startServe(t, "--publish-addr", "127.0.0.1:0")
	inner := p.says(`taking messages on http://(127\.0\.0\.1:\d+)/`)[1]
	subscriber := dial(t, "ws://"+addr+"/topics/news", nil)
	if status := post(t, inner, "news", "secret", "hello"); status != 200 {
		t.Errorf("publishing there: %d", status)
	}
	subscriber.wantMessage(websocket.TextMessage, "hello")
	if status := post(t, inner, "news", "wrong", "x"); status != 401 {
		t.Errorf("publishing there with a wrong key: %d", status)
	}
	if status := post(t, addr, "news", "secret", "x"); status != 405 {
		t.Errorf("publishing elsewhere: %d", status)
	}
	wantRefused(t, "ws://"+inner+"/topics/news", nil, 405)
}

// TestServeSpreadsItsGoodbyes: on SIGTERM clients are told to come back one after the other, with the time when; nothing
// comes after that, publishers are told, and the server says that it is not ready.
func TestServeSpreadsItsGoodbyes(t *testing.T) {
	wstest.NoLeaks(t)
	const clients = 60
	p, addr := startServe(t, "--drain", "2s", "--admin-addr", "127.0.0.1:0")
	admin := p.admin()
	var peers []*peer
	for range clients {
		peers = append(peers, dial(t, "ws://"+addr+"/topics/news", nil))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	silent, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/other", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.CloseNow() // nobody reads from it: it answers no Close, and so gives us time to look
	stop := make(chan struct{})
	var told atomic.Int64
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/topics/news", strings.NewReader("x"))
			r.Header = withKey()
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				return // it has ended
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			switch {
			case res.StatusCode == 503 && res.Header.Get("Retry-After") != "":
				told.Add(1)
			case res.StatusCode != 200:
				t.Errorf("publishing: %d", res.StatusCode)
			}
		}
	})
	for _, path := range []string{addr, admin} {
		if status, body := request(t, http.MethodGet, "http://"+path+"/readyz", "", nil); status != 200 {
			t.Errorf("before: %d %s", status, body)
		}
	}
	began := time.Now()
	times := make(chan time.Duration, clients)
	for _, c := range peers {
		go func() {
			for {
				m := <-c.messages
				if m.err == nil {
					continue
				}
				var closed *websocket.CloseError
				if !errors.As(m.err, &closed) || closed.Code != websocket.CloseServiceRestart || !strings.Contains(closed.Reason, "retry=") {
					t.Errorf("got %v", m.err)
				}
				times <- time.Since(began)
				return
			}
		}()
	}
	p.signal(syscall.SIGTERM)
	p.says(`(?m)^hawser serve: stopping$`)
	for _, path := range []string{addr, admin} {
		if status, body := request(t, http.MethodGet, "http://"+path+"/readyz", "", nil); status != 503 {
			t.Errorf("/readyz while it stops: %d %s", status, body)
		}
		if status, body := request(t, http.MethodGet, "http://"+path+"/livez", "", nil); status != 200 {
			t.Errorf("/livez while it stops: %d %s", status, body)
		}
	}
	if status, why, retry := refusalOf(t, "ws://"+addr+"/topics/news", nil); status != 503 || retry == "" {
		t.Errorf("a new client while it stops: %d %q, Retry-After %q", status, why, retry)
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	close(stop)
	publisher.Wait()
	var all []time.Duration
	for range peers {
		all = append(all, <-times)
	}
	slices.Sort(all)
	if first, last := all[0], all[clients-1]; last-first < time.Second/2 {
		t.Errorf("goodbyes between %v and %v, of 2 s", first, last)
	}
	if told.Load() == 0 {
		t.Error("no publisher was told to come back")
	}
}

// TestServeDrainsFewSubscribersAsSlowly: of two subscribers one is told at once, and the other keeps the server, which
// says meanwhile that it is not ready, until he goes by himself or it is his turn.
func TestServeDrainsFewSubscribersAsSlowly(t *testing.T) {
	p, addr := startServe(t, "--drain", "10m")
	peers := []*peer{dial(t, "ws://"+addr+"/topics/news", nil), dial(t, "ws://"+addr+"/topics/news", nil)}
	p.signal(syscall.SIGTERM)
	var first message
	select {
	case first = <-peers[0].messages:
		peers = peers[1:]
	case first = <-peers[1].messages:
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	var closed *websocket.CloseError
	if !errors.As(first.err, &closed) || closed.Code != websocket.CloseServiceRestart {
		t.Errorf("got %v", first.err)
	}
	if status, body := request(t, http.MethodGet, "http://"+addr+"/readyz", "", nil); status != 503 {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, body := request(t, http.MethodPost, "http://"+addr+"/topics/news", "x", withKey()); status != 503 {
		t.Errorf("publishing: %d %s", status, body)
	}
	peers[0].Close()
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestServeDevDrainsBriefly: who presses Ctrl-C does not wait, unless he has asked for it.
func TestServeDevDrainsBriefly(t *testing.T) {
	for _, row := range []struct {
		flags []string
		drain string
	}{
		{nil, "1s"}, {[]string{"--drain", "7s"}, "7s"},
	} {
		_, stdout, _ := hawser(t, append([]string{"serve", "--dev", "--print-config"}, row.flags...)...)
		if !strings.Contains(stdout, "\nHAWSER_DRAIN="+row.drain+"\n") {
			t.Errorf("with %q: no %s in\n%s", row.flags, row.drain, stdout)
		}
	}
}

// TestServeMetrics: what happens can be read from the metrics.
func TestServeMetrics(t *testing.T) {
	p, addr := startServe(t, "--admin-addr", "127.0.0.1:0")
	subscriber := dial(t, "ws://"+addr+"/topics/news", nil)
	for i := range 5 {
		post(t, addr, "news", "secret", fmt.Sprint("text ", i))
		subscriber.receive()
	}
	post(t, addr, "news", "wrong", "x")
	got := p.metrics()
	for name, want := range map[string]float64{
		`hawser_connections{kind="websocket"}`:              1,
		`hawser_connections_opened_total{kind="websocket"}`: 1,
		`hawser_messages_published_total`:                   5,
		`hawser_published_bytes_total`:                      30,
		`hawser_deliveries_total`:                           5,
		`hawser_refusals_total{reason="wrong_key"}`:         1,
		`hawser_queue_bytes`:                                0,
		`hawser_publish_to_socket_seconds_count`:            5,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %t), want %v", name, v, ok, want)
		}
	}
	if got["go_goroutines"] < 1 || got["go_memstats_heap_alloc_bytes"] < 1 {
		t.Error("no goroutines, or no heap")
	}
	subscriber.Close()
	for end := time.Now().Add(patience); p.metrics()[`hawser_connections{kind="websocket"}`] != 0; {
		if time.Now().After(end) {
			t.Fatal("the connection that has ended still counts")
		}
	}
}

// TestServeMetricsOfASlowSubscriber: what waits for it is shown, then what it has lost.
func TestServeMetricsOfASlowSubscriber(t *testing.T) {
	p, addr := startServe(t, "--admin-addr", "127.0.0.1:0", "--queue-bytes", "2MiB", "--history-messages", "0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	slow, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/a", nil) // nobody reads from it
	if err != nil {
		t.Fatal(err)
	}
	defer slow.CloseNow()
	text := strings.Repeat("x", 256<<10)
	waited := 0.0
	for range 200 {
		if status, why, _ := publishing(t, addr, text); status != 200 {
			t.Fatal(status, why)
		}
		got := p.metrics()
		waited = max(waited, got["hawser_queue_bytes"])
		if got[`hawser_messages_dropped_total{reason="slow"}`] > 0 {
			if waited == 0 {
				t.Error("nothing has waited")
			}
			return
		}
	}
	t.Errorf("nothing is lost; %v bytes wait", waited)
}
