package autobahn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errStopped is why Serve ends when a client asks for it.
var errStopped = errors.New("stopped by a client")

func (s *Server) serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release := context.AfterFunc(ctx, func() { ln.Close() })
	defer release()
	var conns sync.WaitGroup
	var err error
	for {
		var nc net.Conn
		if nc, err = ln.Accept(); err != nil {
			break
		}
		conns.Go(func() { s.client(ctx, cancel, nc, &conns) })
	}
	cancel(err)
	ln.Close()
	conns.Wait()
	if cause := context.Cause(ctx); cause != errStopped {
		return cause
	}
	return nil
}

// client answers one connection.
func (s *Server) client(ctx context.Context, stop context.CancelCauseFunc, nc net.Conn, conns *sync.WaitGroup) {
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Now().Add(time.Second)) })()
	nc.SetDeadline(time.Now().Add(s.limit(openLimit)))
	req, head, early, err := readRequest(nc)
	if err != nil {
		nc.Close()
		return
	}
	query := req.URL.Query()
	agent := s.agent(query.Get("agent"))
	var c *Case
	switch req.URL.Path {
	case "/runCase", "/getCaseInfo", "/getCaseStatus":
		if c, err = s.pick(query.Get("case"), query.Get("casetuple")); err != nil {
			refuse(nc, "400 Bad Request", err.Error())
			return
		}
	}
	var do func() string
	ends := false
	switch req.URL.Path {
	case "/runCase":
		s.runCase(ctx, nc, req, head, early, c, agent, conns)
		return
	case "/getCaseCount":
		do = func() string { return strconv.Itoa(len(s.cases(false))) }
	case "/getCaseInfo":
		do = func() string { return toJSON(map[string]string{"id": c.ID, "description": c.Description}) }
	case "/getCaseStatus":
		do = func() string { return s.status(agent, c) }
	case "/updateReports":
		do = func() string {
			s.reporting.Lock() // two clients may end at the same time
			defer s.reporting.Unlock()
			if s.UpdateReports != nil {
				s.UpdateReports(agent)
			}
			return ""
		}
		ends = query.Get("shutdownOnComplete") == "true"
	case "/stopServer":
		do = func() string { return "" }
		ends = true
	default:
		refuse(nc, "404 Not Found", "the paths are /getCaseCount, /runCase, /getCaseInfo, /getCaseStatus, "+
			"/updateReports and /stopServer")
		return
	}
	if err := checkRequest(req); err != nil {
		refuse(nc, "400 Bad Request", err.Error())
		return
	}
	s.tell(ctx, nc, req, early, do(), conns)
	if ends {
		stop(errStopped)
	}
}

func toJSON(v any) string {
	b, _ := json.Marshal(v) // maps of strings have no errors
	return string(b)
}

func (s *Server) agent(name string) string {
	switch {
	case name != "":
		return name
	case s.Agent != "":
		return s.Agent
	}
	return "UnknownClient"
}

// pick finds a case by its number from 1, or by its ID.
func (s *Server) pick(number, tuple string) (*Case, error) {
	cases := s.cases(false)
	if tuple != "" {
		for _, c := range cases {
			if c.ID == tuple {
				return c, nil
			}
		}
		return nil, fmt.Errorf("there is no case %s", tuple)
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(cases) {
		return nil, fmt.Errorf("case is %q; the cases are 1 to %d", number, len(cases))
	}
	return cases[n-1], nil
}

func (s *Server) status(agent string, c *Case) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.results[agent][c.ID]; r != nil {
		return toJSON(map[string]string{"behavior": string(r.Behavior)})
	}
	return toJSON(map[string]string{"behavior": "MISSING"})
}

// runCase plays a case with a client.
func (s *Server) runCase(ctx context.Context, nc net.Conn, req *http.Request, head string, early []byte, c *Case,
	agent string, conns *sync.WaitGroup) {
	k := newConn(nc, true, c, &s.Options, agent)
	k.r.HTTPRequest = head
	r := func() *Result {
		if err := checkRequest(req); err != nil {
			refuse(nc, "400 Bad Request", err.Error())
			return k.notOpened(err)
		}
		if done, err := k.answer(req, early); err != nil || done {
			if done {
				return k.result()
			}
			return k.notOpened(err)
		}
		nc.SetDeadline(time.Time{})
		k.run(ctx, early, conns)
		k.judge()
		return k.result()
	}()
	if !k.cutOff(ctx) {
		s.keep(agent, r)
	}
}

// answer completes the opening handshake. done tells that there is nothing to play after it.
func (c *conn) answer(req *http.Request, early []byte) (done bool, err error) {
	if c.c.handshake != nil {
		return c.shakeClient(req, early)
	}
	return false, c.openServer(req)
}

// openServer answers a client that wants the case.
func (c *conn) openServer(req *http.Request) error {
	var extra []string
	if d := c.c.Deflate; d != nil {
		offers := parseExtensions(strings.Join(req.Header.Values("Sec-WebSocket-Extensions"), ","))
		if p, ok := d.accept(offers); ok {
			c.compress(p)
			extra = append(extra, "Sec-WebSocket-Extensions: "+p.String())
		}
	}
	if p := req.Header.Get("Sec-WebSocket-Protocol"); p != "" {
		first, _, _ := strings.Cut(p, ",") // the kit speaks all of them
		extra = append(extra, "Sec-WebSocket-Protocol: "+strings.TrimSpace(first))
	}
	c.r.HTTPResponse = answer(req, extra...)
	first := []byte(c.r.HTTPResponse)
	if c.c.eager {
		for c.played < len(c.c.Steps) && c.c.Steps[c.played].Op != Kill {
			c.step(c.c.Steps[c.played])
			c.played++
		}
		first = append(first, c.pending...)
		c.pending = nil
	}
	_, err := c.nc.Write(first)
	return err
}

// keep takes a result down.
func (s *Server) keep(agent string, r *Result) {
	s.record(agent, r)
	if s.Progress != nil {
		s.progress.Lock()
		defer s.progress.Unlock()
		s.Progress(r)
	}
}

func (s *Server) record(agent string, r *Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.results == nil {
		s.results = map[string]map[string]*Result{}
	}
	if s.results[agent] == nil {
		s.results[agent] = map[string]*Result{}
		s.agents = append(s.agents, agent)
	}
	s.results[agent][r.ID] = r
}

// tell sends a client the answer to its question, in a text message, and closes.
func (s *Server) tell(ctx context.Context, nc net.Conn, req *http.Request, early []byte, text string,
	conns *sync.WaitGroup) {
	c := &Case{Close: closedNormally, Steps: []Step{{Op: Shut, Payload: closePayload(1000, "")}}}
	if text != "" {
		c.Steps = append([]Step{{Op: SendMessage, Opcode: opText, Payload: []byte(text)}}, c.Steps...)
	}
	k := newConn(nc, true, c, &s.Options, "")
	if k.openServer(req) != nil {
		nc.Close()
		return
	}
	nc.SetDeadline(time.Time{})
	k.run(ctx, early, conns)
}

// refuse answers what is no opening handshake.
func refuse(nc net.Conn, status, why string) {
	fmt.Fprintf(nc, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"+
		"Content-Length: %d\r\n\r\n%s\n", status, len(why)+1, strings.ReplaceAll(why, "\n", " "))
	nc.Close()
}
