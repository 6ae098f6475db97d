package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
	"unicode/utf8"

	"hawser.example/websocket"
)

// errInput is what is wrong with the input, as opposed to the connection.
var errInput = errors.New("standard input")

// pipeIdle is how long a filter waits for further messages after its input has ended.
const pipeIdle = time.Second

var connectVerb = verb{
	name:    "connect",
	args:    "URL",
	maxArgs: 1,
	summary: "a WebSocket client: a prompt on a terminal, a filter in a pipe",
	help: `
Lines from standard input are sent as text messages; each message that arrives is written to standard output, followed
by a newline. In a pipe standard output holds nothing else; all else goes to standard error. On a terminal control
characters are shown escaped and binary messages in hex.

After the end of the input it goes on reading until the server closes, until -n messages have come, until none has come
for -w, or until Ctrl-C. Then it closes the connection and awaits the server's answer.

A proxy is taken from the environment: HTTPS_PROXY for wss, HTTP_PROXY for ws, or ALL_PROXY for both (http, https and
socks5 URLs), but for the hosts in NO_PROXY and this machine.

Exit code: 0 after a normal close, 1 if the connection ended otherwise, 2 for a wrong command line, 3 if there was no
connection or the handshake failed, 4 if fewer than -n messages came. A message may have several lines: a pipe cannot
tell them from several messages.

Examples:
  hawser connect ws://127.0.0.1:9002/
  hawser connect -m hello -n 1 ws://127.0.0.1:9002/
  seq 3 | hawser connect ws://127.0.0.1:9002/
  hawser connect ws://127.0.0.1:8080/topics/news | while read -r line; do echo "got $line"; done`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		var messages stringList
		n := fs.Int("n", 0, "end after `N` messages have come")
		wait := fs.Duration("w", 0, "after the end of the input, end when no message has come for `DUR`, "+
			"such as 500ms or 1m\n(default 1s in a pipe, no limit on a terminal; -1s: no limit)")
		noDeflate := fs.Bool("no-deflate", false, "do not offer compression (permessage-deflate)")
		verbose := fs.Bool("v", false, "say on standard error what was agreed on, and of every message how it was sent:\n"+
			"its type and size, and with RSV1 also its compressed size")
		fs.Var(&messages, "m", "send `MSG` instead of standard input; may be given several times")
		return func(args []string, std streams) int {
			switch {
			case len(args) == 0:
				return usageError(std, "connect", "the URL is missing, such as ws://127.0.0.1:9002/")
			case *n < 0:
				return usageError(std, "connect", "-n %d: the number of messages cannot be negative", *n)
			case slices.ContainsFunc(messages, func(m string) bool { return !utf8.ValidString(m) }):
				return usageError(std, "connect", "-m: a text message has to be UTF-8")
			}
			t := &terminal{std: std, verbose: *verbose, count: *n, idle: *wait, attended: isTerminal(std.in), escape: isTerminal(std.out)}
			t.prompt = t.attended && t.escape && len(messages) == 0
			if t.idle == 0 && !t.attended {
				t.idle = pipeIdle
			}
			dialer := websocket.Dialer{Proxy: websocket.ProxyFromEnvironment, ReadLimit: maxEchoMessage}
			if !*noDeflate {
				dialer.Compression = new(websocket.Compression)
			}
			return t.run(&dialer, args[0], messages)
		}
	},
}

// A terminal is one run of "hawser connect".
type terminal struct {
	std      streams
	count    int           // messages to come; 0: any number
	idle     time.Duration // after the end of the input; 0 or less: no limit
	attended bool          // standard input is a terminal
	escape   bool          // standard output is a terminal
	prompt   bool          // both are, and lines are asked for
	heard    bool          // a message has come
	verbose  bool          // say how messages were sent
}

// An arrival is a message, or the error that ended the connection.
type arrival struct {
	t    websocket.MessageType
	p    []byte
	wire int64 // its compressed size, 0 if it was not compressed
	err  error
}

// run connects, and sends and receives until the end. It returns the exit code.
func (t *terminal) run(dialer *websocket.Dialer, url string, messages []string) int {
	stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(stop, restore) // a second signal ends the process at once, whatever it waits for
	// A reader of our output that goes away shall be an error of the write, so that we say goodbye to the server.
	signal.Ignore(syscall.SIGPIPE)

	c, _, err := dialer.Dial(stop, url, nil)
	var refused *websocket.HandshakeError
	switch {
	case errors.As(err, &refused):
		fmt.Fprintln(t.std.err, "hawser connect:", err)
		return exitConnect
	case err != nil: // before there was anything to connect to
		return usageError(t.std, "connect", "%v", err)
	case t.attended:
		fmt.Fprintf(t.std.err, "connected to %s; end with Ctrl-C\n", url)
	}
	t.sayExtension(c)
	arrivals := make(chan arrival)
	done := make(chan struct{})
	defer close(done)
	go receive(c, arrivals, done)
	sent := make(chan error, 1)
	go func() { sent <- t.send(c, messages) }()

	failed := false
	var idle *time.Timer
	var idleOver <-chan time.Time
	t.showPrompt()
	for {
		select {
		case <-stop.Done():
			return t.close(c, failed)
		case <-idleOver:
			if !t.heard {
				fmt.Fprintf(t.std.err, "hawser connect: no message came within %v after the end of the input (-w sets that)\n", t.idle)
			}
			return t.close(c, failed)
		case err := <-sent:
			failed = failed || t.sendFailed(err)
			sent = nil
			if t.idle > 0 {
				idle = time.NewTimer(t.idle)
				idleOver = idle.C
			}
		case a := <-arrivals:
			if a.err != nil {
				return t.ended(a.err, failed)
			}
			t.heard = true
			t.sayMessage("<", a.t, len(a.p), a.wire)
			if err := t.show(a); err != nil {
				return t.close(c, failed || t.showFailed(err))
			}
			if idle != nil {
				idle.Reset(t.idle) // now: the time it took somebody to read our output does not count
			}
			if t.count--; t.count == 0 {
				return t.close(c, failed)
			}
		}
	}
}

// receive hands on what arrives, until the connection or the run ends.
func receive(c *websocket.Conn, arrivals chan<- arrival, done <-chan struct{}) {
	var before int64
	for {
		mt, p, err := c.ReadMessage()
		after := c.Stats().CompressedBytesIn
		select {
		case arrivals <- arrival{mt, p, after - before, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
		before = after
	}
}

// send sends messages if there are any, else the lines of standard input.
func (t *terminal) send(c *websocket.Conn, messages []string) error {
	if len(messages) > 0 {
		for _, m := range messages {
			if err := t.sendText(c, []byte(m)); err != nil {
				return err
			}
		}
		return nil
	}
	lines := bufio.NewReaderSize(t.std.in, 64<<10)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == nil || len(line) > 0 {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			if err := t.sendLine(c, line, n); err != nil {
				return err
			}
			t.showPrompt()
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", errInput, err)
		}
	}
}

// sendLine sends line number n of standard input.
func (t *terminal) sendLine(c *websocket.Conn, line []byte, n int) error {
	err := t.sendText(c, line)
	if errors.Is(err, websocket.ErrInvalidUTF8) {
		return fmt.Errorf("%w, line %d: a text message has to be UTF-8", errInput, n)
	}
	return err
}

// sendText sends p. Only one goroutine sends, so what the connection counts meanwhile is of this message.
func (t *terminal) sendText(c *websocket.Conn, p []byte) error {
	before := c.Stats().CompressedBytesOut
	err := c.WriteMessage(websocket.TextMessage, p)
	if err == nil {
		t.sayMessage(">", websocket.TextMessage, len(p), c.Stats().CompressedBytesOut-before)
	}
	return err
}

// sayExtension says, if asked to, what was agreed on.
func (t *terminal) sayExtension(c *websocket.Conn) {
	if t.verbose {
		fmt.Fprintln(t.std.err, "* extension:", cmp.Or(c.Extension(), "none"))
	}
}

// sayMessage says, if asked to, how a message was sent: < by the server, > by us. wire is its compressed size, 0 if it
// was not compressed.
func (t *terminal) sayMessage(direction string, mt websocket.MessageType, size int, wire int64) {
	switch {
	case !t.verbose:
	case wire == 0:
		fmt.Fprintf(t.std.err, "%s %v, %d bytes\n", direction, mt, size)
	default:
		fmt.Fprintf(t.std.err, "%s %v, %d bytes, RSV1: %d bytes compressed\n", direction, mt, size, wire)
	}
}

// sendFailed reports whether sending ended because of what was to be sent, and says so. If it ended because the
// connection did, that is the receiver's to judge.
func (t *terminal) sendFailed(err error) bool {
	if !errors.Is(err, errInput) {
		return false
	}
	fmt.Fprintln(t.std.err, "hawser connect: not all was sent:", err)
	return true
}

// showFailed reports whether output that could not be written is a failure, and says so. That nobody reads it any more
// is none: whoever did has seen enough.
func (t *terminal) showFailed(err error) bool {
	if errors.Is(err, syscall.EPIPE) {
		return false
	}
	fmt.Fprintln(t.std.err, "hawser connect: standard output:", err)
	return true
}

// show writes a message to standard output.
func (t *terminal) show(a arrival) error {
	line := append(a.p, '\n')
	if t.escape {
		line = escapeMessage(a.t, a.p)
		if t.prompt {
			line = append([]byte("\r\x1b[K"), line...)
		}
	}
	_, err := t.std.out.Write(line)
	t.showPrompt()
	return err
}

func (t *terminal) showPrompt() {
	if t.prompt {
		fmt.Fprint(t.std.out, "> ")
	}
}

// close says goodbye.
func (t *terminal) close(c *websocket.Conn, failed bool) int {
	if t.prompt {
		fmt.Fprintln(t.std.out)
	}
	if err := c.Close(); err != nil {
		fmt.Fprintln(t.std.err, "hawser connect:", err)
		return exitFailed
	}
	return t.verdict(failed)
}

// verdict returns the exit code of a connection that ended well.
func (t *terminal) verdict(failed bool) int {
	switch {
	case failed:
		return exitFailed
	case t.count > 0:
		fmt.Fprintf(t.std.err, "hawser connect: %d of the messages that -n asks for did not come\n", t.count)
		return exitUnmet
	}
	return exitOK
}

// ended says how the connection ended.
func (t *terminal) ended(err error, failed bool) int {
	if t.prompt {
		fmt.Fprintln(t.std.out)
	}
	var ce *websocket.CloseError
	normal := errors.As(err, &ce) && (ce.Code == websocket.CloseNormal || ce.Code == websocket.CloseNoStatus)
	if !normal || t.attended {
		fmt.Fprintln(t.std.err, "hawser connect:", err)
	}
	return t.verdict(failed || !normal)
}
