// Package metrics is counters, gauges and histograms, and the text in which Prometheus reads them (its exposition
// format 0.0.4).
//
//	metrics.go   Set, and the kinds of metrics
//	text.go      the text
//	process.go   what every process has: goroutines, heap, descriptors
package metrics

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Set is metrics that are shown together, in the order in which they were added. All are added before anybody reads
// the set; then any number of goroutines may use it.
type Set struct {
	families []family
}

// A family is a metric with all values of its labels.
type family struct {
	name, help, kind string
	samples          func(*writer)
}

// add panics if name is taken already, since two families of one name are not valid text.
func (s *Set) add(f family) {
	if slices.ContainsFunc(s.families, func(g family) bool { return g.name == f.name }) {
		panic("metrics: " + f.name + " is there twice")
	}
	s.families = append(s.families, f)
}

// A Counter only grows.
type Counter struct{ n atomic.Int64 }

// Add adds n, which is not negative.
func (c *Counter) Add(n int) { c.n.Add(int64(n)) }

// Value returns the sum.
func (c *Counter) Value() int64 { return c.n.Load() }

// Counter adds a counter without labels.
func (s *Set) Counter(name, help string) *Counter {
	c := &Counter{}
	s.add(family{name, help, "counter", func(w *writer) { w.sample(name, nil, float64(c.Value())) }})
	return c
}

// A CounterVec is a counter for each combination of the values of its labels.
type CounterVec struct {
	labels   []string
	counters sync.Map // of the values, joined, to a *Counter
}

// CounterVec adds a counter with labels.
func (s *Set) CounterVec(name, help string, labels ...string) *CounterVec {
	v := &CounterVec{labels: labels}
	s.add(family{name, help, "counter", func(w *writer) { v.samples(w, name) }})
	return v
}

// separator joins the values of labels to a key. They are words of ours, so that it is in none of them.
const separator = "\x00"

// With returns the counter for values of the labels. There have to be few of them: each is kept for ever.
func (v *CounterVec) With(values ...string) *Counter {
	if len(values) != len(v.labels) {
		panic("metrics: values and labels differ in number")
	}
	key := strings.Join(values, separator)
	c, ok := v.counters.Load(key)
	if !ok {
		c, _ = v.counters.LoadOrStore(key, &Counter{})
	}
	return c.(*Counter)
}

// samples writes all counters, sorted.
func (v *CounterVec) samples(w *writer, name string) {
	values := make(map[string]int64)
	var keys []string
	v.counters.Range(func(key, c any) bool {
		keys = append(keys, key.(string))
		values[key.(string)] = c.(*Counter).Value()
		return true
	})
	slices.Sort(keys)
	for _, key := range keys {
		var labels []label
		for i, value := range strings.Split(key, separator) {
			labels = append(labels, label{v.labels[i], value})
		}
		w.sample(name, labels, float64(values[key]))
	}
}

// Gauge adds a value that is asked for when the text is written. ok is false if it is not known; then it is left out.
func (s *Set) Gauge(name, help string, value func() (v float64, ok bool)) {
	s.ask(name, help, "gauge", value)
}

// CounterFunc is Gauge for what only grows.
func (s *Set) CounterFunc(name, help string, value func() (v float64, ok bool)) {
	s.ask(name, help, "counter", value)
}

func (s *Set) ask(name, help, kind string, value func() (float64, bool)) {
	s.add(family{name, help, kind, func(w *writer) {
		if v, ok := value(); ok {
			w.sample(name, nil, v)
		}
	}})
}

// GaugeVec adds values that are asked for when the text is written: one for each value of a label.
func (s *Set) GaugeVec(name, help, labelName string, values func(emit func(labelValue string, v float64))) {
	s.add(family{name, help, "gauge", func(w *writer) {
		values(func(labelValue string, v float64) { w.sample(name, []label{{labelName, labelValue}}, v) })
	}})
}

// A Histogram counts durations by how long they are.
type Histogram struct {
	bounds []time.Duration // rising
	counts []atomic.Int64  // one for each bound: what is not longer, nor in one before; and one for what is longer
	sum    atomic.Int64    // nanoseconds
}

// Histogram adds a histogram of seconds.
func (s *Set) Histogram(name, help string, bounds ...time.Duration) *Histogram {
	h := &Histogram{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
	s.add(family{name, help, "histogram", func(w *writer) { h.samples(w, name) }})
	return h
}

// Observe counts d.
func (h *Histogram) Observe(d time.Duration) {
	i, _ := slices.BinarySearch(h.bounds, d)
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// samples writes the histogram. The counts are cumulative, and their last is that of all.
func (h *Histogram) samples(w *writer, name string) {
	var n int64
	for i, bound := range h.bounds {
		n += h.counts[i].Load()
		w.sample(name+"_bucket", []label{{"le", number(bound.Seconds())}}, float64(n))
	}
	n += h.counts[len(h.bounds)].Load()
	w.sample(name+"_bucket", []label{{"le", "+Inf"}}, float64(n))
	w.sample(name+"_sum", nil, time.Duration(h.sum.Load()).Seconds())
	w.sample(name+"_count", nil, float64(n))
}
