package memconn

import "time"

// deadline is a point in time after which calls fail. The clock decides whether it has passed; the timer only wakes
// those who wait, so a late or needless timer does no harm.
type deadline struct {
	wake  func()
	at    time.Time // zero: none
	timer *time.Timer
}

// set replaces the deadline; the zero time removes it.
func (d *deadline) set(t time.Time) {
	if d.timer != nil {
		d.timer.Stop()
	}
	if t.IsZero() {
		d.at = t
		return
	}
	// Counted from now, the deadline has a monotonic reading, as the timer has: a step of the wall clock cannot make
	// the two disagree.
	now := time.Now()
	left := t.Sub(now)
	d.at = now.Add(left)
	switch {
	case left <= 0:
	case d.timer == nil:
		d.timer = time.AfterFunc(left, d.wake)
	default:
		d.timer.Reset(left)
	}
}

func (d *deadline) passed() bool {
	return !d.at.IsZero() && !time.Now().Before(d.at)
}
