package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHistogramQuantiles: never less than what sorting gives, and more by less than a part in 128.
func TestHistogramQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"small":      func() time.Duration { return time.Duration(random.IntN(300)) },
		"all scales": func() time.Duration { return time.Duration(math.Exp2(62.9 * random.Float64())) },
		"a delay":    func() time.Duration { return time.Duration(random.ExpFloat64() * float64(time.Millisecond)) },
		"the same":   func() time.Duration { return 12345 * time.Microsecond },
		"longest":    func() time.Duration { return math.MaxInt64 - time.Duration(random.IntN(2)) },
	} {
		t.Run(name, func(t *testing.T) {
			h, all := new(histogram), []time.Duration{}
			for range 20_000 {
				d := draw()
				h.add(d)
				all = append(all, d)
			}
			slices.Sort(all)
			if h.count() != int64(len(all)) || h.max() != all[len(all)-1] {
				t.Errorf("counted %d, max %v; want %d, %v", h.count(), h.max(), len(all), all[len(all)-1])
			}
			for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
				exact := all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
				if got := h.quantile(q); got < exact || float64(got-exact) > float64(exact)/128 {
					t.Errorf("quantile %v is %d; sorting gives %d", q, got, exact)
				}
			}
		})
	}
}

// TestHistogramBuckets: each begins where the one before ends, up to the longest duration there is.
func TestHistogramBuckets(t *testing.T) {
	for i := range histogramSize {
		top := bucketTop(i)
		if got := bucketOf(top); got != i {
			t.Fatalf("bucket %d ends with %d, which is in bucket %d", i, top, got)
		}
		if got := bucketOf(top + 1); got != i+1 {
			t.Fatalf("behind bucket %d comes %d", i, got)
		}
	}
	if top := bucketTop(histogramSize - 1); top != math.MaxInt64 {
		t.Errorf("the last bucket ends with %d", top)
	}
}

func TestHistogramOfNothing(t *testing.T) {
	h := new(histogram)
	if h.count() != 0 || h.max() != 0 || h.quantile(0.5) != 0 {
		t.Errorf("%d, %v, %v", h.count(), h.max(), h.quantile(0.5))
	}
	h.add(-time.Second)
	if h.count() != 1 || h.max() != 0 || h.quantile(1) != 0 {
		t.Errorf("a negative one: %d, %v, %v", h.count(), h.max(), h.quantile(1))
	}
}

// TestHistogramAtTheSameTime: nothing is lost when many add.
func TestHistogramAtTheSameTime(t *testing.T) {
	h := new(histogram)
	var adding sync.WaitGroup
	for i := range 8 {
		adding.Go(func() {
			for n := range 1000 {
				h.add(time.Duration(i*1000 + n))
			}
		})
	}
	adding.Wait()
	if h.count() != 8000 || h.max() != 7999 || h.quantile(1) != 7999 {
		t.Errorf("%d, %v, %v", h.count(), h.max(), h.quantile(1))
	}
}

// TestArrivalCheck: what it says is what a memory of everything says, as far as it goes back.
func TestArrivalCheck(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var a arrivalCheck
	seen := map[uint32]bool{}
	next := uint32(0) // one more than the greatest
	said := map[novelty]int{}
	for range 200_000 {
		n := uint32(max(int(next)+random.IntN(2*loadWindow+200)-2*loadWindow, 0))
		if random.IntN(5000) == 0 {
			n = next + uint32(random.IntN(3*loadWindow)) // a gap
		}
		want := novel
		switch {
		case n < next && next-n > loadWindow:
			want = belated
		case seen[n]:
			want = repeated
		}
		got := a.add(n)
		if got != want {
			t.Fatalf("number %d behind %d: %v; want %v", n, next, got, want)
		}
		said[got]++
		seen[n] = true
		next = max(next, n+1)
	}
	if said[novel] < 1000 || said[repeated] < 1000 || said[belated] < 1000 {
		t.Errorf("the numbers were not of all kinds: %v", said)
	}
}

func TestLoadMessage(t *testing.T) {
	for _, size := range []int{loadHeader, loadHeader + 1, 128, 4096} {
		p := appendLoad([]byte("before"), "0123abcd", 4711, 5*time.Second, size)[len("before"):]
		n, sent, ok := parseLoad(p, "0123abcd")
		if !ok || n != 4711 || sent != 5*time.Second || len(p) != size {
			t.Errorf("%q of %d bytes: %d, %v, %v", p, len(p), n, sent, ok)
		}
		if _, _, ok := parseLoad(p, "0123abce"); ok {
			t.Error("a message of another run was taken")
		}
		for i := loadHeader; i < size; i++ {
			p[i] ^= 1
			if _, _, ok := parseLoad(p, "0123abcd"); ok {
				t.Fatalf("a message whose byte %d was changed was taken", i)
			}
			p[i] ^= 1
		}
		for i := range loadHeader {
			if _, _, ok := parseLoad(p[:i], "0123abcd"); ok {
				t.Errorf("%q was taken", p[:i])
			}
		}
	}
}

// FuzzLoadMessage: what is taken for a message has the number and time of one.
func FuzzLoadMessage(f *testing.F) {
	f.Add(appendLoad(nil, "0123abcd", 1, time.Second, 64))
	f.Add([]byte("0123abcd ffffffff 7fffffffffffffff "))
	f.Add([]byte("0123abcd ffffffff ffffffffffffffff "))
	f.Fuzz(func(t *testing.T, p []byte) {
		n, sent, ok := parseLoad(p, "0123abcd")
		if !ok {
			return
		}
		if sent < 0 {
			t.Errorf("%q was sent at %v", p, sent)
		}
		again := appendLoad(nil, "0123abcd", n, sent, loadHeader)
		if !strings.EqualFold(string(again), string(p[:loadHeader])) {
			t.Errorf("%q is read as %q", p, again)
		}
	})
}

func TestRamp(t *testing.T) {
	for _, row := range []struct {
		text string
		due  time.Duration // of connection 50 of 100
	}{
		{"500", 100 * time.Millisecond},
		{"0.5", 100 * time.Second},
		{"10s", 5 * time.Second},
		{"1m", 30 * time.Second},
		{"1e-300", math.MaxInt64},
	} {
		var r ramp
		if err := r.Set(row.text); err != nil {
			t.Error(err)
		}
		if got := r.due(50, 100); got != row.due {
			t.Errorf("%s: connection 50 is due after %v; want %v", row.text, got, row.due)
		}
		if r.due(0, 100) != 0 {
			t.Errorf("%s: the first is due after %v", row.text, r.due(0, 100))
		}
	}
	for _, text := range []string{"", "0", "-1", "0s", "-1s", "fast", "inf", "NaN", "10 s"} {
		if err := new(ramp).Set(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if new(ramp).due(50, 100) != 0 {
		t.Error("without a ramp connections wait")
	}
}

// TestShort: three digits and the unit that fits.
func TestShort(t *testing.T) {
	for ms, want := range map[float64]string{
		0: "0.00 µs", 0.001: "1.00 µs", 0.0123: "12.3 µs", 0.9994: "999 µs", 1: "1.00 ms", 12.34: "12.3 ms", 999: "999 ms",
		1000: "1.00 s", 61234: "61.2 s", 3600000: "3600 s",
	} {
		if got := short(ms); got != want {
			t.Errorf("%v ms are %q; want %q", ms, got, want)
		}
	}
}

// TestJudgeGenerator: it is the limit when its processor or its timers say so, and it says how it knows.
func TestJudgeGenerator(t *testing.T) {
	all := float64(time.Second) * float64(runtime.GOMAXPROCS(0)) // processor time that there is in a second
	for _, row := range []struct {
		name  string
		share float64
		late  time.Duration
		why   string
	}{
		{"idle", 0.1, 100 * time.Microsecond, ""},
		{"just below", 0.79, 5 * time.Millisecond, ""},
		{"busy", 0.9, 0, "it used 90 % of its cores, more than 80 %"},
		{"late", 0.1, 9 * time.Millisecond, "its timers were 9.00 ms late (p99), more than 5ms"},
		{"both", 1, time.Second, "it used 100 % of its cores, more than 80 %; its timers were 1.00 s late (p99), more than 5ms"},
	} {
		for _, sending := range []bool{false, true} {
			var w loadWatch
			use, got := &w.connecting, func(r *loadReport) phaseLoad { return r.Generator.Connecting }
			if sending {
				use, got = &w.sending, func(r *loadReport) phaseLoad { return r.Generator.Sending }
			}
			use.cpu, use.wall, use.known = time.Duration(row.share*all), time.Second, true
			for range 100 {
				use.late.add(row.late)
			}
			var r loadReport
			r.Connections.Opened = 1
			r.judgeGenerator(&w)
			if why := strings.Join(got(&r).Why, "; "); r.Generator.Limit != (row.why != "") || why != row.why {
				t.Errorf("%s: limit %v, %q; want %q", row.name, r.Generator.Limit, why, row.why)
			}
		}
	}
	var r loadReport
	r.judgeGenerator(new(loadWatch))
	if r.Generator.Limit || r.Generator.Sending.CPU != nil {
		t.Errorf("of nothing: %+v", r.Generator)
	}
	var w loadWatch
	w.connecting.cpu, w.connecting.wall, w.connecting.known = time.Duration(all), time.Second, true
	r.judgeGenerator(&w)
	if g := r.Generator; g.Limit || g.Connecting.CPU != nil || g.Connecting.Why == nil {
		t.Errorf("without a connection: %+v", g)
	}
}

// TestPhaseUse: a phase that works uses its share, one that sleeps does not.
func TestPhaseUse(t *testing.T) {
	if _, known := processorTime(); !known {
		return // this system does not tell
	}
	var busy, idle phaseUse
	busy.during(func() {
		begun, _ := processorTime()
		for now := begun; now-begun < 100*time.Millisecond || busy.late.count() == 0; now, _ = processorTime() {
		}
	})
	idle.during(func() {
		for idle.late.count() == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	})
	if busy.cpu < 100*time.Millisecond || busy.wall <= 0 || idle.cpu >= busy.cpu || idle.wall < watchGap {
		t.Errorf("busy: %v of %v, %d timers; idle: %v of %v, %d timers",
			busy.cpu, busy.wall, busy.late.count(), idle.cpu, idle.wall, idle.late.count())
	}
}

// TestLoadTable: what a report looks like.
func TestLoadTable(t *testing.T) {
	var r loadReport
	err := json.Unmarshal([]byte(`{
		"connections": {"asked": 1000, "opened": 998, "seconds": 0.812, "per_second": 1229},
		"connect_ms": {"p50": 1.2, "p99": 9.1, "max": 12},
		"messages": {"planned": 120, "sent": 100, "size": 128, "seconds": 10, "per_second": 10, "expected": 99800,
			"received": 99790, "lost": 12, "twice": 3, "surplus": 2},
		"delay_ms": {"p50": 0.31, "p99": 1.9, "max": 4.1},
		"last_receiver_ms": {"p50": 1.1, "p99": 2.3, "max": 4.1},
		"errors": {"connect: status 503": 2, "publish: status 429": 7, "connection: closed with code 1013": 2},
		"other_subscribers": 1, "interrupted": true,
		"generator": {"limit": true, "cores": 2, "connecting": {"cpu": 0.5, "timer_late_ms": 0.12},
			"sending": {"cpu": 0.9, "timer_late_ms": 9, "why": ["it used 90 %", "its timers were late"]}}}`), &r)
	if err != nil {
		t.Fatal(err)
	}
	wantTable(t, &r, `
                      p50       p99       max
connect           1.20 ms   9.10 ms   12.0 ms
delivery           310 µs   1.90 ms   4.10 ms
last receiver     1.10 ms   2.30 ms   4.10 ms

connections    998 of 1000 in 812 ms, 1229 a second
messages       100 of 120 planned in 10.0 s, 10 a second, 128 bytes each
deliveries     99788 of 99800, 12 lost, 3 twice, 2 more than the server said
errors         7 publish: status 429
               2 connect: status 503
               2 connection: closed with code 1013
others         1 subscribe to this topic too: the numbers of deliveries are not exact
incomplete     it was interrupted
load generator was not the limit while connecting: 50 % of 2 cores, timers 120 µs late (p99)
               WAS THE LIMIT while sending, so the delays say little about the server:
               it used 90 %, its timers were late
`)
	r = loadReport{Echo: true}
	r.Generator.Connecting.Why = []string{"its timers were late"}
	late := 1.0
	r.Generator.Sending.TimerLateMS = &late
	wantTable(t, &r, `
connections    0 of 0
messages       0 of 0 planned, 0 bytes each
deliveries     0 of 0, 0 lost, 0 twice
errors         none
load generator WAS THE LIMIT while connecting, so the connect times say little about the server:
               its timers were late
               was not the limit while sending: timers 1.00 ms late (p99)
`)
}

// TestLoadTableOfWhatWasNotMeasured has no figures of it.
func TestLoadTableOfWhatWasNotMeasured(t *testing.T) {
	r := loadReport{ConnectMS: &spread{1, 2, 3}}
	r.Connections.Asked, r.Connections.Opened, r.Connections.Seconds, r.Connections.PerSecond = 5, 5, 1, 5
	r.Messages.Planned, r.Messages.Size = 4, 128
	r.Messages.Sent, r.Messages.Seconds, r.Messages.PerSecond = 2, 1, 2
	r.Messages.Expected, r.Messages.Lost = 10, 10
	wantTable(t, &r, `
                      p50       p99       max
connect           1.00 ms   2.00 ms   3.00 ms

connections    5 of 5 in 1.00 s, 5 a second
messages       2 of 4 planned in 1.00 s, 2 a second, 128 bytes each
deliveries     0 of 10, 10 lost, 0 twice
errors         none
`)
	r.DelayMS, r.Messages.Received, r.Messages.Lost = &spread{1, 2, 3}, 1, 9
	wantTable(t, &r, `
                      p50       p99       max
connect           1.00 ms   2.00 ms   3.00 ms
delivery          1.00 ms   2.00 ms   3.00 ms
last receiver           -         -         -

connections    5 of 5 in 1.00 s, 5 a second
messages       2 of 4 planned in 1.00 s, 2 a second, 128 bytes each
deliveries     1 of 10, 9 lost, 0 twice
errors         none
`)
}

// TestLoadHelpHasEveryField of the object that --json prints.
func TestLoadHelpHasEveryField(t *testing.T) {
	var look func(of reflect.Type)
	look = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		for i := 0; of.Kind() == reflect.Struct && i < of.NumField(); i++ {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name == "" || !regexp.MustCompile(`\b`+name+`\b`).MatchString(loadVerb.help) {
				t.Errorf("%s of %v is not explained", of.Field(i).Name, of)
			}
			look(of.Field(i).Type)
		}
	}
	look(reflect.TypeFor[loadReport]())
}

func wantTable(t *testing.T, r *loadReport, want string) {
	t.Helper()
	var got strings.Builder
	if err := r.print(&got); err != nil || got.String() != want[1:] {
		t.Errorf("%v, printed\n%s\nwant\n%s", err, got.String(), want[1:])
	}
}
