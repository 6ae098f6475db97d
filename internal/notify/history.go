package notify

import (
	"cmp"
	"container/list"
	"slices"
	"time"
)

// HistoryConfig bounds what is kept for those who were cut off. 0 means the default; a negative number of messages
// keeps none, any other negative value means no bound.
type HistoryConfig struct {
	Messages   int           // of a topic; 0: DefaultHistoryMessages
	Age        time.Duration // of a message; 0: DefaultHistoryAge
	Bytes      int64         // of the payloads of a topic; 0: DefaultHistoryBytes
	TotalBytes int64         // of all topics, with what they take besides payloads; 0: DefaultHistoryTotal
}

// What is kept if nothing else is said.
const (
	DefaultHistoryMessages = 100
	DefaultHistoryAge      = 5 * time.Minute
	DefaultHistoryBytes    = 1 << 20
	DefaultHistoryTotal    = 64 << 20
)

const (
	ringCost  = 1 << 10  // bytes that a topic takes beside its messages
	maxMissed = 16 << 20 // bytes of payloads that one recovery returns
	maxIdle   = 1 << 16  // topics without messages of which is known what was lost, whatever the bounds are
)

// withDefaults returns cfg with the defaults filled in.
func (cfg HistoryConfig) withDefaults() HistoryConfig {
	return HistoryConfig{
		Messages:   cmp.Or(cfg.Messages, DefaultHistoryMessages),
		Age:        cmp.Or(cfg.Age, DefaultHistoryAge),
		Bytes:      cmp.Or(cfg.Bytes, DefaultHistoryBytes),
		TotalBytes: cmp.Or(cfg.TotalBytes, DefaultHistoryTotal),
	}
}

// A history is the last messages of every topic. It knows up to where it has lost messages of each, so that it can tell
// whether what it returns is everything. When it has to forget a topic as a whole, of what is left to know it keeps one
// number for all of these. The lock of its broker guards it.
type history struct {
	cfg       HistoryConfig
	rings     map[string]*ring
	known     []*ring   // the same, in any order
	order     list.List // of all messages, oldest first
	idle      list.List // of the rings without messages; the one that has been so for longest first
	bytes     int64     // what all this takes
	lost      uint64    // the highest number that was evicted
	forgotten uint64    // the highest number that a topic had lost when it was forgotten
	searching *search   // that goes through all of this; nil: none
}

// A ring is the last messages of a topic.
type ring struct {
	name     string
	place    int        // in history.known
	messages []*message // oldest first
	bytes    int64      // of their payloads
	lost     uint64     // the highest number that was evicted
	idle     *list.Element
}

func newHistory(cfg HistoryConfig) history {
	return history{cfg: cfg.withDefaults(), rings: make(map[string]*ring)}
}

// add takes m, the newest message, and evicts what there is no room for any more.
func (h *history) add(m *message) {
	h.expire(m.at)
	r := h.ring(m.topic)
	if m.latest {
		for len(r.messages) > 0 {
			h.remove(r, false) // superseded, which is not lost
		}
	}
	h.append(r, m)
	for len(r.messages) > 0 && (len(r.messages) > h.cfg.Messages || over(r.bytes, h.cfg.Bytes)) {
		h.evict(r)
	}
	for h.idle.Len() > maxIdle {
		h.forget(h.idle.Front().Value.(*ring))
	}
	for over(h.bytes, h.cfg.TotalBytes) {
		if oldest := h.idle.Front(); oldest != nil {
			h.forget(oldest.Value.(*ring))
			continue
		}
		h.evictOldest()
	}
}

// over reports whether n is beyond a limit, of which a negative one is none.
func over(n, limit int64) bool { return limit >= 0 && n > limit }

// expire evicts what is too old at now.
func (h *history) expire(now time.Time) {
	for h.cfg.Age >= 0 {
		oldest := h.order.Front()
		if oldest == nil || now.Sub(oldest.Value.(*message).at) <= h.cfg.Age {
			return
		}
		h.evictOldest()
	}
}

// ring returns the ring of a topic. What may have been lost of a topic that is not known counts as lost.
func (h *history) ring(name string) *ring {
	r := h.rings[name]
	if r == nil {
		r = &ring{name: name, place: len(h.known), lost: h.forgotten}
		r.idle = h.idle.PushBack(r)
		h.rings[name] = r
		h.known = append(h.known, r)
		h.bytes += ringCost
	}
	return r
}

func (h *history) append(r *ring, m *message) {
	if r.idle != nil {
		h.idle.Remove(r.idle)
		r.idle = nil
	}
	r.messages = append(r.messages, m)
	m.place = h.order.PushBack(m)
	r.bytes += int64(len(m.payload))
	h.bytes += m.cost()
}

// remove takes the oldest message out of r. isLost says that it is missing from now on.
func (h *history) remove(r *ring, isLost bool) (removed *message) {
	removed = r.messages[0]
	if h.searching != nil {
		h.searching.leaves(removed, isLost)
	}
	r.messages[0] = nil
	r.messages = r.messages[1:]
	h.order.Remove(removed.place)
	r.bytes -= int64(len(removed.payload))
	h.bytes -= removed.cost()
	if len(r.messages) == 0 {
		r.messages = nil
		r.idle = h.idle.PushBack(r)
	}
	return removed
}

// evict loses the oldest message of r.
func (h *history) evict(r *ring) {
	r.lost = h.remove(r, true).seq
	h.lost = max(h.lost, r.lost)
}

// evictOldest loses the oldest message of all, which is the oldest of its topic as well.
func (h *history) evictOldest() {
	h.evict(h.rings[h.order.Front().Value.(*message).topic])
}

// forget forgets a topic that has no messages.
func (h *history) forget(r *ring) {
	h.forgotten = max(h.forgotten, r.lost)
	h.idle.Remove(r.idle)
	delete(h.rings, r.name)
	last := h.known[len(h.known)-1] // takes its place: a search goes from the end to the beginning, and misses none
	h.known[r.place], last.place = last, r.place
	h.known[len(h.known)-1] = nil
	h.known = h.known[:len(h.known)-1]
	h.bytes -= ringCost
}

// messageOf returns what an element of history.order holds, nil if it is none.
func messageOf(e *list.Element) *message {
	if e == nil {
		return nil
	}
	return e.Value.(*message)
}

// newest returns the last of messages, as many as have at most limit bytes.
func newest(messages []*message, limit int) []*message {
	for i, m := range slices.Backward(messages) {
		if limit -= len(m.payload); limit < 0 {
			return messages[i+1:]
		}
	}
	return messages
}
