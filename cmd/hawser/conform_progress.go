package main

import (
	"fmt"
	"io"
	"time"

	"hawser.example/websocket/autobahn"
)

// A progress tells how far a run is: on a terminal in one line that changes, elsewhere in a line now and then.
type progress struct {
	w     io.Writer
	verb  string
	live  bool
	begun time.Time

	total, done, notOK int
	shown              time.Time // when the line changed last
}

// Between two lines are so many cases, or on a terminal so much time.
const (
	progressCases = 100
	progressTime  = 100 * time.Millisecond
)

func newProgress(verb string, total int, std streams) *progress {
	return &progress{w: std.err, verb: verb, live: isTerminal(std.err), begun: time.Now(), total: total}
}

// add counts a result.
func (p *progress) add(r *autobahn.Result) {
	p.done++
	if !autobahn.StrictRules.Pass(r.Behavior, r.BehaviorClose) {
		p.notOK++
	}
	switch now := time.Now(); {
	case p.live && (now.Sub(p.shown) >= progressTime || p.done == p.total):
		p.shown = now
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d cases, %d not OK%s, %s", p.done, p.total, p.notOK, p.left(now), r.ID)
	case !p.live && (p.done%progressCases == 0 || p.done == p.total):
		fmt.Fprintf(p.w, "hawser %s: %d of %d cases done, %d not OK\n", p.verb, p.done, p.total, p.notOK)
	}
}

// left guesses how much time is left, once there is something to guess from.
func (p *progress) left(now time.Time) string {
	spent := now.Sub(p.begun)
	if p.done < p.total/20 || p.done >= p.total {
		return ""
	}
	rest := spent * time.Duration(p.total-p.done) / time.Duration(p.done)
	return fmt.Sprintf(", about %v left", rest.Round(time.Second))
}

// end clears the line.
func (p *progress) end() {
	if p.live {
		io.WriteString(p.w, "\r\x1b[K")
	}
}
