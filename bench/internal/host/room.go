package host

import (
	"sync"
	"sync/atomic"
)

// Joined counts the connections that get broadcasts. A client that was upgraded may not be among them yet, so the load
// generator asks for this number before it begins.
var Joined atomic.Int64

// A Room is the connections of a broadcast server whose library has nothing of the kind.
type Room[C comparable] struct {
	mu      sync.Mutex
	members []C
}

// Join adds c.
func (r *Room[C]) Join(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = append(r.members, c)
	Joined.Add(1)
}

// Leave removes c.
func (r *Room[C]) Leave(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, m := range r.members {
		if m == c {
			last := len(r.members) - 1
			r.members[i] = r.members[last]
			clear(r.members[last:])
			r.members = r.members[:last]
			return
		}
	}
}

// Each calls send for every member, one after the other. Two calls do not mix, so all members see one order, and no
// library has to bear concurrent writers.
func (r *Room[C]) Each(send func(C)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		send(m)
	}
}
