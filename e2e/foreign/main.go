// Foreign is an echo server or client made of a WebSocket library for Go that is not ours, to be judged by the
// conformance kit:
//
//	foreign LIBRARY server      listens on a free port, prints its URL, and echoes
//	foreign LIBRARY client URL  runs the cases of a kit or suite that listens there
//
// Each library is used as its users would: with its own defaults, but for the size of messages, and with compression
// where it has that.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

// maxMessage is what the libraries are told to take: the cases send 16 MiB.
const maxMessage = 64 << 20

// A library is how to echo with one.
type library struct {
	serve http.HandlerFunc
	// visit connects to url and hands each message to got, or sends it back where got is nil, until the connection
	// ends. It is nil if the library's client is not tested.
	visit func(url string, got func([]byte)) error
}

var libraries = map[string]library{
	"gorilla": {serveGorilla, visitGorilla},
	"coder":   {serveCoder, visitCoder},
	"gobwas":  {serveGobwas, nil},
	"gws":     {serveGws, nil},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: foreign LIBRARY server|client [URL]")
	}
	l, ok := libraries[os.Args[1]]
	var err error
	switch role := os.Args[2]; {
	case ok && role == "server":
		err = listen(l)
	case ok && role == "client" && l.visit != nil && len(os.Args) == 4:
		err = runCases(l, os.Args[1], os.Args[3])
	default:
		err = fmt.Errorf("foreign: cannot run %q", os.Args[1:])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func listen(l library) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening on ws://%s/\n", ln.Addr())
	return http.Serve(ln, l.serve)
}

// runCases is the client under test. How a case's connection ends is for the kit to judge.
func runCases(l library, agent, base string) error {
	count := 0
	if err := l.visit(base+"/getCaseCount", func(p []byte) { count, _ = strconv.Atoi(string(p)) }); count == 0 {
		return fmt.Errorf("no number of cases: %v", err)
	}
	for n := range count {
		l.visit(fmt.Sprintf("%s/runCase?case=%d&agent=%s", base, n+1, agent), nil)
	}
	l.visit(base+"/updateReports?agent="+agent+"&shutdownOnComplete=true", nil)
	return nil
}
