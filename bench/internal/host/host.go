// Package host is what all servers under comparison share: their flags, their listener, and a control pipe. It knows no
// WebSocket library, so that a server's process holds the one it is about.
package host

import (
	"bufio"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"
)

// Config is what a server is asked to do.
type Config struct {
	Broadcast   bool        // send every message to all connections; otherwise back to its sender
	Compression string      // "", "takeover" or "none" (no context takeover)
	TLS         *tls.Config // nil for plain TCP
}

// MaxMessage is the largest message a server has to take.
const MaxMessage = 4 << 20

// Main runs a server until its standard input ends. It prints the address on standard output, and answers commands:
// "gc" collects garbage and gives all free memory back to the system, "joined" tells how many connections get
// broadcasts.
func Main(serve func(net.Listener, Config) error) {
	var c Config
	var secure bool
	flag.BoolVar(&c.Broadcast, "broadcast", false, "send every message to all connections, not back to its sender")
	flag.StringVar(&c.Compression, "compression", "", "permessage-deflate: takeover, or none for no context takeover")
	flag.BoolVar(&secure, "tls", false, "serve TLS with a certificate made now")
	flag.Parse()
	if secure {
		config, err := selfSigned()
		if err != nil {
			log.Fatal(err)
		}
		c.TLS = config
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(serve(ln, c)) }()
	fmt.Println(ln.Addr())
	obey()
}

// obey answers the commands on standard input.
func obey() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "gc":
			debug.FreeOSMemory() // what sync.Pools hold survives one collection
			debug.FreeOSMemory()
			fmt.Println("done")
		case "joined":
			fmt.Println(Joined.Load())
		}
	}
}

// Listener is ln with TLS where that is asked for.
func (c Config) Listener(ln net.Listener) net.Listener {
	if c.TLS == nil {
		return ln
	}
	return tls.NewListener(ln, c.TLS)
}

// ServeHTTP serves h with net/http, for libraries that upgrade its requests.
func (c Config) ServeHTTP(ln net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	return s.Serve(c.Listener(ln))
}
