package metrics

import (
	"math"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hawser.example/websocket/internal/wstest"
)

// values reads a set as Prometheus does.
func values(t *testing.T, s *Set) map[string]float64 {
	t.Helper()
	res := httptest.NewRecorder()
	s.ServeHTTP(res, nil)
	if got := res.Header().Get("Content-Type"); got != ContentType {
		t.Errorf("Content-Type %q", got)
	}
	v, err := wstest.ParseMetrics(res.Body.String())
	if err != nil {
		t.Errorf("%v in\n%s", err, res.Body)
	}
	return v
}

func want(t *testing.T, got map[string]float64, name string, v float64) {
	t.Helper()
	if g, ok := got[name]; !ok || math.Abs(g-v) > 1e-9 {
		t.Errorf("%s is %v (there: %t), want %v", name, g, ok, v)
	}
}

func TestSetIsValidText(t *testing.T) {
	var s Set
	messages := s.Counter("messages_total", "Messages.")
	drops := s.CounterVec("drops_total", `With a backslash \ and
two lines.`, "reason", "kind")
	s.Gauge("queue_bytes", "Q.", func() (float64, bool) { return 1.5, true })
	s.Gauge("unknown", "U.", func() (float64, bool) { return 0, false })
	s.GaugeVec("connections", "C.", "kind", func(emit func(string, float64)) {
		emit("sse", 1)
		emit("websocket", 2)
	})
	latency := s.Histogram("latency_seconds", "L.", time.Millisecond, time.Second)
	s.Process(time.Unix(1000, 5e8))

	messages.Add(2)
	messages.Add(3)
	drops.With("a", "x").Add(1)
	drops.With("a", "x").Add(1)
	drops.With(`"quoted\`, "y\nz").Add(1)
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Second, time.Minute} {
		latency.Observe(d)
	}
	got := values(t, &s)
	want(t, got, "messages_total", 5)
	want(t, got, `drops_total{reason="a",kind="x"}`, 2)
	want(t, got, `drops_total{reason="\"quoted\\",kind="y\nz"}`, 1)
	want(t, got, "queue_bytes", 1.5)
	want(t, got, `connections{kind="websocket"}`, 2)
	want(t, got, `latency_seconds_bucket{le="0.001"}`, 2)
	want(t, got, `latency_seconds_bucket{le="1"}`, 4)
	want(t, got, `latency_seconds_bucket{le="+Inf"}`, 5)
	want(t, got, "latency_seconds_count", 5)
	want(t, got, "latency_seconds_sum", (2*time.Millisecond + 1 + time.Second + time.Minute).Seconds())
	want(t, got, "process_start_time_seconds", 1000.5)
	if _, there := got["unknown"]; there {
		t.Error("what is not known is shown")
	}
	if got["go_goroutines"] < 1 || got["go_memstats_heap_alloc_bytes"] < 1 {
		t.Errorf("goroutines %v, heap %v", got["go_goroutines"], got["go_memstats_heap_alloc_bytes"])
	}
}

// What the system tells of the process, which on Linux is all of it.
func TestProcess(t *testing.T) {
	var s Set
	s.Process(time.Now())
	got := values(t, &s)
	for _, name := range []string{
		"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
	} {
		if v, there := got[name]; there != (v > 0) || !there && runtime.GOOS == "linux" {
			t.Errorf("%s is %v (there: %t)", name, v, there)
		}
	}
	if v := got["process_resident_memory_bytes"]; runtime.GOOS == "linux" && (v < 1<<20 || v > 1<<36) {
		t.Errorf("%v bytes in memory", v)
	}
	before, there := got["process_cpu_seconds_total"]
	for start := time.Now(); there && values(t, &s)["process_cpu_seconds_total"] <= before; {
		if time.Since(start) > time.Minute {
			t.Fatalf("the processor's time stays at %v", before)
		}
	}
}

// Two families of one name are a mistake of the program.
func TestSetRefusesAFamilyTwice(t *testing.T) {
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "a_total is there twice") {
			t.Errorf("panic %q", v)
		}
	}()
	var s Set
	s.Counter("a_total", "A.")
	s.Counter("a_total", "A.")
}

// Nothing is lost when many count, and what is read meanwhile is valid.
func TestCountersCountConcurrently(t *testing.T) {
	var s Set
	c := s.CounterVec("c_total", "C.", "k")
	h := s.Histogram("h_seconds", "H.", time.Second)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				c.With([]string{"a", "b"}[i%2]).Add(1)
				h.Observe(time.Duration(i) * 2 * time.Millisecond)
				if i%100 == 0 {
					values(t, &s)
				}
			}
		})
	}
	wg.Wait()
	got := values(t, &s)
	want(t, got, `c_total{k="a"}`, 4000)
	want(t, got, `c_total{k="b"}`, 4000)
	want(t, got, "h_seconds_count", 8000)
}
