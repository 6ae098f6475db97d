package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A loadReport is the result of a run, as --json prints it: without what was not measured.
type loadReport struct {
	URL         string `json:"url"`
	Interrupted bool   `json:"interrupted"`

	Connections struct {
		Asked     int     `json:"asked"`
		Opened    int64   `json:"opened"`
		Seconds   float64 `json:"seconds"`
		PerSecond float64 `json:"per_second"`
	} `json:"connections"`
	ConnectMS *spread `json:"connect_ms,omitempty"`

	Messages struct {
		Planned   int     `json:"planned"`
		Sent      int64   `json:"sent"`
		Size      int     `json:"size"`
		Seconds   float64 `json:"seconds"`
		PerSecond float64 `json:"per_second"`
		Expected  int64   `json:"expected"` // deliveries
		Received  int64   `json:"received"`
		Lost      int64   `json:"lost"`
		Twice     int64   `json:"twice"`
		Surplus   int64   `json:"surplus"` // to more connections than the server said
	} `json:"messages"`
	Echo           bool    `json:"echo"`
	DelayMS        *spread `json:"delay_ms,omitempty"` // of each delivery; of round trips with echo
	LastReceiverMS *spread `json:"last_receiver_ms,omitempty"`

	Errors           map[string]int64 `json:"errors"`
	OtherSubscribers int64            `json:"other_subscribers"`

	Generator struct {
		Limit      bool      `json:"limit"` // in one of the phases
		Cores      int       `json:"cores"`
		Connecting phaseLoad `json:"connecting"`
		Sending    phaseLoad `json:"sending"`
	} `json:"generator"`
}

// A phaseLoad is what is known of the load generator in a phase.
type phaseLoad struct {
	CPU         *float64 `json:"cpu,omitempty"`           // its part of all its cores, if the system tells
	TimerLateMS *float64 `json:"timer_late_ms,omitempty"` // p99
	Why         []string `json:"why"`                     // it was the limit; empty if it was not
}

// A spread is how long things took, in milliseconds.
type spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// spreadOf returns the spread of what was counted, nil if nothing was.
func spreadOf(h *histogram) *spread {
	if h.count() == 0 {
		return nil
	}
	return &spread{milliseconds(h.quantile(0.5)), milliseconds(h.quantile(0.99)), milliseconds(h.max())}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report makes the result. The run is over.
func (l *loadRun) report(interrupted bool) *loadReport {
	r := &loadReport{URL: concealURL(l.url.String()), Interrupted: interrupted, Echo: l.echo, Errors: map[string]int64{}}
	s := &l.stats
	c := &r.Connections
	c.Asked, c.Opened = l.connections, s.connect.count()
	c.Seconds = time.Duration(s.connectTime.Load()).Seconds()
	c.PerSecond = perSecond(c.Opened, c.Seconds)
	r.ConnectMS = spreadOf(&s.connect)
	m := &r.Messages
	m.Planned, m.Sent, m.Size, m.Seconds = len(l.messages), s.sent.Load(), l.size, s.sendTime.Seconds()
	m.PerSecond = perSecond(m.Sent, m.Seconds)
	m.Expected, m.Received, m.Twice = s.expected.Load(), s.received.Load(), s.twice.Load()
	r.DelayMS = spreadOf(&s.delivery)
	last := new(histogram)
	for i := range l.messages {
		expected, received := l.messages[i].expected.Load(), l.messages[i].received.Load()
		m.Lost += int64(max(expected-received, 0))
		m.Surplus += int64(max(received-expected, 0))
		if expected > 0 && received >= expected {
			last.add(time.Duration(l.messages[i].slowest.Load()))
		}
	}
	if !l.echo {
		r.LastReceiverMS = spreadOf(last)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind, n := range s.errors {
		r.Errors[kind] = n
	}
	r.OtherSubscribers = s.others.Load()
	r.judgeGenerator(&l.watch)
	return r
}

func perSecond(n int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// judgeGenerator says whether the load generator was the limit, and why. Without a connection there are no times that
// it could have spoiled.
func (r *loadReport) judgeGenerator(w *loadWatch) {
	g := &r.Generator
	g.Cores, g.Connecting, g.Sending = runtime.GOMAXPROCS(0), phaseLoad{Why: []string{}}, w.sending.judge()
	if r.Connections.Opened > 0 {
		g.Connecting = w.connecting.judge()
	}
	g.Limit = len(g.Connecting.Why)+len(g.Sending.Why) > 0
}

// judge says whether the load generator was the limit in a phase.
func (u *phaseUse) judge() phaseLoad {
	l := phaseLoad{Why: []string{}}
	if share := u.share(); u.known {
		l.CPU = &share
		if share > busyShare {
			l.Why = append(l.Why, fmt.Sprintf("it used %.0f %% of its cores, more than %.0f %%", 100*share, 100*busyShare))
		}
	}
	if u.late.count() == 0 { // a phase that was too short for one
		return l
	}
	late := milliseconds(u.late.quantile(0.99))
	l.TimerLateMS = &late
	if late > milliseconds(lateLimit) {
		l.Why = append(l.Why, fmt.Sprintf("its timers were %s late (p99), more than %v", short(late), lateLimit))
	}
	return l
}

// finish prints the result and returns the exit code. final is why the run was given up, nil if it was not.
func (l *loadRun) finish(final error, interrupted bool) int {
	if final != nil && l.stats.connect.count() == 0 && l.stats.failures() == 0 {
		return usageError(l.std, "load", "%v", final) // before there was anything to connect to
	}
	r := l.report(interrupted)
	code := r.verdict()
	l.explain(final)
	if final != nil {
		fmt.Fprintf(l.std.err, "hawser load: given up: %s\n", escapeText([]byte(conceal(final.Error()))))
		code = exitFailed
	}
	var err error
	if l.json {
		err = json.NewEncoder(l.std.out).Encode(r)
	} else {
		err = r.print(l.std.out)
	}
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		fmt.Fprintln(l.std.err, "hawser load: standard output:", err)
		return exitFailed
	}
	return code
}

// verdict is the exit code of a run that has not given up.
func (r *loadReport) verdict() int {
	switch {
	case r.Interrupted:
		return exitFailed
	case r.Connections.Opened == 0:
		return exitConnect
	case r.Messages.Lost > 0 || r.Messages.Twice > 0 || r.Messages.Surplus > 0 || len(r.Errors) > 0:
		return exitUnmet
	}
	return exitOK
}

// print prints the result as a table.
func (r *loadReport) print(w io.Writer) error {
	t := &table{w: w}
	r.printSpreads(t)
	c, m := r.Connections, r.Messages
	t.line("%-15s%d of %d%s", "connections", c.Opened, c.Asked, pace(c.Opened, c.Seconds, "%.0f", c.PerSecond))
	t.line("%-15s%d of %d planned%s, %d bytes each", "messages", m.Sent, m.Planned,
		pace(m.Sent, m.Seconds, "%.4g", m.PerSecond), m.Size)
	surplus := ""
	if m.Surplus > 0 {
		surplus = fmt.Sprintf(", %d more than the server said", m.Surplus)
	}
	t.line("%-15s%d of %d, %d lost, %d twice%s", "deliveries", m.Received-m.Surplus, m.Expected, m.Lost, m.Twice, surplus)
	r.printErrors(t)
	if r.OtherSubscribers > 0 {
		t.line("%-15s%d subscribe to this topic too: the numbers of deliveries are not exact", "others", r.OtherSubscribers)
	}
	if r.Interrupted {
		t.line("%-15sit was interrupted", "incomplete")
	}
	r.printGenerator(t)
	return t.err
}

// printSpreads prints how long what was measured took.
func (r *loadReport) printSpreads(t *table) {
	if r.ConnectMS == nil {
		return
	}
	t.line("%-15s%10s%10s%10s", "", "p50", "p99", "max")
	t.spread("connect", r.ConnectMS)
	switch {
	case r.DelayMS == nil:
	case r.Echo:
		t.spread("round trip", r.DelayMS)
	default:
		t.spread("delivery", r.DelayMS)
		t.spread("last receiver", r.LastReceiverMS)
	}
	t.line("")
}

// pace says in which time n were done and how many that is a second, of which form says how it is written; nothing if
// there were none.
func pace(n int64, seconds float64, form string, perSecond float64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" in %s, "+form+" a second", short(1000*seconds), perSecond)
}

// printErrors prints how many errors there were, those first of which there were most.
func (r *loadReport) printErrors(t *table) {
	kinds := slices.SortedFunc(maps.Keys(r.Errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Errors[b], r.Errors[a]), cmp.Compare(a, b))
	})
	if len(kinds) == 0 {
		t.line("%-15snone", "errors")
	}
	title := "errors"
	for _, kind := range kinds {
		t.line("%-15s%d %s", title, r.Errors[kind], kind)
		title = ""
	}
}

// printGenerator prints what is known of the load generator.
func (r *loadReport) printGenerator(t *table) {
	g := r.Generator
	g.Connecting.print(t, "load generator", "while connecting", "connect times", g.Cores)
	g.Sending.print(t, "", "while sending", "delays", g.Cores)
}

// print prints what is known of the load generator in a phase, and what that spoils if it was the limit. Of a phase
// that never came nothing is.
func (l *phaseLoad) print(t *table, title, phase, spoiled string, cores int) {
	var known []string
	if l.CPU != nil {
		known = append(known, fmt.Sprintf("%.0f %% of %d cores", 100**l.CPU, cores))
	}
	if l.TimerLateMS != nil {
		known = append(known, fmt.Sprintf("timers %s late (p99)", short(*l.TimerLateMS)))
	}
	switch {
	case len(l.Why) > 0:
		t.line("%-15sWAS THE LIMIT %s, so the %s say little about the server:", title, phase, spoiled)
		t.line("%-15s%s", "", strings.Join(l.Why, ", "))
	case len(known) > 0:
		t.line("%-15swas not the limit %s: %s", title, phase, strings.Join(known, ", "))
	}
}

// A table prints lines until one cannot be printed.
type table struct {
	w   io.Writer
	err error
}

func (t *table) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

// spread prints a row; nil is what was not measured.
func (t *table) spread(name string, s *spread) {
	if s == nil {
		t.line("%-15s%10s%10s%10s", name, "-", "-", "-")
		return
	}
	t.line("%-15s%10s%10s%10s", name, short(s.P50), short(s.P99), short(s.Max))
}

// short writes milliseconds with three digits, in the unit that fits.
func short(ms float64) string {
	switch {
	case ms < 1:
		return digits(1000*ms) + " µs"
	case ms < 1000:
		return digits(ms) + " ms"
	}
	return digits(ms/1000) + " s"
}

// digits writes f with three digits, or with all of them before the point if those are more.
func digits(f float64) string {
	switch {
	case f < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}
