package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"hawser.example/websocket"
)

// This file is what the verbs that serve have in common.

const (
	// requestTime bounds how long a request may take to arrive, body and all.
	requestTime = 10 * time.Second
	// goodbyeTime bounds how long a server takes to stop whose clients all get their Close at once.
	goodbyeTime = websocket.DefaultCloseTimeout + time.Second
)

// An endpoint is where a server listens, and who answers there.
type endpoint struct {
	addr    string
	handler http.Handler
	tls     *tls.Config           // nil: none
	banner  func(net.Addr) string // what is said when it listens
}

// A runner runs the servers of a verb until the process is told to stop.
type runner struct {
	endpoints []endpoint
	drain     func(context.Context) error // says goodbye to the clients
	stopTime  time.Duration               // how long stopping may take; then what is left is cut off
	reload    func()                      // on SIGHUP; nil: that ends the process, as it does by default
	say       func(string)
	fail      func(error)
	errorLog  *log.Logger // of net/http; nil: standard error
}

// serveHTTP runs h on addr for a verb that needs no more than that.
func serveHTTP(verb, addr string, h http.Handler, std streams, drain func(context.Context) error,
	banner func(net.Addr) string) int {
	r := runner{
		endpoints: []endpoint{{addr: addr, handler: h, banner: banner}},
		drain:     drain,
		stopTime:  goodbyeTime,
		say:       func(text string) { fmt.Fprintf(std.err, "hawser %s: %s\n", verb, text) },
		fail:      func(err error) { fmt.Fprintf(std.err, "hawser %s: %v\n", verb, err) },
	}
	return r.run()
}

// run listens on all endpoints and serves until SIGINT or SIGTERM, then stops and returns the exit code. A second
// signal ends the process at once.
func (r *runner) run() int {
	signal.Ignore(syscall.SIGPIPE) // whoever reads the log may go; the server stays
	stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	hup := make(chan os.Signal, 1)
	if r.reload != nil {
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
	}
	listeners, err := r.listen()
	if err != nil {
		r.fail(err)
		return exitFailed
	}
	servers := make([]*http.Server, len(r.endpoints))
	failed := make(chan error, len(servers))
	for i, e := range r.endpoints {
		r.say(e.banner(listeners[i].Addr()))
		servers[i] = newHTTPServer(e.handler)
		servers[i].ErrorLog = r.errorLog
		go func() { failed <- servers[i].Serve(listeners[i]) }()
	}
	for {
		select {
		case err := <-failed:
			r.fail(err)
			return exitFailed
		case <-hup:
			r.reload()
		case <-stop.Done():
			restore()
			r.stop(servers)
			return exitOK
		}
	}
}

// listen listens on all endpoints, or on none.
func (r *runner) listen() (listeners []net.Listener, err error) {
	for _, e := range r.endpoints {
		ln, err := listen(e.addr)
		if err != nil {
			for _, ln := range listeners {
				ln.Close()
			}
			return nil, err
		}
		if e.tls != nil {
			ln = tls.NewListener(ln, e.tls)
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}

// stop says goodbye to all clients, then stops listening. Until then whoever comes is told to come back later, and
// whoever asks whether the server is ready that it is not.
func (r *runner) stop(servers []*http.Server) {
	r.say("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), r.stopTime)
	defer cancel()
	errs := make([]error, len(servers)+1)
	errs[len(servers)] = r.drain(ctx)
	var stopping sync.WaitGroup
	for i, s := range servers {
		stopping.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	stopping.Wait()
	if errors.Join(errs...) != nil {
		// No client may keep a server from stopping well.
		for _, s := range servers {
			s.Close()
		}
		r.say(fmt.Sprintf("cut off what had not ended after %v", r.stopTime))
	}
}

// checkAddr says what is wrong with a HOST:PORT.
func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%q is not of the form HOST:PORT, such as 127.0.0.1:8080 or :8080", addr)
	}
	return nil
}

// listen is net.Listen with an error that says what to do.
func listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w; choose another address", err)
	}
	return ln, err
}

// newHTTPServer returns a server with the limits that an Upgrader cannot set.
func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       requestTime,    // net/http takes it away when a connection is upgraded
		MaxHeaderBytes:    16<<10 - 4<<10, // to which net/http adds 4 KiB
		IdleTimeout:       2 * time.Minute,
	}
}
