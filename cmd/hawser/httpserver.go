package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"hawser.example/websocket/internal/notify"
)

// This file is what the verbs that serve have in common.

const (
	// requestTime bounds how long a request may take to arrive, body and all.
	requestTime = 10 * time.Second
	// drainTime bounds how long a server takes to stop: the last of many subscribers gets its Close after
	// notify.DefaultDrainTime, and then has some seconds to answer. It is less than the 10 s that service managers such
	// as Docker wait.
	drainTime = notify.DefaultDrainTime + 4*time.Second
)

// serveHTTP runs h on addr until SIGINT or SIGTERM, then stops listening, calls drain, and returns the exit code. A
// second signal ends the process at once.
func serveHTTP(verb, addr string, h http.Handler, std streams, drain func(context.Context) error,
	banner func(net.Addr) string) int {
	stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	ln, err := listen(addr)
	if err != nil {
		fmt.Fprintf(std.err, "hawser %s: %v\n", verb, err)
		return exitFailed
	}
	fmt.Fprintf(std.err, "hawser %s: %s\n", verb, banner(ln.Addr()))
	server := newHTTPServer(h)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		fmt.Fprintf(std.err, "hawser %s: %v\n", verb, err)
		return exitFailed
	case <-stop.Done():
	}
	restore()
	fmt.Fprintf(std.err, "hawser %s: stopping\n", verb)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- drain(ctx) }()
	if err := errors.Join(server.Shutdown(ctx), <-drained); err != nil {
		// No client may keep a server from stopping well.
		server.Close()
		fmt.Fprintf(std.err, "hawser %s: cut off what had not ended after %v\n", verb, drainTime)
	}
	return exitOK
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
		ReadTimeout:       requestTime, // net/http takes it away when a connection is upgraded
		MaxHeaderBytes:    16 << 10,
		IdleTimeout:       2 * time.Minute,
	}
}
