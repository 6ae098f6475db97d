// Notify is message notification in one small program: a web service that keeps its WebSocket clients and broadcasts
// JSON to all of them, a Go client that sends into it, and a browser page that shows what comes.
//
//	go run ./examples/notify                       # then open http://127.0.0.1:8090/
//	go run ./examples/notify -send "good morning"  # in a second terminal
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"hawser.example/websocket"
)

//go:embed page.html
var page []byte

// A note is what clients send and receive, as JSON.
type note struct {
	From, Text string
	Time       time.Time
}

// A service keeps its clients.
type service struct {
	upgrader websocket.Upgrader
	mu       sync.Mutex
	clients  map[*websocket.Conn]bool
}

// newService returns the page at / and WebSocket at /ws.
func newService() http.Handler {
	s := &service{clients: make(map[*websocket.Conn]bool)}
	s.upgrader.WriteTimeout = 2 * time.Second
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	mux.HandleFunc("GET /ws", s.serveClient)
	return mux
}

// serveClient keeps a client until it goes, and broadcasts what it sends.
func (s *service) serveClient(w http.ResponseWriter, r *http.Request) {
	c, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the request has been answered
	}
	defer c.Close()
	s.add(c)
	defer s.remove(c)
	for {
		var n note
		if err := c.ReadJSON(&n); err != nil {
			return // the client has gone, or did not send a note
		}
		n.Time = time.Now()
		s.broadcast(n)
	}
}

func (s *service) add(c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = true
}

func (s *service) remove(c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// broadcast sends n to all clients, one after the other. One that takes nothing holds up the others until WriteTimeout
// ends it; a websocket.Hub, which queues for slow clients, has no such wait.
func (s *service) broadcast(n note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		c.WriteJSON(n) // if it fails, the client's reader notices as well
	}
}

// send is the Go client: it connects, sends one note and waits until it comes back.
func send(ctx context.Context, url string, n note) error {
	c, err := websocket.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return errors.Join(c.WriteJSON(n), c.ReadJSON(&n))
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8090", "where the service listens, or is")
	text := flag.String("send", "", "be the client: send this `TEXT`")
	flag.Parse()
	if *text != "" {
		if err := send(context.Background(), "ws://"+*addr+"/ws", note{From: "Go", Text: *text}); err != nil {
			log.Fatal(err)
		}
		return
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("open http://%s/\n", ln.Addr())
	server := &http.Server{Handler: newService(), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	log.Fatal(server.Serve(ln))
}
