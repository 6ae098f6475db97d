package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"

	"hawser.example/websocket"
)

// maxEchoMessage is what the echo server and the testee take by default: conformance suites send 16 MiB.
const maxEchoMessage = 64 << 20

var echoVerb = verb{
	name:    "echo",
	summary: "a WebSocket server that sends back what it receives, on every path",
	help: `
It is the server under test in conformance runs and benchmarks, and something to point a new client at. It accepts every
origin: do not put it on a public address. SIGTERM and Ctrl-C end it.

Exit code: 0 when it was told to stop, 1 if it could not listen, 2 for a wrong command line.

Examples:
  hawser echo --addr 127.0.0.1:9002
  hawser connect -m hello ws://127.0.0.1:9002/`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		addr := fs.String("addr", "127.0.0.1:9002", "listen on `HOST:PORT`; port 0 picks a free one")
		limit := fs.Int64("read-limit", maxEchoMessage, "refuse messages of more than `N` bytes with code 1009; -1: no limit")
		compress := fs.Bool("compress", false, "agree to permessage-deflate, with windows as large as the client lets them be;\n"+
			"contexts are taken over as the client asks, and messages of any size are compressed")
		noTakeover := fs.Bool("no-takeover", false, "with --compress: take no context over, in either direction")
		profile := fs.String("pprof", "", "serve profiles of net/http/pprof on `HOST:PORT`")
		return func(_ []string, std streams) int {
			switch {
			case *noTakeover && !*compress:
				return usageError(std, "echo", "--no-takeover goes with --compress")
			case checkAddr(*addr) != nil:
				return usageError(std, "echo", "--addr: %v", checkAddr(*addr))
			case *profile != "" && checkAddr(*profile) != nil:
				return usageError(std, "echo", "--pprof: %v", checkAddr(*profile))
			case *limit == 0:
				return usageError(std, "echo", "--read-limit 0 would refuse every message; -1 means no limit")
			}
			if *profile != "" {
				if err := serveProfiles(*profile, std); err != nil {
					fmt.Fprintln(std.err, "hawser echo:", err)
					return exitFailed
				}
			}
			upgrader := &websocket.Upgrader{Origins: []string{"*", "null"}, ReadLimit: *limit} // null: pages of files
			if *compress {
				upgrader.Compression = echoCompression(*noTakeover)
			}
			return echo(*addr, upgrader, std)
		}
	},
}

// echoHandler sends back what it is given. An error of sending needs no handling: it ends the connection.
var echoHandler = websocket.HandlerFuncs{
	OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) { c.WriteMessage(t, p) },
}

// echoCompression agrees to whatever a client offers, with the largest windows.
func echoCompression(noTakeover bool) *websocket.Compression {
	context := websocket.CompressionContext{NoTakeover: noTakeover, WindowBits: 15}
	return &websocket.Compression{Threshold: -1, Send: context, Receive: context}
}

// echo runs the echo server until it is told to stop.
func echo(addr string, upgrader *websocket.Upgrader, std streams) int {
	handler := upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return echoHandler })
	return serveHTTP("echo", addr, handler, std, upgrader.Shutdown,
		func(addr net.Addr) string { return fmt.Sprintf("listening on ws://%s/", addr) })
}

// serveProfiles serves net/http/pprof on a listener of its own.
func serveProfiles(addr string, std streams) error {
	ln, err := listen(addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "hawser echo: profiles on http://%s/debug/pprof/\n", ln.Addr())
	go newHTTPServer(http.DefaultServeMux).Serve(ln) // where net/http/pprof registers, and nobody else
	return nil
}
