package main

// loadWindow is how many messages may be under way at the same time: sent, and not answered for by the server. So no
// connection gets a message that so many later ones have overtaken.
const loadWindow = 1024

// An arrivalCheck tells messages that come for the first time from those that came before. It remembers the latest
// numbers only, as protocols do that refuse replays (RFC 4303, section 3.4.3).
type arrivalCheck struct {
	next uint32                  // one more than the greatest number that has come
	seen [loadWindow / 64]uint64 // a bit for each of the loadWindow numbers below next
}

// A novelty is what an arrivalCheck says of a number.
type novelty int

const (
	novel    novelty = iota
	repeated         // it has come before
	belated          // too far behind the others to know
)

// add notes that number n has come.
func (a *arrivalCheck) add(n uint32) novelty {
	switch {
	case n >= a.next:
		a.forget(n)
		a.next = n + 1
	case a.next-n > loadWindow:
		return belated
	case a.seen[n%loadWindow/64]&(1<<(n%64)) != 0:
		return repeated
	}
	a.seen[n%loadWindow/64] |= 1 << (n % 64)
	return novel
}

// forget makes room for the numbers from next to n.
func (a *arrivalCheck) forget(n uint32) {
	if n-a.next >= loadWindow {
		a.seen = [loadWindow / 64]uint64{}
		return
	}
	for i := a.next; i <= n; i++ {
		a.seen[i%loadWindow/64] &^= 1 << (i % 64)
	}
}
