package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hawser.example/websocket"
)

var testeeVerb = verb{
	name:    "testee",
	summary: "the client under test for Autobahn's fuzzing server",
	help: `
It asks the server for the number of cases, runs each of them as an echo client until the connection ends, however that
happens, and has the reports written. A case may spoil the handshake. A server that does not end a case within 10
minutes is given up.

Exit code: 0 when all cases were run, whatever their verdicts, 1 if the server did not go on, 2 for a wrong command
line, 3 if there was no connection or a handshake failed.

Example:
  hawser testee --url ws://127.0.0.1:9001 --agent hawser`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		base := fs.String("url", "", "the fuzzing server, `ws://HOST:PORT`")
		agent := fs.String("agent", "hawser", "the `NAME` in the reports")
		parallel := fs.Int("p", 1, "run `N` cases at a time, for a server that can")
		return func(_ []string, std streams) int {
			switch {
			case *parallel < 1:
				return usageError(std, "testee", "-p %d: at least one case has to run at a time", *parallel)
			case *base == "":
				return usageError(std, "testee", "--url is missing: the fuzzing server, such as ws://127.0.0.1:9001")
			case *agent == "":
				return usageError(std, "testee", "--agent must not be empty")
			}
			stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			t := testee{
				dialer:   websocket.Dialer{ReadLimit: maxEchoMessage, Compression: testeeCompression},
				base:     strings.TrimSuffix(*base, "/"),
				agent:    *agent,
				progress: std.err,
				parallel: *parallel,
				askTime:  maxAskTime,
				caseTime: maxCaseTime,
			}
			return testeeResult(t.run(stop), std)
		}
	},
}

// testeeCompression offers client_no_context_takeover, since some cases ask for it, and do so only where it is offered.
var testeeCompression = &websocket.Compression{
	Threshold: -1,
	Send:      websocket.CompressionContext{NoTakeover: true},
}

// A server that hangs must not hang the run.
const (
	maxAskTime  = 2 * time.Minute  // for the number of cases, and for writing the reports
	maxCaseTime = 10 * time.Minute // for a case: the suite's slowest give themselves 8 minutes
)

// errURL marks what is wrong with the command line's URL, as only dialling finds out.
var errURL = errors.New("--url")

// testeeResult says what ended the run, and returns the exit code.
func testeeResult(err error, std streams) int {
	var handshake *websocket.HandshakeError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errURL):
		return usageError(std, "testee", "%v", err)
	}
	fmt.Fprintln(std.err, "hawser testee:", err)
	if errors.As(err, &handshake) {
		return exitConnect
	}
	return exitFailed
}

// A testee runs the cases of a fuzzing server.
type testee struct {
	dialer   websocket.Dialer
	base     string // the server's URL, to which paths are appended
	agent    string
	progress io.Writer
	parallel int // cases at a time

	askTime, caseTime time.Duration
}

// run runs all cases, and has the reports written.
func (t *testee) run(ctx context.Context) error {
	count, err := t.caseCount(ctx)
	if err != nil {
		return fmt.Errorf("the number of cases: %w", err)
	}
	if err := t.runCases(ctx, count); err != nil {
		return err
	}
	if err := t.visit(ctx, t.askTime, "/updateReports?", websocket.HandlerFuncs{}); err != nil {
		return fmt.Errorf("the reports: %w", err)
	}
	return nil
}

// runCases runs the cases, parallel of them at a time, until one fails.
func (t *testee) runCases(ctx context.Context, count int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, t.parallel) // has room for one of each
	var workers sync.WaitGroup
	var begun, done atomic.Int64
	for range t.parallel {
		workers.Go(func() {
			for n := int(begun.Add(1)); n <= count && ctx.Err() == nil; n = int(begun.Add(1)) {
				// How a case's connection ends is for the server to judge, and so is how we take to a handshake that it
				// spoils.
				err := t.visit(ctx, t.caseTime, "/runCase?case="+strconv.Itoa(n)+"&", echoHandler)
				if err != nil && !isSpoiled(err) {
					failed <- fmt.Errorf("case %d of %d: %w", n, count, err)
					stop()
					return
				}
				if d := int(done.Add(1)); d%50 == 0 || d == count {
					fmt.Fprintf(t.progress, "hawser testee: %d of %d cases done\n", d, count)
				}
			}
		})
	}
	workers.Wait()
	close(failed)
	return <-failed // the first, nil if there is none
}

// isSpoiled reports whether a handshake failed because the server answered what no client may take. A case can be about
// that; a case that there is not, and a server that is gone, are another matter.
func isSpoiled(err error) bool {
	var handshake *websocket.HandshakeError
	return errors.As(err, &handshake) && handshake.Status != 0 && handshake.Status < http.StatusBadRequest
}

// caseCount asks how many cases there are.
func (t *testee) caseCount(ctx context.Context) (int, error) {
	var answer string
	var answered bool
	var end error
	err := t.visit(ctx, t.askTime, "/getCaseCount?", websocket.HandlerFuncs{
		OnMessage: func(c *websocket.Conn, _ websocket.MessageType, p []byte) {
			answer, answered = string(p), true
			c.Close() // whether the server does or not
		},
		OnClosed: func(_ *websocket.Conn, err error) { end = err },
	})
	switch {
	case err != nil:
		return 0, err
	case !answered:
		return 0, fmt.Errorf("no answer: %w", end)
	}
	count, err := strconv.Atoi(strings.TrimSpace(answer))
	if err != nil || count < 0 {
		return 0, fmt.Errorf("the server answered %.40q, which is no number", answer)
	}
	return count, nil
}

// visit connects to a path of the server, to which it adds the agent's name, and hands what comes to h until the
// connection has ended. It fails if that takes longer than limit, or ctx ends.
func (t *testee) visit(ctx context.Context, limit time.Duration, path string, h websocket.Handler) error {
	tooLong := fmt.Errorf("the server did not end the connection within %v", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, tooLong)
	defer cancel()
	c, _, err := t.dialer.Dial(ctx, t.base+path+"agent="+url.QueryEscape(t.agent), nil)
	var handshake *websocket.HandshakeError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &handshake):
		return err
	default:
		return fmt.Errorf("%w: %w", errURL, err)
	}
	defer context.AfterFunc(ctx, func() { c.CloseNow() })()
	c.Serve(h)
	return context.Cause(ctx)
}
