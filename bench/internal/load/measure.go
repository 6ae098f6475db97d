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

// Busy is the share of the time that this thread had work: near 1 the server may have waited for it.
func (r Result) Busy() float64 { return r.Load.Seconds() / r.Wall.Seconds() }

// A reading of the clocks.
type reading struct {
	messages     int64
	wall         time.Time
	server, load time.Duration
}

// readClocks reads the CPU time of a process and of this thread. The kernel counts both to the nanosecond, and the
// server has no part in it.
func readClocks(pid int, messages int64) (reading, error) {
	r := reading{messages: messages, wall: time.Now()}
	var err error
	if r.server, err = clock(int32(^pid<<3 | 2)); err != nil { // as clock_getcpuclockid(3) makes it
		return r, err
	}
	r.load, err = clock(unix.CLOCK_THREAD_CPUTIME_ID)
	return r, err
}

func clock(id int32) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(id, &t)
	return time.Duration(t.Nano()), err
}

func (r reading) until(end reading) Result {
	return Result{
		Messages: end.messages - r.messages,
		Wall:     end.wall.Sub(r.wall),
		Server:   end.server - r.server,
		Load:     end.load - r.load,
	}
}

// Span is how long to measure, after how long of the same without measuring.
type Span struct{ Warmup, Measure time.Duration }

// measure calls step until the span is over. counted returns the messages so far, and whether this is a moment at which
// the clocks may be read.
func (s Span) measure(pid int, step func() error, counted func() (int64, bool)) (Result, error) {
	var from, to reading
	for _, part := range []struct {
		length time.Duration
		clocks *reading
	}{{s.Warmup, &from}, {s.Measure, &to}} {
		for start := time.Now(); ; {
			if err := step(); err != nil {
				return Result{}, err
			}
			n, ready := counted()
			if ready && time.Since(start) >= part.length {
				var err error
				if *part.clocks, err = readClocks(pid, n); err != nil {
					return Result{}, err
				}
				break
			}
		}
	}
	return from.until(to), nil
}

// Measure runs l for a while. The goroutine should be locked to its thread, or Result.Load means nothing. Afterwards
// messages are still on their way: the Client is of no further use.
func (c *Client) Measure(l Load, s Span) (Result, error) {
	if err := c.begin(l, 0); err != nil {
		return Result{}, err
	}
	return s.measure(c.target.PID, c.step, func() (int64, bool) {
		between := c.load.Publishers == 0 || c.pending == len(c.conns) // turns of a broadcast are counted whole
		return c.count, between
	})
}
