package e2e

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/internal/feed"
)

// postNumber publishes n.
func postNumber(ctx context.Context, addr, topic string, n int) error {
	r, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/topics/"+topic, strings.NewReader(strconv.Itoa(n)))
	if err != nil {
		return err
	}
	r.Header = withKey
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		return &statusError{res.StatusCode, res.Header}
	}
	return nil
}

type statusError struct {
	status int
	header http.Header
}

func (e *statusError) Error() string { return fmt.Sprint("status ", e.status) }

// A leaving is how a client of a server that drains has fared.
type leaving struct {
	kind   string
	last   int // number
	at     time.Time
	code   websocket.CloseCode
	reason string
	retry  int  // what the drain message says
	late   bool // something came behind the drain message
	err    error
}

var retryHint = regexp.MustCompile(`^the server restarts; retry=(\d+)$`)

// TestServeDrain: a server that is told to stop while it is busy sends each client all that it has taken, then its
// Close, spread over the time it is given, and says when to come back. Publishers hear of it.
func TestServeDrain(t *testing.T) {
	const clients, drain = 200, 4 * time.Second
	hawser, addr := startPublic(t, "127.0.0.1:0", "--drain", drain.String())
	ctx := within(t)
	left := make([]leaving, clients)
	var ready, done sync.WaitGroup
	for i := range left {
		ready.Add(1)
		done.Go(func() { left[i] = stay(ctx, addr, []string{"v1", "plain", "v1", "events"}[i%4], ready.Done) })
	}
	ready.Wait()
	var taken atomic.Int64 // the last number that the server took
	refused := make(chan error, 1)
	go func() {
		for n := 1; ; n++ {
			if err := postNumber(ctx, addr, "load", n); err != nil {
				refused <- err
				return
			}
			taken.Store(int64(n))
		}
	}()
	for taken.Load() < 200 && len(refused) == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	if code := hawser.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	done.Wait()

	err := <-refused
	if status, ok := err.(*statusError); !ok || status.status != 503 || status.header.Get("Retry-After") == "" {
		t.Errorf("the publisher was told %v; want 503 with Retry-After", err)
	}
	var times, hints []time.Duration
	for i, l := range left {
		if l.err != nil || l.late || l.last != int(taken.Load()) {
			t.Errorf("client %d, %s: last number %d, late %v, %v; want %d", i, l.kind, l.last, l.late, l.err, taken.Load())
		}
		hint := retryHint.FindStringSubmatch(l.reason)
		switch {
		case l.kind != "events" && (l.code != websocket.CloseServiceRestart || hint == nil):
			t.Errorf("client %d, %s: close %v %q", i, l.kind, l.code, l.reason)
		case l.kind != "plain" && l.retry == 0:
			t.Errorf("client %d, %s: no drain message", i, l.kind)
		case l.kind == "v1" && hint[1] != strconv.Itoa(l.retry):
			t.Errorf("client %d: the drain message says %d, the Close %s", i, l.retry, hint[1])
		}
		times = append(times, l.at.Sub(began))
		if l.kind != "plain" {
			hints = append(hints, time.Duration(l.retry)*time.Millisecond)
		}
	}
	t.Logf("%d numbers; goodbyes at %v", taken.Load(), quartiles(times))
	wantSpread(t, "goodbyes", times, drain)
	wantSpread(t, "hints", hints, drain)
}

// quartiles returns the least, three in between, and the greatest.
func quartiles(times []time.Duration) (q [5]time.Duration) {
	slices.Sort(times)
	for i := range q {
		q[i] = times[i*(len(times)-1)/4]
	}
	return q
}

// wantSpread checks that times lie evenly in a span: each quarter has its share, more or less.
func wantSpread(t *testing.T, what string, times []time.Duration, span time.Duration) {
	t.Helper()
	q := quartiles(times)
	for i := range 4 {
		if d := q[i+1] - q[i]; d < span/40 || d > 2*span { // a machine that is busy delays some
			t.Errorf("the %s are not spread over %v: the quartiles are %v", what, span, q)
			return
		}
	}
}

// stay subscribes and receives until the server says goodbye.
func stay(ctx context.Context, addr, kind string, ready func()) (l leaving) {
	l.kind = kind
	defer func() { l.at = time.Now() }()
	if kind == "plain" {
		c, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/load", nil)
		ready()
		if err == nil {
			defer context.AfterFunc(ctx, func() { c.CloseNow() })()
		}
		for err == nil {
			var p []byte
			_, p, err = c.ReadMessage()
			if err == nil {
				l.last, l.err = strconv.Atoi(string(p))
			}
		}
		l.code, l.reason = closeCode(err)
		return l
	}
	var f feed.Follower
	f.Expect("load", 1)
	stream, err := openStream(ctx, feed.Source{Server: addr, Topics: []string{"load"}, Events: kind == "events"}, "")
	if err == nil {
		var welcome feed.Message
		if welcome, err = stream.Next(); err == nil {
			err = f.Take(welcome)
		}
	}
	ready()
	for l.err = err; l.err == nil; {
		m, err := stream.Next()
		if err != nil {
			l.code, l.reason = closeCode(err)
			break
		}
		l.late = l.retry > 0
		if m.Type == "drain" {
			l.retry = max(m.Retry, 1)
		}
		l.err = f.Take(m)
	}
	l.last = f.Next("load") - 1
	return l
}
