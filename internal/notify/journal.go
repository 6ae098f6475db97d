package notify

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// A journal is the log of a server. Strangers cause many of its lines, so of one kind it writes some in a second, and
// then how many more there were. Any number of goroutines may use it.
type journal struct {
	*slog.Logger

	mu      sync.Mutex
	seconds map[lineKind]*second
}

// A lineKind is lines that say the same of different clients. There are few of them: a reason is a word of ours.
type lineKind struct {
	level           slog.Level
	message, reason string
}

// A second is how many lines there were of a kind in the second that began with the first of them.
type second struct{ written, leftOut int }

// linesPerSecond is how many lines of one kind are written.
const linesPerSecond = 10

// newJournal returns a journal that writes to log, or to nothing.
func newJournal(log *slog.Logger) *journal {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &journal{Logger: log, seconds: make(map[lineKind]*second)}
}

// line writes a line, unless there were most of its kind in this second. Who asked for details gets all of them.
func (j *journal) line(k lineKind, most int, attrs ...any) {
	ctx := context.Background()
	if !j.Enabled(ctx, k.level) || k.level > slog.LevelDebug && !j.count(k, most) {
		return
	}
	j.Log(ctx, k.level, k.message, append([]any{"reason", k.reason}, attrs...)...)
}

// count counts a line and reports whether it may be written.
func (j *journal) count(k lineKind, most int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.seconds[k]
	if s == nil {
		s = &second{}
		j.seconds[k] = s
		time.AfterFunc(time.Second, func() { j.finish(k) })
	}
	if s.written == most {
		s.leftOut++
		return false
	}
	s.written++
	return true
}

// finish ends the second of a kind of line, and writes how many were left out in it.
func (j *journal) finish(k lineKind) {
	j.mu.Lock()
	s := j.seconds[k]
	delete(j.seconds, k)
	j.mu.Unlock()
	if s.leftOut > 0 {
		j.Log(context.Background(), k.level, k.message, "reason", k.reason, "left_out", s.leftOut)
	}
}

// A departure is how a subscriber's connection has ended.
type departure struct {
	how string // the value of the label "reason" in the metrics
	why string // for the log; empty if it was not the server that sent the client away
}

// The values of departure.how.
const (
	leftItself  = "client"    // it has closed the connection
	leftLost    = "lost"      // without a goodbye
	leftTimeout = "timeout"   // it gave no sign of life
	leftFault   = "violation" // it broke the protocol, or sent too large a message
	leftSlow    = "slow"      // more waited for it than may, or for longer
	leftExpired = "expired"   // its permission ended
	leftRefused = "refused"   // it sent what it may not
	leftServer  = "server"    // the server stops
)

// left counts a subscriber that has gone, and logs it: at level info if the server has sent it away.
func (s *Server) left(kind string, who *Access, client netip.Addr, d departure) {
	s.meters.closed(kind, d.how)
	line, attrs := lineKind{slog.LevelDebug, "left", d.how}, []any{"kind", kind, "who", who.Subject, "client", client}
	if d.why != "" {
		line, attrs = lineKind{slog.LevelInfo, "sent away", d.how}, append(attrs, "why", d.why)
	}
	s.gate.log.line(line, linesPerSecond, attrs...)
}
