package notify

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/metrics"
)

// meters count what the server does. Any number of goroutines may use them.
type meters struct {
	set metrics.Set

	collecting sync.Mutex
	counted    websocket.HubStats // what is in drops already of the Hub's counts; guarded by collecting
	queued     atomic.Int64       // bytes, when they were last asked for

	connections  sync.Map // of a kind to an *atomic.Int64: how many there are
	openings     *metrics.CounterVec
	closings     *metrics.CounterVec
	messages     *metrics.Counter
	messageBytes *metrics.Counter
	deliveries   *metrics.Counter
	drops        *metrics.CounterVec
	recoveries   *metrics.CounterVec
	missed       *metrics.Counter
	refusals     *metrics.CounterVec
	reloads      *metrics.CounterVec
	delay        *metrics.Histogram
}

// The values of labels of which each is there from the beginning, so that whoever adds them up sees zeros. That is what
// makes a rate of the first one.
var (
	kinds       = []string{kindPlain, kindV1, kindSSE}
	recoveryWas = []string{"complete", "incomplete"}
	reloadWas   = []string{"done", "failed"}
	dropReasons = []string{dropSlow, dropSuperseded}
)

// The kinds of connections.
const (
	kindPlain = "websocket"
	kindV1    = "hawser.v1"
	kindSSE   = "sse"
)

// Why messages are dropped.
const (
	dropSlow       = "slow"       // more waited than may
	dropSuperseded = "superseded" // a newer one of a topic of --latest came
)

// delays are the bounds of the histogram.
var delays = []time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
}

func newMeters() *meters {
	m := &meters{}
	s := &m.set
	s.GaugeVec("hawser_connections", "Subscribers that are connected.", "kind", m.connected)
	m.openings = s.CounterVec("hawser_connections_opened_total", "Subscribers that have connected.", "kind")
	m.closings = s.CounterVec("hawser_connections_closed_total", "Subscribers that have gone, by how.", "kind", "reason")
	m.messages = s.Counter("hawser_messages_published_total", "Messages taken from publishers, counted for each topic.")
	m.messageBytes = s.Counter("hawser_published_bytes_total", "Bytes of these messages.")
	m.deliveries = s.Counter("hawser_deliveries_total", "Messages handed on, counted for each subscriber.")
	m.drops = s.CounterVec("hawser_messages_dropped_total", "Messages that a subscriber did not get, by why.", "reason")
	s.Gauge("hawser_queue_bytes", "Bytes that wait for subscribers.",
		func() (float64, bool) { return float64(m.queued.Load()), true })
	m.recoveries = s.CounterVec("hawser_recoveries_total",
		"Subscribers that came back with the id of their last message, by whether all since was still there.", "result")
	m.missed = s.Counter("hawser_recovered_messages_total", "Messages that they had missed and got.")
	m.refusals = s.CounterVec("hawser_refusals_total", "Requests and messages that were refused, by why.", "reason")
	m.reloads = s.CounterVec("hawser_reloads_total", "How often the configuration was read again.", "result")
	m.delay = s.Histogram("hawser_publish_to_socket_seconds",
		"From publishing messages to having handed them to the sockets of some of their subscribers together.", delays...)
	for _, kind := range kinds {
		m.count(kind)
		m.openings.With(kind)
	}
	for _, reason := range dropReasons {
		m.drops.With(reason)
	}
	for _, result := range recoveryWas {
		m.recoveries.With(result)
	}
	for _, result := range reloadWas {
		m.reloads.With(result)
	}
	s.Process(time.Now())
	s.GaugeVec("hawser_build_info", "1, with the version as a label.", "version",
		func(emit func(string, float64)) { emit(version(), 1) })
	return m
}

// version returns what the build knows about itself.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// count returns the number of connections of a kind.
func (m *meters) count(kind string) *atomic.Int64 {
	n, ok := m.connections.Load(kind)
	if !ok {
		n, _ = m.connections.LoadOrStore(kind, new(atomic.Int64))
	}
	return n.(*atomic.Int64)
}

func (m *meters) connected(emit func(string, float64)) {
	for _, kind := range kinds {
		emit(kind, float64(m.count(kind).Load()))
	}
}

// opened counts a subscriber that has connected.
func (m *meters) opened(kind string) {
	m.count(kind).Add(1)
	m.openings.With(kind).Add(1)
}

// closed counts a subscriber that has gone.
func (m *meters) closed(kind, reason string) {
	m.count(kind).Add(-1)
	m.closings.With(kind, reason).Add(1)
}

// published counts a message of that many bytes.
func (m *meters) published(bytes int) {
	m.messages.Add(1)
	m.messageBytes.Add(bytes)
}

// delivered counts messages handed on.
func (m *meters) delivered(n int) { m.deliveries.Add(n) }

// dropped counts messages that a subscriber did not get.
func (m *meters) dropped(reason string, n int) { m.drops.With(reason).Add(n) }

// collect takes down what is counted elsewhere.
func (m *meters) collect(stats func() websocket.HubStats, backlogs int64) {
	m.collecting.Lock()
	defer m.collecting.Unlock()
	hub := stats()
	superseded := hub.Superseded - m.counted.Superseded
	m.dropped(dropSuperseded, int(superseded))
	m.dropped(dropSlow, int(hub.Dropped-m.counted.Dropped-superseded))
	m.counted = hub
	m.queued.Store(hub.Queued + backlogs)
}

// recovered counts a subscriber that came back and had missed n messages that are still there.
func (m *meters) recovered(complete bool, n int) {
	result := "incomplete"
	if complete {
		result = "complete"
	}
	m.recoveries.With(result).Add(1)
	m.missed.Add(n)
}

// refused counts a refusal.
func (m *meters) refused(code string) { m.refusals.With(code).Add(1) }

// reloaded counts that the configuration was read again.
func (m *meters) reloaded(done bool) {
	result := "failed"
	if done {
		result = "done"
	}
	m.reloads.With(result).Add(1)
}

// latency takes down how long it took to hand a message to the sockets.
func (m *meters) latency(d time.Duration) { m.delay.Observe(d) }
