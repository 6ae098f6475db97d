package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/signal"
	"syscall"
	"time"

	"hawser.example/websocket"
)

// maxEchoMessage is what the echo server and the testee take by default: conformance suites send 16 MiB.
const maxEchoMessage = 64 << 20

var echoVerb = verb{
	name:    "echo",
	summary: "a WebSocket server that sends back what it receives, on every path",
	help: `
It is the server under test in conformance runs and benchmarks, and something to point a new client at. It accepts every
origin: do not put it on a public address.

Examples:
  hawser echo --addr 127.0.0.1:9002
  hawser connect -m hello ws://127.0.0.1:9002/`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		addr := fs.String("addr", "127.0.0.1:9002", "listen on `HOST:PORT`; port 0 picks a free one")
		limit := fs.Int64("read-limit", maxEchoMessage, "refuse messages of more than `N` bytes with code 1009; -1: no limit")
		compress := fs.Bool("compress", false, "agree to permessage-deflate (not available yet)")
		profile := fs.String("pprof", "", "serve profiles of net/http/pprof on `HOST:PORT`")
		return func(_ []string, std streams) int {
			switch {
			case *compress:
				return usageError(std, "echo", "--compress is not available yet: this version does not speak permessage-deflate")
			case *limit == 0:
				return usageError(std, "echo", "--read-limit 0 would refuse every message; -1 means no limit")
			}
			if *profile != "" {
				if err := serveProfiles(*profile, std); err != nil {
					fmt.Fprintln(std.err, "hawser echo:", err)
					return exitFailed
				}
			}
			return echo(*addr, *limit, std)
		}
	},
}

// echoHandler sends back what it is given. An error of sending needs no handling: it ends the connection.
var echoHandler = websocket.HandlerFuncs{
	OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) { c.WriteMessage(t, p) },
}

// echo runs the echo server until it is told to stop.
func echo(addr string, limit int64, std streams) int {
	upgrader := websocket.Upgrader{Origins: []string{"*", "null"}, ReadLimit: limit} // null: pages of files
	handler := upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return echoHandler })
	return serveHTTP("echo", addr, handler, std, upgrader.Shutdown,
		func(addr net.Addr) string { return fmt.Sprintf("listening on ws://%s/", addr) })
}

// drainTime bounds how long a server takes to stop: the last of many subscribers gets its Close after DefaultDrainTime,
// and then has DefaultCloseTimeout to answer.
const drainTime = websocket.DefaultDrainTime + websocket.DefaultCloseTimeout + 2*time.Second

// serveHTTP runs h on addr until SIGINT or SIGTERM, then stops listening, calls drain, and returns the exit code. A
// second signal ends the process at once.
func serveHTTP(verb, addr string, h http.Handler, std streams, drain func(context.Context) error,
	banner func(net.Addr) string) int {
	stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	ln, err := net.Listen("tcp", addr)
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
	err = server.Shutdown(ctx)
	if drainErr := <-drained; err == nil {
		err = drainErr
	}
	if err != nil {
		fmt.Fprintf(std.err, "hawser %s: not everything had ended after %v: %v\n", verb, drainTime, err)
		return exitFailed
	}
	return exitOK
}

// newHTTPServer returns a server with the limits that an Upgrader cannot set.
func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
		IdleTimeout:       2 * time.Minute,
	}
}

// serveProfiles serves net/http/pprof on a listener of its own.
func serveProfiles(addr string, std streams) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "hawser echo: profiles on http://%s/debug/pprof/\n", ln.Addr())
	go newHTTPServer(http.DefaultServeMux).Serve(ln) // where net/http/pprof registers, and nobody else
	return nil
}
