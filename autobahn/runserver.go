package autobahn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// newConn makes the kit's end for one run of a case.
func newConn(nc net.Conn, isServer bool, c *Case, o *Options, agent string) *conn {
	now := time.Now()
	quiet := c.Rounds != nil && c.Rounds.Count > 1 // the original logs nothing of these
	k := &conn{nc: nc, isServer: isServer, opt: o, begun: now, c: c, r: &Result{
		Agent: agent, ID: c.ID, Case: c.Number, IsServer: isServer,
		Description: c.Description, Expectation: c.Expectation,
		Behavior: Failed, BehaviorClose: Failed,
		Started: now.UTC().Format(time.RFC3339Nano), ReportTime: c.ReportTime,
		Expected: c.Expected, ExpectedClose: c.Close, Received: []Event{},
		RxOctets: map[int]int{}, TxOctets: map[int]int{}, RxFrames: map[string]int{}, TxFrames: map[string]int{},
		CreateStats: true, CreateWirelog: !quiet || o.Wire,
	}}
	k.log = logger{on: k.r.CreateWirelog, bound: logBound, begun: now}
	if o.Wire {
		k.log.bound = 0
	}
	k.rx = receiver{sink: k, fromClient: isServer}
	return k
}

// result ends the run.
func (c *conn) result() *Result {
	c.r.Duration = time.Since(c.begun).Milliseconds()
	c.r.Wirelog = c.log.entries
	if t := c.r.Traffic; t != nil {
		t.IncomingOctetsWire, t.IncomingFrames = c.rx.bytes, c.rx.frames
	}
	return c.r
}

// notOpened is the result where the opening handshake did not complete.
func (c *conn) notOpened(err error) *Result {
	c.r.OpenHandshakeTimeout = errors.Is(err, os.ErrDeadlineExceeded)
	c.r.Reason = "There was no opening handshake: " + err.Error() + "."
	c.r.ReasonClose = c.r.Reason
	if c.nc != nil {
		c.nc.Close()
	}
	return c.result()
}

// ErrGone is in the error of a run whose server took connections, and then did not any more.
var ErrGone = errors.New("is gone")

// A serverRun tests a server.
type serverRun struct {
	opt    Options
	addr   *address
	dial   func(context.Context) (net.Conn, error)
	linger sync.WaitGroup          // what goes on with sockets after their case
	abort  context.CancelCauseFunc // ends the run

	mu sync.Mutex // of Progress
}

func runServer(ctx context.Context, url string, o Options) ([]*Result, error) {
	a, err := parseAddress(url)
	if err != nil {
		return nil, err
	}
	s := &serverRun{opt: o, addr: a}
	s.dial = func(ctx context.Context) (net.Conn, error) { return a.dial(ctx, &s.opt) }
	ctx, s.abort = context.WithCancelCause(ctx)
	defer s.abort(nil)
	if err := s.probe(ctx); err != nil {
		return nil, err
	}
	results := s.all(ctx)
	s.linger.Wait()
	settleAgent(results)
	if nc, err := s.dial(ctx); err == nil { // it may have ended in the last case
		nc.Close()
	} else {
		s.lost(err)
	}
	return results, context.Cause(ctx)
}

// nobodyThere tells whether an error of dial says that nobody listens. That TLS fails is another matter.
func nobodyThere(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && op.Op == "dial"
}

// lost ends the run if an error of dial says that nobody listens any more.
func (s *serverRun) lost(err error) {
	if nobodyThere(err) {
		s.abort(fmt.Errorf("autobahn: the server at %s %w: %w", s.addr.host, ErrGone, err))
	}
}

// awaitPause is the time between two attempts of await.
const awaitPause = 50 * time.Millisecond

// await dials until somebody listens, or Wait is over: in a script the server is often started just before the kit.
func (s *serverRun) await(ctx context.Context) (net.Conn, error) {
	for until := time.Now().Add(s.opt.Wait); ; {
		nc, err := s.dial(ctx)
		if !nobodyThere(err) || ctx.Err() != nil || !time.Now().Before(until) {
			return nc, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(awaitPause):
		}
	}
}

// probe looks whether there is a server at all, so that what is none does not fail case after case.
func (s *serverRun) probe(ctx context.Context) error {
	nc, err := s.await(ctx)
	if err != nil {
		return fmt.Errorf("autobahn: no server at %s: %w", s.addr.host, err)
	}
	defer nc.Close()
	if !slices.ContainsFunc(s.opt.cases(true), func(c *Case) bool { return c.handshake == nil }) {
		return nil
	}
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	k := newConn(nc, false, new(Case), &s.opt, s.opt.Agent)
	if _, err := k.openClient(s.addr); err != nil {
		return fmt.Errorf("autobahn: %s: no opening handshake: %w", s.addr.url, k.noAnswer(err))
	}
	k.frame(header{fin: true, opcode: opClose}, closePayload(1000, ""))
	nc.SetDeadline(time.Now().Add(s.opt.limit(closeLimit)))
	nc.Write(k.pending)
	nc.Read(make([]byte, 128)) // its Close: the cases are where it is judged
	return nil
}

// noAnswer says why openClient has failed, where that came from reading.
func (c *conn) noAnswer(err error) error {
	begun := c.r.HTTPResponse
	switch {
	case begun != "" && !strings.HasPrefix(begun, "HTTP/"):
		return fmt.Errorf("the answer is not HTTP: %.80q", begun)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("there was no whole answer within %v", c.opt.limit(openLimit))
	case errors.Is(err, io.EOF):
		return errors.New("the server ended the connection instead of an answer")
	}
	return err
}

// unknownServer is the agent of a server that does not say what it is.
const unknownServer = "UnknownServer"

// settleAgent makes one agent of a run: the first name that the server has given. It may give another with a refusal, or
// none where it does not answer.
func settleAgent(results []*Result) {
	agent := unknownServer
	for _, r := range results {
		if agent = r.Agent; agent != unknownServer {
			break
		}
	}
	for _, r := range results {
		r.Agent = agent
	}
}

// all runs the cases: those that mostly wait side by side, the others a few at a time, and at last those that need the
// machine for themselves.
func (s *serverRun) all(ctx context.Context) []*Result {
	cases := s.opt.cases(true)
	repeat := max(s.opt.Repeat, 1)
	results := make([]*Result, len(cases)*repeat)
	slots := make(chan struct{}, s.parallel())
	var running sync.WaitGroup
	run := func(i int) {
		if ctx.Err() == nil {
			results[i] = s.one(ctx, cases[i/repeat])
		}
	}
	var alone []int
	for i := range results {
		switch c := cases[i/repeat]; {
		case c.loud():
			alone = append(alone, i)
		case c.waits():
			running.Go(func() { run(i) })
		default:
			slots <- struct{}{}
			running.Go(func() {
				run(i)
				<-slots
			})
		}
	}
	running.Wait()
	for _, i := range alone {
		run(i)
	}
	return compact(results)
}

func compact(results []*Result) []*Result {
	var rs []*Result
	for _, r := range results {
		if r != nil {
			rs = append(rs, r)
		}
	}
	return rs
}

func (s *serverRun) parallel() int {
	if s.opt.Parallel > 0 {
		return s.opt.Parallel
	}
	return min(runtime.GOMAXPROCS(0), 8)
}

// loud tells of cases that measure, and so run alone.
func (c *Case) loud() bool { return strings.HasPrefix(c.ID, "9.") }

// waits tells of cases that spend their time waiting.
func (c *Case) waits() bool {
	for _, s := range c.Steps {
		if s.Op == Wait {
			return true
		}
	}
	return false
}

// one runs a case. It returns nil for one that was cut off.
func (s *serverRun) one(ctx context.Context, c *Case) *Result {
	k := newConn(nil, false, c, &s.opt, s.opt.Agent)
	r := s.play(ctx, k)
	if k.cutOff(ctx) {
		return nil
	}
	if r.Agent == "" {
		r.Agent = unknownServer
	}
	if s.opt.Progress != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opt.Progress(r)
	}
	return r
}

func (s *serverRun) play(ctx context.Context, k *conn) *Result {
	nc, err := s.dial(ctx)
	if err != nil {
		s.lost(err)
		return k.notOpened(err)
	}
	k.nc = nc
	opened := context.AfterFunc(ctx, func() { nc.Close() })
	defer opened()
	early, done, err := k.ask(s.addr)
	switch {
	case err != nil:
		return k.notOpened(err)
	case done:
		return k.result()
	case !opened():
		return k.notOpened(ctx.Err())
	}
	nc.SetDeadline(time.Time{})
	k.run(ctx, early, &s.linger)
	k.judge()
	return k.result()
}

// ask does the opening handshake. done tells that there is nothing to play after it.
func (c *conn) ask(a *address) (early []byte, done bool, err error) {
	if c.c.handshake != nil {
		return c.shakeServer(a)
	}
	early, err = c.openClient(a)
	return early, false, err
}
