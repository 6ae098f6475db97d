package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/lineedit"
)

// A client is one run of "hawser connect". Goroutines dial, receive, send and read what is typed; they tell the loop,
// which is run, and it alone decides what that means. Its fields are the loop's, but for the fixed ones and those that
// say so.
type client struct {
	*connectFlags // fixed
	std           streams
	messages      []outgoing
	dial          websocket.Dialer
	attended      bool // standard input is a terminal
	escape        bool // standard output is a terminal
	prompt        bool // both are, and lines are asked for

	// For any goroutine.
	screen  screen
	link    *link
	pings   typedPings
	current atomic.Pointer[websocket.Conn] // the latest connection
	carried atomic.Pointer[websocket.Conn] // the latest over which a message of the input was sent
	unsent  atomic.Bool                    // a line was left out
	sending sync.Mutex                     // held while a message is sent, and that is said
	partAt  atomic.Int64                   // when the latest part of a message came, in nanoseconds after started

	// What the loop is told of.
	stop      context.Context      // ended by a signal
	dialed    chan dialed          // a Dial is over
	greeted   chan *websocket.Conn // the messages of the command line were sent over it
	arrivals  chan arrival         // of the present connection
	sent      chan error           // the input is over
	closed    chan closing         // what /close came to
	unwritten chan error           // an event could not be written
	keys      <-chan []byte        // what was typed; closed at its end
	terminal  terminalSignals      // if there is a prompt
	idleOver  <-chan time.Time     // of idle
	deadline  <-chan time.Time     // --timeout
	redial    <-chan time.Time     // --reconnect

	// What the loop knows.
	started   time.Time       // the run
	tap       *tap            // of conn, if there is one; while a Dial is under way, of that
	conn      *websocket.Conn // nil: there is none
	connected bool            // there was one at least
	since     time.Time       // when conn was opened
	begun     bool            // input is read
	heard     bool            // a message has come
	matched   bool            // one has come that --expect waits for
	failed    bool            // not all input could be sent, not all output written, or the connection was lost
	closing   bool            // /close was typed
	count     int             // messages to come; 0: any number
	limit     time.Duration   // of idle; 0 or less: none
	idle      *time.Timer     // runs from the end of the input on, anew with every message
	typed     chan outgoing   // from the prompt to who sends; nil if there is none, or its end has come
	queued    []outgoing      // what was typed and typed has no room for
	typedAll  bool            // no more is typed
	tries     int             // connections tried in a row in vain
}

// dialed is what a Dial came to.
type dialed struct {
	conn *websocket.Conn
	err  error
}

// An arrival is a message, or the error that ended the connection.
type arrival struct {
	t    websocket.MessageType
	p    []byte
	wire int64 // its compressed size, 0 if it was not compressed
	err  error
}

// longTyped is what is said at the prompt of a line that is too long.
var longTyped = fmt.Sprintf(
	"hawser connect: a line has at most %d bytes, and the rest of this one is lost; --file sends files", lineedit.MaxLine)

// newClient prepares a run.
func newClient(f *connectFlags, std streams, messages []outgoing) (*client, error) {
	c := &client{
		connectFlags: f, std: std, messages: messages, screen: screen{std: std, tooLong: longTyped}, link: newLink(),
		attended: isTerminal(std.in), escape: isTerminal(std.out) && !f.json, count: f.count, limit: f.wait,
		dialed: make(chan dialed, 1), greeted: make(chan *websocket.Conn), sent: make(chan error, 1),
		closed: make(chan closing, 1), unwritten: make(chan error, 1),
	}
	c.prompt = std.canPrompt() && (len(messages) == 0 || !f.endsByItself())
	if c.limit == 0 && !c.attended && f.timeout == 0 {
		c.limit = pipeIdle
		if f.count > 0 || f.expect != nil {
			c.limit = askIdle
		}
	}
	var err error
	if c.dial, err = f.dialer(); err != nil {
		return nil, err
	}
	if c.prompt || c.verbose || c.json {
		c.dial.WrapConn = func(nc net.Conn) net.Conn {
			t := c.newTap()
			t.Conn = nc
			c.tap = t
			return t
		}
	}
	return c, nil
}

// run connects, and sends and receives until the end. It returns the exit code.
func (c *client) run() int {
	var undo func()
	c.stop, undo = stopSignals(c.screen.restore)
	defer undo()
	// A reader of our output that goes away shall be an error of the write, so that we say goodbye to the server.
	signal.Ignore(syscall.SIGPIPE)
	c.started = time.Now()
	if c.timeout > 0 {
		c.deadline = time.After(c.timeout)
	}
	over := make(chan int, 1)
	c.screen.goroutine(func() { over <- c.loop() })
	return c.watch(over)
}

// loop does what there is to do until the end, and returns the exit code.
func (c *client) loop() int {
	defer c.screen.close() // whatever happens in this goroutine
	c.connect()
	for {
		if code, over := c.step(); over {
			return code
		}
	}
}

// watch waits for the end of the loop and returns the exit code. When a signal or --timeout ends the run, and the loop
// does not see that because nobody takes our output, the goodbye is said from here.
func (c *client) watch(over <-chan int) int {
	var end <-chan time.Time
	if c.timeout > 0 {
		end = time.After(c.timeout)
	}
	select {
	case code := <-over:
		return code
	case <-c.stop.Done():
	case <-end:
	}
	for {
		before := c.screen.writes.Load()
		select {
		case code := <-over:
			return code
		case <-time.After(stuckTime):
		}
		if before%2 == 1 && c.screen.writes.Load() == before {
			return c.cutOff()
		}
	}
}

// connect begins to dial.
func (c *client) connect() {
	ctx := c.dialTrace(c.stop)
	c.screen.goroutine(func() {
		conn, _, err := c.dial.Dial(ctx, c.url, c.header)
		c.dialed <- dialed{conn, err}
	})
}

// step waits for the next thing that happens, and does what it asks for. It returns the exit code when the run is over.
func (c *client) step() (code int, over bool) {
	keys, typed, next := c.keys, chan<- outgoing(nil), outgoing{}
	if len(c.queued) > 0 { // whoever types, or pastes, waits for the server
		keys, typed, next = nil, c.typed, c.queued[0]
	}
	select {
	case <-c.stop.Done():
		return c.stopped()
	case <-c.deadline:
		return c.timedOut()
	case d := <-c.dialed:
		return c.opened(d)
	case conn := <-c.greeted:
		if conn == c.conn {
			c.link.set(conn)
			c.beginInput()
		}
	case a := <-c.arrivals:
		if a.err != nil {
			return c.ended(a.err)
		}
		return c.arrived(a)
	case err := <-c.sent:
		c.inputOver(err)
	case err := <-c.unwritten:
		return c.outputFailed(err)
	case <-c.idleOver:
		return c.idled()
	case <-c.redial:
		c.redial = nil
		c.connect()
	case p, ok := <-keys:
		c.pressed(p, ok)
	case typed <- next:
		c.queued = c.queued[1:]
		c.passEnd()
	case <-c.terminal.resized:
		c.screen.resize()
	case <-c.terminal.suspended:
		c.screen.suspend()
		c.terminal.suspend()
		c.screen.resume()
	case <-c.terminal.continued:
		c.screen.resume()
	}
	return 0, false
}

// opened is told what a Dial came to.
func (c *client) opened(d dialed) (code int, over bool) {
	var refused *websocket.HandshakeError
	switch {
	case errors.As(d.err, &refused):
		c.emit(event{Event: "error", Error: c.errorText(d.err)})
		if c.reconnect && isWorthRetrying(refused) && c.stop.Err() == nil {
			c.retry(d.err)
			return 0, false
		}
		c.screen.close()
		c.complain("%s", c.errorText(d.err))
		return exitConnect, true
	case d.err != nil: // before there was anything to connect to
		return usageError(c.std, "connect", "%s", c.errorText(d.err)), true
	}
	conn, arrivals := d.conn, make(chan arrival)
	c.conn, c.arrivals, c.since, c.connected = conn, arrivals, time.Now(), true
	c.current.Store(conn)
	c.showOpen(conn)
	if c.tap != nil {
		c.tap.setOpen()
	}
	c.screen.goroutine(func() { c.receive(conn, arrivals) })
	c.screen.goroutine(func() { c.greet(conn) })
	if c.pingInterval > 0 {
		c.screen.goroutine(func() { c.pingAgain(conn) })
	}
	return 0, false
}
