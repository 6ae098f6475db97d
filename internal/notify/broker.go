package notify

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/topic"
)

// This file is who gets what, in which order.
//
// Messages are numbered over all topics. One lock, the broker's, covers the number, the history, the handing over to
// the Hub and to backlogs, and every change of who subscribes to what. So a subscription begins and ends between two
// messages, and the history says exactly what came before it.
//
// A pattern is a topic of the Hub twice, once for each form. A message is published to all patterns that cover its
// topic and that somebody has; the patterns of a connection in the Hub are disjoint (topic.Cover), so it gets one of
// these publications.
//
// Lock order: broker.searching, broker.mu, then backlog.mu, message.mu or the locks of the Hub. While broker.mu is held
// nobody waits for a client, nor writes to one.

// A broker takes what is published and gives it to all who subscribe.
type broker struct {
	hub    *websocket.Hub
	epoch  string
	latest []string // patterns of the topics of which only the newest message counts
	queue  int64    // bytes that may wait for a backlog's client
	meters *meters
	queued atomic.Int64 // bytes that wait in backlogs

	searching sync.Mutex // held by who goes through the whole history; before mu

	mu        sync.Mutex
	closed    bool
	seq       uint64
	history   history
	audiences map[string]*audience // by pattern
}

// An audience is who has a pattern.
type audience struct {
	keys     [forms]string // the pattern's names in the Hub
	members  [forms]int    // connections in the Hub
	backlogs map[*backlog]struct{}
}

// A published is the answer to a publisher.
type published struct {
	ID          string `json:"id"`          // epoch-seq: which run of the server, and which message of it
	Subscribers int    `json:"subscribers"` // how many it was sent to
}

// A start is where a subscription begins.
type start struct {
	after    position   // everything behind it follows
	asked    bool       // for what was missed
	complete bool       // missed is all that was
	since    uint64     // the client gets, or has had, everything behind this number
	missed   []*message // in order
}

// A subscriber is the subscriptions of one WebSocket connection. Its goroutine owns the fields.
type subscriber struct {
	conn     *websocket.Conn
	form     form
	patterns []string // as they were named, each once
	cover    []string // the minimal cover of patterns: those that it has in the Hub

	since map[string]uint64 // of each of cover: it has had everything behind this number
}

func newBroker(hub *websocket.Hub, cfg Config, queue int64, m *meters) *broker {
	return &broker{
		hub:       hub,
		epoch:     newEpoch(),
		latest:    cfg.Latest,
		queue:     queue,
		meters:    m,
		history:   newHistory(cfg.History),
		audiences: make(map[string]*audience),
	}
}

// publish sends p, which it keeps, to the subscribers of each of topics. The messages have numbers that follow each
// other. The error is [websocket.ErrInvalidUTF8] or [websocket.ErrHubClosed]; then nothing is published.
func (b *broker) publish(topics []string, t websocket.MessageType, p []byte) ([]published, error) {
	if t == websocket.TextMessage && !utf8.Valid(p) {
		return nil, websocket.ErrInvalidUTF8
	}
	var data []byte // made here, since a large message takes a while, and nobody shall wait for the lock meanwhile
	if b.someGetJSON(topics) {
		data = appendData(nil, t, p)
	}
	results, err := b.number(topics, t, p, data)
	if err == nil {
		b.hub.AwaitRoom()
	}
	return results, err
}

// someGetJSON reports whether somebody in the Hub gets messages of one of topics as JSON. Soon there may be another.
func (b *broker) someGetJSON(topics []string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range topics {
		for pattern := range topic.Covering(name) {
			if a := b.audiences[pattern]; a != nil && a.members[jsonForm] > 0 {
				return true
			}
		}
	}
	return false
}

// number gives a message on each of topics its number, and hands it over. data is p as appendData has it, or nil.
func (b *broker) number(topics []string, t websocket.MessageType, p, data []byte) ([]published, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, websocket.ErrHubClosed
	}
	results := make([]published, len(topics))
	for i, name := range topics {
		b.seq++
		m := &message{position: position{b.epoch, b.seq}, topic: name, msgType: t, payload: p, at: time.Now()}
		m.latest = topic.Any(b.latest, name)
		b.history.add(m)
		results[i] = published{m.position.String(), b.send(m, data)}
		b.meters.published(len(p))
		b.meters.delivered(results[i].Subscribers)
	}
	return results, nil
}

// send hands m over to all who get it and returns how many these are. mu is held.
func (b *broker) send(m *message, data []byte) (subscribers int) {
	for pattern := range topic.Covering(m.topic) {
		a := b.audiences[pattern]
		if a == nil {
			continue
		}
		for f, members := range a.members {
			if members > 0 {
				receipt, _ := b.hub.Enqueue(a.keys[f], m.as(form(f), data)) // before it is shut down the broker is closed
				subscribers += receipt.Subscribers
			}
		}
		for l := range a.backlogs {
			if l.collects(m.topic) {
				subscribers++
				superseded, lost := l.add(m)
				b.meters.dropped(dropSuperseded, superseded)
				b.meters.dropped(dropSlow, lost)
			}
		}
	}
	return subscribers
}

// listen begins a subscription with a backlog that collects what patterns cover and those do not that the client has
// already, which are held, with their subscriber.since. If last is set the start has what was missed since.
func (b *broker) listen(patterns []string, held map[string]uint64, last *position) (*backlog, start, error) {
	skip := slices.Collect(maps.Keys(held))
	cover := slices.DeleteFunc(topic.Cover(patterns), func(p string) bool { return topic.Any(skip, p) })
	l := newBacklog(cover, skip, b.queue, &b.queued)
	if last != nil && !allNames(cover) {
		b.searching.Lock()
		defer b.searching.Unlock()
	}
	s, past, err := b.register(l, last)
	if past != nil {
		var all bool
		s.missed, all = past.finish(&b.mu)
		from := uint64(0) // everything, if it is not known where the client was
		if s.complete {
			from = last.seq
		}
		had := max(from, heldSince(held, patterns))
		s.complete = s.complete && all && had == from
		if all { // else what is lost may be anywhere before now
			s.since = had
		}
		if len(s.missed) > 0 {
			s.after.seq = s.missed[0].seq - 1
		}
		b.meters.recovered(s.complete, len(s.missed))
	}
	return l, s, err
}

// heldSince returns behind which number a client has had everything of what it holds of patterns.
func heldSince(held map[string]uint64, patterns []string) (all uint64) {
	for p, since := range held {
		overlaps := func(q string) bool { return topic.Covers(p, q) || topic.Covers(q, p) }
		if slices.ContainsFunc(patterns, overlaps) {
			all = max(all, since)
		}
	}
	return all
}

// allNames reports whether no pattern is a wildcard.
func allNames(patterns []string) bool {
	return !slices.ContainsFunc(patterns, func(p string) bool { return !topic.Valid(p) })
}

// register makes l collect from now on. If last is set it begins the search for what came before.
func (b *broker) register(l *backlog, last *position) (start, *search, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return start{}, nil, websocket.ErrHubClosed
	}
	for _, p := range l.patterns {
		b.audience(p).backlogs[l] = struct{}{}
	}
	s := start{after: position{b.epoch, b.seq}, since: b.seq}
	if last == nil {
		return s, nil, nil
	}
	s.asked = true
	s.complete = last.epoch == b.epoch && last.seq <= b.seq
	since := uint64(0) // everything, if that is not known
	if s.complete {
		since = last.seq
	}
	b.history.expire(time.Now())
	return s, b.history.search(since, l.patterns, l.skip), nil
}

// ignore ends a backlog.
func (b *broker) ignore(l *backlog) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(l)
	l.end()
}

// remove takes a backlog out of its audiences. mu is held.
func (b *broker) remove(l *backlog) {
	for _, p := range l.patterns {
		a := b.audience(p)
		delete(a.backlogs, l)
		b.prune(p)
	}
}

// join ends a backlog in which nothing waits, and subscribes s to patterns in the Hub: nothing comes between. If
// something waits it reports false. since is the start's.
func (b *broker) join(l *backlog, s *subscriber, patterns []string, since uint64) (joined bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !l.isEmpty() {
		return false, nil
	}
	b.remove(l)
	return true, b.change(s, patterns, since)
}

// resubscribe changes the patterns of s. after is the position behind which they are what it gets.
func (b *broker) resubscribe(s *subscriber, patterns []string) (after position, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return position{b.epoch, b.seq}, b.change(s, patterns, b.seq)
}

// leave ends the subscriptions of s, whose connection has ended and has left the Hub by itself.
func (b *broker) leave(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range s.cover {
		b.audience(p).members[s.form]--
		b.prune(p)
	}
	s.patterns, s.cover, s.since = nil, nil, nil
}

// change makes the Hub send s what patterns cover; of those that are new it has had everything behind since. mu is held.
func (b *broker) change(s *subscriber, patterns []string, since uint64) error {
	cover, held := topic.Cover(patterns), make(map[string]uint64)
	var gone, come []string
	for _, p := range s.cover {
		if !slices.Contains(cover, p) {
			gone = append(gone, b.audience(p).keys[s.form])
			b.audience(p).members[s.form]--
			b.prune(p)
		}
	}
	for _, p := range cover {
		if !slices.Contains(s.cover, p) {
			a := b.audience(p)
			a.members[s.form]++
			come = append(come, a.keys[s.form])
			held[p] = since
			continue
		}
		held[p] = s.since[p]
	}
	s.patterns, s.cover, s.since = patterns, cover, held
	if len(gone) > 0 { // none would mean all
		b.hub.Unsubscribe(s.conn, gone...)
	}
	return b.hub.Subscribe(s.conn, come...) // also without any: the Hub says goodbye to its members
}

// audience returns that of a pattern. mu is held.
func (b *broker) audience(pattern string) *audience {
	a := b.audiences[pattern]
	if a == nil {
		a = &audience{
			keys:     [forms]string{plainForm: "plain " + pattern, jsonForm: "json " + pattern},
			backlogs: make(map[*backlog]struct{}),
		}
		b.audiences[pattern] = a
	}
	return a
}

// prune forgets an audience of nobody. mu is held.
func (b *broker) prune(pattern string) {
	a := b.audiences[pattern]
	if len(a.backlogs) == 0 && a.members == [forms]int{} {
		delete(b.audiences, pattern)
	}
}

// close refuses everything from now on.
func (b *broker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}
