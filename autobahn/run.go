package autobahn

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Options say how cases are run.
type Options struct {
	Cases        []*Case       // nil is all of Cases; those that test the other side do not run
	Agent        string        // the name of the side under test; "" is the Server header of its answer
	Parallel     int           // how many run at a time; 0 is a core each, at most 8. Those of 9 always run alone
	TimeoutScale float64       // how many times longer every time limit is; 0 is 1. Waits between frames stay as they are
	Repeat       int           // how often each case runs; 0 is once
	Wait         time.Duration // how long RunServer waits for a server that does not listen yet; 0 is not at all
	Wire         bool          // log every frame, without a bound, also where the original does not
	TLS          *tls.Config   // for wss URLs; nil is the default one

	// Header is sent with the opening handshake, one line each, such as "Origin: http://example.com".
	// A Host stands for that of the URL.
	Header []string

	// Progress is called with every result as it comes, one call at a time. It may be nil.
	Progress func(*Result)
}

// RunServer tests a server: the kit is the client, and opens a connection to url for every case. The results are in
// the order of the cases, those of a repeated case one after another. An error means that the cases could not run:
// a bad URL, nobody there or nobody who completes a plain opening handshake; or that they could not run to the end: a
// server that takes no connection any more, an ErrGone, or a ctx that has ended. Then the results are those that there
// are, and the cases that were cut off are not among them. Where opening handshakes alone are tested, the one before
// the cases is left out.
func RunServer(ctx context.Context, url string, o Options) ([]*Result, error) {
	return runServer(ctx, url, o)
}

// A Server tests clients: the kit is the server, and the client under test asks it for the cases by the paths of the
// original:
//
//	/getCaseCount                         the number of cases, in a text message
//	/runCase?case=N&agent=A               plays the case, N from 1; casetuple=1.2.3 names it instead
//	/getCaseInfo?case=N                   {"id", "description"}
//	/getCaseStatus?case=N&agent=A         {"behavior"}
//	/updateReports?agent=A                calls UpdateReports; with &shutdownOnComplete=true Serve then returns
//	/stopServer                           Serve returns
//
// The fields do not change once Serve has been called.
type Server struct {
	Options // Agent is the name of a client that gives none; Parallel and Repeat are up to the client

	// UpdateReports is called when a client asks for it, with its name; the answer waits for it. It may be nil.
	UpdateReports func(agent string)

	progress  sync.Mutex // held while Progress is called
	reporting sync.Mutex // held while UpdateReports is called

	mu      sync.Mutex
	results map[string]map[string]*Result // by agent and case, guarded by mu
	agents  []string                      // in the order of their first case, guarded by mu
}

// Serve answers the connections that ln accepts until a client stops the server, and then returns nil, or until ctx
// ends. It closes ln, and returns when every connection has ended.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { return s.serve(ctx, ln) }

// Agents returns the names of the clients that have run a case, in the order of their first.
func (s *Server) Agents() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.agents...)
}

// Results returns what a client's cases have come to, in the order of the cases: the last run of each.
func (s *Server) Results(agent string) []*Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rs []*Result
	for _, c := range s.cases(false) {
		if r := s.results[agent][c.ID]; r != nil {
			rs = append(rs, r)
		}
	}
	return rs
}

// cases returns those that test what the kit is to test.
func (o *Options) cases(testsServer bool) []*Case {
	if o.Cases == nil {
		return Cases()
	}
	if testsServer {
		return ForServers(o.Cases)
	}
	return ForClients(o.Cases)
}
