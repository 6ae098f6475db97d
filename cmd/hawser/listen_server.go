package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/lineedit"
)

// A listenMode is what "hawser listen" does with a message.
type listenMode int

const (
	modePrint listenMode = iota
	modeEcho
	modeBroadcast
	modeExec
)

// errEnough ends the run when the messages that -n asks for have come.
var errEnough = errors.New("enough messages have come")

// everybody is the topic to which all connections subscribe with --broadcast.
const everybody = "all"

// A listener is one run of "hawser listen".
type listener struct {
	std         streams
	mode        listenMode
	command     string // of --exec
	maxCommands int
	binary      bool
	count       int // messages to come; 0: any number
	verbose     bool
	json        bool
	tls         *tls.Config // nil: no TLS
	upgrader    websocket.Upgrader
	hub         websocket.Hub // of --broadcast

	// Set by run before anything comes.
	escape bool // standard output is a terminal
	prompt bool // lines are asked for there
	talk   bool // say who comes and goes
	life   context.Context
	end    context.CancelCauseFunc // ends the run, and says why
	came   chan struct{}           // closed when the first client is there
	slots  chan struct{}           // holds one for each process that runs
	wait   sync.WaitGroup          // for those processes
	unread time.Duration           // how long one may leave its input unread
	failed atomic.Bool             // something was not sent

	mu       sync.Mutex // guards these
	conns    map[*visitor]struct{}
	last     int // the number of the latest connection
	commands map[*execution]struct{}

	screen screen // with a prompt, of all output

	show  sync.Mutex   // guards writing to these, and standard output; whoever holds it may wait for a reader of that
	shown atomic.Int64 // messages that have come
	line  []byte       // scratch
}

// run listens until the end. It returns the exit code.
func (l *listener) run(addr string) int {
	stop, undo := stopSignals(func() {
		l.screen.restore()
		l.killCommands()
	})
	defer undo()
	// A reader of our output that goes away shall be an error of the write, so that we say goodbye to the clients. To
	// ignore the signal would do too, but then the commands that we run would ignore it as well.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	l.life, l.end = context.WithCancelCause(stop)
	defer l.end(nil)
	l.unread = unreadLimit
	l.escape, l.talk = isTerminal(l.std.out), l.verbose || isTerminal(l.std.err)
	l.prompt = l.mode == modePrint && !l.binary && l.std.canPrompt()
	l.screen.std, l.screen.tooLong = l.std, fmt.Sprintf(
		"hawser listen: a line has at most %d bytes, and the rest of this one is lost", lineedit.MaxLine)
	l.conns, l.commands = make(map[*visitor]struct{}), make(map[*execution]struct{})
	l.came, l.slots = make(chan struct{}), make(chan struct{}, l.maxCommands)

	ln, err := listen(addr)
	if err != nil {
		l.complain("%v", err)
		return exitFailed
	}
	scheme := "ws"
	if l.tls != nil {
		ln, scheme = tls.NewListener(ln, l.tls), "wss"
	}
	l.complain("listening on %s://%s/", scheme, ln.Addr())
	server := newHTTPServer(l.handler())
	server.ErrorLog = log.New(complaints(l.complain), "", 0)
	go func() { l.end(server.Serve(ln)) }()
	if l.mode == modePrint {
		go l.sendInput()
	}
	<-l.life.Done()
	l.goodbye(server)
	if cause := context.Cause(l.life); !endedBy(stop, cause) {
		return l.verdict(cause)
	}
	return l.verdict(nil)
}

// endedBy reports whether cause is the end of stop, so a signal.
func endedBy(stop context.Context, cause error) bool {
	return stop.Err() != nil && cause == context.Cause(stop)
}

// handler upgrades requests, as long as there is room for another process.
func (l *listener) handler() http.Handler {
	upgrade := l.upgrader.Handler(l.open)
	if l.mode != modeExec {
		return upgrade
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.IndexByte(r.URL.Path, 0) >= 0:
			http.Error(w, "a path with a zero byte in it cannot be in a command's environment", http.StatusBadRequest)
		case len(l.slots) == cap(l.slots):
			http.Error(w, fullHouse, http.StatusServiceUnavailable)
		default:
			upgrade.ServeHTTP(w, r)
		}
	})
}

// open begins with a connection.
func (l *listener) open(c *websocket.Conn, r *http.Request) websocket.Handler {
	v := l.enter(c)
	v.opened(r)
	switch l.mode {
	case modeBroadcast:
		if err := l.hub.Subscribe(c, everybody); err != nil {
			return v // it has ended already, which v is told
		}
	case modeExec:
		v.startCommand(r)
	}
	return v
}

// enter gives a connection its number.
func (l *listener) enter(c *websocket.Conn) *visitor {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	v := &visitor{l: l, c: c, n: l.last}
	l.conns[v] = struct{}{}
	if l.last == 1 {
		close(l.came)
	}
	return v
}

// leave forgets a connection that has ended.
func (l *listener) leave(v *visitor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, v)
}

// all returns the connections there are.
func (l *listener) all() (all []*visitor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for v := range l.conns {
		all = append(all, v)
	}
	return all
}

// sendInput sends standard input to all clients, from when the first one is there.
func (l *listener) sendInput() {
	select {
	case <-l.came:
	case <-l.life.Done():
		return
	}
	if l.prompt && l.sendTyped() {
		return
	}
	var err error
	if l.binary {
		chunks := &chunkReader{in: l.std.in}
		err = each(chunks.next, func(p []byte) error { return l.sendAll(websocket.BinaryMessage, p) })
	} else {
		lines := messageLines(newMessageReader(l.std.in), websocket.TextMessage, func(err error) {
			l.failed.Store(true)
			l.complain("%v", err)
		})
		err = each(lines, func(line []byte) error { return l.sendAll(websocket.TextMessage, line) })
	}
	if err != nil && l.life.Err() == nil {
		l.failed.Store(true)
		l.complain("%v: %v", errInput, err)
	}
}

// sendAll sends p to all clients, one after the other: so it goes no faster than the slowest takes it. One that takes
// nothing for DefaultWriteTimeout has ended then. The only error is that p is no message of type t.
func (l *listener) sendAll(t websocket.MessageType, p []byte) error {
	m, err := websocket.NewPreparedMessage(t, p)
	if err != nil {
		return err
	}
	for _, v := range l.all() {
		if v.c.WritePrepared(m) == nil {
			v.sayMessage(">", t, len(p), 0)
		}
	}
	return nil
}

// goodbye closes all connections and waits for the end of what was begun.
func (l *listener) goodbye(server *http.Server) {
	l.screen.close()
	l.complain("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	if context.Cause(l.life) == errEnough {
		l.closeAll()
	}
	drained := make(chan error, 1)
	go func() { drained <- l.upgrader.Shutdown(ctx) }()
	err := errors.Join(server.Shutdown(ctx), <-drained)
	for len(l.all()) > 0 && waitUntil(ctx, time.Now().Add(time.Millisecond)) { // until all have been told of their end
	}
	if err != nil || len(l.all()) > 0 {
		server.Close()
		l.complain("cut off what had not ended after %v", goodbyeTime)
	}
	l.settle()
	l.wait.Wait()
}

// settle waits until every process either has begun, or finds that the run has ended.
func (l *listener) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
}

// closeAll closes the connections there are, with code 1000.
func (l *listener) closeAll() {
	var closing sync.WaitGroup
	for _, v := range l.all() {
		closing.Go(func() { v.c.Close() })
	}
	closing.Wait()
}

// verdict says why the run ended, if that is worth it, and returns the exit code. cause is nil for a signal.
func (l *listener) verdict(cause error) int {
	switch {
	case cause == nil, cause == errEnough:
	case errors.Is(cause, syscall.EPIPE): // whoever read our output has seen enough
	default:
		l.complain("%v", cause)
		return exitFailed
	}
	switch {
	case l.failed.Load():
		return exitFailed
	case l.shown.Load() < int64(l.count):
		l.complain("%d of the messages that -n asks for did not come", int64(l.count)-l.shown.Load())
		return exitUnmet
	}
	return exitOK
}
