package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// A Result is what was seen in a stretch of time.
type Result struct {
	Messages int64
	Wall     time.Duration
	Server   time.Duration // CPU time of the server's process
	Load     time.Duration // CPU time of this thread
}

// PerMessage is the server's CPU time for a message, in microseconds.
func (r Result) PerMessage() float64 {
	return r.Server.Seconds() * 1e6 / float64(r.Messages)
}

// ServerBusy is the share of the time that the server had work.
func (r Result) ServerBusy() float64 { return r.Server.Seconds() / r.Wall.Seconds() }

// LoadBusy is the share of the time that this thread had work: near 1 the server may have waited for it.
func (r Result) LoadBusy() float64 { return r.Load.Seconds() / r.Wall.Seconds() }

// A worker is what can be measured. Between start and rest it works whenever step is called; after rest it begins
// nothing new, and once it is idle everything that it counts is complete.
type worker interface {
	start() error
	step() error
	rest()
	idle() bool
	counted() int64
}

// Span is how long to measure, after how long of the same without measuring.
type Span struct{ Warmup, Measure time.Duration }

// settle is how long the server gets to fall asleep, because the kernel adds a thread's time to its process's when it
// stops or the clock ticks.
const settle = 2 * time.Millisecond

// measure reads the clocks while everything is at rest, so the count is exact, and so is the time.
func (s Span) measure(pid int, w worker) (Result, error) {
	if err := work(w, s.Warmup); err != nil {
		return Result{}, err
	}
	time.Sleep(settle)
	before := w.counted()
	server, thread, err := clocks(pid)
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	if err := work(w, s.Measure); err != nil {
		return Result{}, err
	}
	r := Result{Messages: w.counted() - before, Wall: time.Since(start)}
	time.Sleep(settle)
	serverEnd, threadEnd, err := clocks(pid)
	r.Server, r.Load = serverEnd-server, threadEnd-thread
	return r, err
}

func work(w worker, length time.Duration) error {
	if err := w.start(); err != nil {
		return err
	}
	for start := time.Now(); time.Since(start) < length; {
		if err := w.step(); err != nil {
			return err
		}
	}
	for w.rest(); !w.idle(); {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// clocks returns the CPU time of a process and of this thread. The kernel counts both in nanoseconds, and the server
// has no part in it.
func clocks(pid int) (process, thread time.Duration, err error) {
	if process, err = clock(int32(^pid<<3 | 2)); err != nil { // as clock_getcpuclockid(3) makes it
		return 0, 0, err
	}
	thread, err = clock(unix.CLOCK_THREAD_CPUTIME_ID)
	return process, thread, err
}

func clock(id int32) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(id, &t)
	return time.Duration(t.Nano()), err
}

// Measure runs l for a while. The goroutine has to be locked to its thread, or Result.Load means nothing.
func (c *Client) Measure(l Load, s Span) (Result, error) {
	c.prepare(l)
	return s.measure(c.target.PID, c)
}
