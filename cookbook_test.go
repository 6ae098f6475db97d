package websocket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hawser.example/websocket"
)

// The recipes of docs/COOKBOOK.md. The blocks of Go on that page are cut out of this file; a test compares them.

// tryDial returns the status of an opening handshake with header, and the body of a refusal.
func tryDial(url string, header http.Header) (status int, body string) {
	c, _, err := new(websocket.Dialer).Dial(context.Background(), url, header)
	if err == nil {
		c.Close()
		return http.StatusSwitchingProtocols, ""
	}
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) {
		log.Fatal(err)
	}
	return refused.Status, string(refused.Body)
}

// Who may connect is decided while it is still HTTP: a refusal is an ordinary response.
func Example_authBeforeUpgrade() {
	sessions := map[string]string{"s3cret": "anna"}
	var upgrader websocket.Upgrader
	handler := func(w http.ResponseWriter, r *http.Request) {
		var user string
		if cookie, err := r.Cookie("session"); err == nil {
			user = sessions[cookie.Value]
		}
		if user == "" {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		c.WriteMessage(websocket.TextMessage, []byte("hello "+user))
	}
	url, stop := startServer(http.HandlerFunc(handler))
	defer stop()

	fmt.Println(tryDial(url, nil))
	fmt.Println(tryDial(url, http.Header{"Cookie": {"session=guessed"}}))
	c, _, err := new(websocket.Dialer).Dial(context.Background(), url, http.Header{"Cookie": {"session=s3cret"}})
	if err != nil {
		log.Fatal(err)
	}
	_, p, err := c.ReadMessage()
	fmt.Println(string(p), err)
	// Output:
	// 401 log in first
	//
	// 401 log in first
	//
	// hello anna <nil>
}

// Pages of which sites may connect. The server's own host may, and so may what is no page and sends no Origin.
func Example_originList() {
	upgrader := websocket.Upgrader{Origins: []string{"https://app.example.com", "https://*.example.org", "localhost:*"}}
	for _, pattern := range upgrader.Origins {
		if err := websocket.CheckOriginPattern(pattern); err != nil {
			log.Fatal(err) // when the server starts, not at the first handshake
		}
	}
	url, stop := startServer(upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return nil }))
	defer stop()

	for _, origin := range []string{
		"https://app.example.com",
		"http://app.example.com", // another scheme
		"https://en.example.org",
		"https://example.org", // not a subdomain
		"http://localhost:5173",
		"https://app.example.com.evil.example",
		"null",
		strings.Replace(url, "ws://", "http://", 1), // the server itself
	} {
		status, _ := tryDial(url, http.Header{"Origin": {origin}})
		fmt.Println(status, strings.Replace(origin, url[len("ws://"):], "(the server)", 1))
	}
	status, _ := tryDial(url, nil)
	fmt.Println(status, "(no Origin)")
	// Output:
	// 101 https://app.example.com
	// 403 http://app.example.com
	// 101 https://en.example.org
	// 403 https://example.org
	// 101 http://localhost:5173
	// 403 https://app.example.com.evil.example
	// 403 null
	// 101 http://(the server)
	// 101 (no Origin)
}

// Client and server agree on one of the protocols that the client offers, in its order of preference.
func Example_subprotocols() {
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat.v1", "chat.v2"}}
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		switch c.Subprotocol() {
		case "chat.v2":
			c.WriteJSON(map[string]string{"text": "hello"})
			c.Close()
		case "chat.v1":
			c.WriteMessage(websocket.TextMessage, []byte("hello"))
			c.Close()
		default: // the client offered none, or none of these
			c.CloseWith(websocket.ClosePolicyViolation, "offer chat.v1 or chat.v2")
		}
	}
	url, stop := startServer(http.HandlerFunc(handler))
	defer stop()

	for _, offer := range [][]string{{"chat.v2", "chat.v1"}, {"chat.v3", "chat.v1"}, nil} {
		d := websocket.Dialer{Subprotocols: offer}
		c, _, err := d.Dial(context.Background(), url, nil)
		if err != nil {
			log.Fatal(err)
		}
		_, p, err := c.ReadMessage()
		fmt.Printf("%q %q %v\n", c.Subprotocol(), p, err)
		c.Close()
	}
	// Output:
	// "chat.v2" "{\"text\":\"hello\"}" <nil>
	// "chat.v1" "hello" <nil>
	// "" "" websocket: the peer closed the connection with code 1008 (policy violation): "offer chat.v1 or chat.v2"
}

// An rpcMessage is a call or the answer to one: the part of JSON-RPC 2.0 with numbers as ids, without notifications and
// batches.
type rpcMessage struct {
	Version string          `json:"jsonrpc"`
	ID      uint64          `json:"id"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// rpcMethods are what a server can be asked for.
type rpcMethods map[string]func(params json.RawMessage) (any, error)

// serve answers calls, several at a time and in the order in which they are done. When all slots are taken it reads no
// further, which the caller notices as a peer that is slow.
func (m rpcMethods) serve(c *websocket.Conn) error {
	defer c.Close() // nobody reads any more: nothing else would end it
	slots := make(chan struct{}, 16)
	for {
		var call rpcMessage
		if err := c.ReadJSON(&call); err != nil {
			return err
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			c.WriteJSON(m.answer(call)) // any number of goroutines may write
		}()
	}
}

func (m rpcMethods) answer(call rpcMessage) rpcMessage {
	answer := rpcMessage{Version: "2.0", ID: call.ID}
	method, known := m[call.Method]
	if !known {
		answer.Error = &rpcError{-32601, "method not found"}
		return answer
	}
	result, err := method(call.Params)
	if err == nil {
		answer.Result, err = json.Marshal(result)
	}
	if err != nil {
		answer.Error = &rpcError{-32000, err.Error()}
	}
	return answer
}

// An rpcClient calls; any number of goroutines may use it.
type rpcClient struct {
	c       *websocket.Conn
	mu      sync.Mutex
	lastID  uint64
	waiting map[uint64]chan rpcMessage
}

// run reads answers and hands them to the calls that wait. It returns why the connection ended.
func (p *rpcClient) run() error {
	for {
		var answer rpcMessage
		if err := p.c.ReadJSON(&answer); err != nil {
			return err
		}
		p.mu.Lock()
		if waiting := p.waiting[answer.ID]; waiting != nil {
			waiting <- answer // has room
			delete(p.waiting, answer.ID)
		}
		p.mu.Unlock()
	}
}

func (p *rpcClient) call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	encoded, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.lastID++
	id, answered := p.lastID, make(chan rpcMessage, 1)
	p.waiting[id] = answered
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, id)
	}()
	if err := p.c.WriteJSON(rpcMessage{Version: "2.0", ID: id, Method: method, Params: encoded}); err != nil {
		return nil, err
	}
	select {
	case answer := <-answered:
		if answer.Error != nil {
			return nil, answer.Error
		}
		return answer.Result, nil
	case <-p.c.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Calls and answers over one connection. A slow call does not hold up the ones behind it.
func Example_jsonRPC() {
	begun, added := make(chan bool), make(chan bool)
	methods := rpcMethods{
		"slow": func(json.RawMessage) (any, error) {
			begun <- true
			<-added
			return "slow, but here", nil
		},
		"add": func(params json.RawMessage) (any, error) {
			var terms []int
			if err := json.Unmarshal(params, &terms); err != nil {
				return nil, errors.New("add wants numbers")
			}
			sum := 0
			for _, n := range terms {
				sum += n
			}
			return sum, nil
		},
	}
	server, conn := websocket.Pipe(nil)
	go methods.serve(server)
	client := &rpcClient{c: conn, waiting: make(map[uint64]chan rpcMessage)}
	go client.run()
	defer conn.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	call := func(method string, params any) {
		result, err := client.call(ctx, method, params)
		fmt.Println(method, string(result), err)
	}
	done := make(chan bool)
	go func() {
		call("slow", nil)
		close(done)
	}()
	<-begun
	call("add", []int{1, 2, 3})
	call("add", "one")
	call("subtract", nil)
	close(added)
	<-done
	// Output:
	// add 6 <nil>
	// add  add wants numbers (-32000)
	// subtract  method not found (-32601)
	// slow "slow, but here" <nil>
}

// sendFile sends a file as one message, without ever having the whole of it in memory.
func sendFile(c *websocket.Conn, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := c.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		// The message is not closed: the receiver must not take a part for the whole.
		c.CloseWith(websocket.CloseInternalError, "the file could not be read to its end")
		return err
	}
	return w.Close()
}

// receiveFile writes the next message to a file in dir. An error removes what has arrived.
func receiveFile(c *websocket.Conn, dir string) (path string, err error) {
	_, r, err := c.NextReader()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, "received-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, r) // ends without an error at the end of the message only
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// A file of any size as one message.
func Example_streamFile() {
	dir, err := os.MkdirTemp("", "cookbook")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	content := make([]byte, 3<<20)
	rand.Read(content)
	original := filepath.Join(dir, "original")
	if err := os.WriteFile(original, content, 0o600); err != nil {
		log.Fatal(err)
	}

	server, client := websocket.Pipe(&websocket.PipeOptions{
		Server: websocket.PipeSide{ReadLimit: 1 << 30}, // in an Upgrader: for the path that takes files
	})
	sent := make(chan error, 1)
	go func() { sent <- sendFile(client, original) }()
	path, err := receiveFile(server, dir)
	fmt.Println(<-sent, err)
	received, err := os.ReadFile(path)
	fmt.Println(len(received), sha256.Sum256(received) == sha256.Sum256(content), err)

	// A file that cannot be read arrives as an error, not as a short file.
	go func() { sent <- sendFile(client, dir) }()
	_, err = receiveFile(server, dir)
	fmt.Println(err)
	fmt.Println(<-sent != nil)
	// Output:
	// <nil> <nil>
	// 3145728 true <nil>
	// websocket: the peer closed the connection with code 1011 (internal error): "the file could not be read to its end"
	// true
}

// newChat returns a chat room: everybody gets what anybody says.
func newChat() http.Handler {
	var (
		upgrader = &websocket.Upgrader{ReadLimit: 4 << 10}
		room     = new(websocket.Hub)
	)
	return upgrader.Handler(func(c *websocket.Conn, r *http.Request) websocket.Handler {
		name := r.URL.Query().Get("name") // a real service knows who it is: see authBeforeUpgrade
		say := func(words string) { room.Publish("room", websocket.TextMessage, []byte(name+words)) }
		room.Subscribe(c, "room")
		say(" came in")
		return websocket.HandlerFuncs{
			OnMessage: func(_ *websocket.Conn, _ websocket.MessageType, p []byte) { say(": " + string(p)) },
			OnClosed:  func(*websocket.Conn, error) { say(" has left") },
		}
	})
}

// A chat room is a Hub with one topic. Publish waits for nobody, so one slow guest holds up no other.
func Example_chatRoom() {
	url, stop := startServer(newChat())
	defer stop()
	hear := func(c *websocket.Conn) {
		_, p, err := c.ReadMessage()
		fmt.Println(string(p), err)
	}

	anna := dial(url + "?name=anna")
	defer anna.Close()
	hear(anna)
	ben := dial(url + "?name=ben")
	hear(anna)
	hear(ben)
	ben.WriteMessage(websocket.TextMessage, []byte("hello"))
	hear(anna)
	ben.Close()
	hear(anna)
	// Output:
	// anna came in <nil>
	// ben came in <nil>
	// ben came in <nil>
	// ben: hello <nil>
	// ben has left <nil>
}

// What happens to a subscriber that reads more slowly than is published is the Hub's Overflow.
func Example_slowSubscriber() {
	for _, overflow := range []websocket.Overflow{websocket.OverflowLatest, websocket.OverflowClose} {
		prices := websocket.Hub{QueueLimit: 16 << 10, Overflow: overflow}
		server, client := websocket.Pipe(nil)
		prices.Subscribe(server, "prices")
		server.Drain()

		price := make([]byte, 1<<10)
		for i := range 1000 { // more than the connection and the queue hold; none of it waits
			copy(price, fmt.Sprintf("%3d", i))
			prices.Publish("prices", websocket.BinaryMessage, price)
		}
		var last []byte // a client that comes to read only now
		for !bytes.HasPrefix(last, []byte("999")) {
			_, p, err := client.ReadMessage()
			if err != nil {
				fmt.Println(err)
				break
			}
			last = p[:3]
		}
		fmt.Printf("has the newest: %t, dropped some: %t\n", string(last) == "999", prices.Stats().Dropped > 0)
		client.CloseNow()
		server.CloseNow()
	}
	// Output:
	// has the newest: true, dropped some: true
	// websocket: the peer closed the connection with code 1013 (try again later): "too slow: messages were dropped"
	// has the newest: false, dropped some: true
}

// A direct write waits for a peer that is slow, and gives up when the peer has taken nothing for WriteTimeout.
func Example_slowPeer() {
	server, client := websocket.Pipe(&websocket.PipeOptions{
		Server: websocket.PipeSide{WriteTimeout: 50 * time.Millisecond}, // in an Upgrader: 10 s unless it is set
	})
	defer client.CloseNow()
	var err error
	for err == nil { // the client reads nothing
		err = server.WriteMessage(websocket.BinaryMessage, make([]byte, 32<<10))
	}
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	fmt.Println(err)
	// Output:
	// true
	// websocket: the peer did not take what was written, up to 64 KiB, within 50ms, the limit set by WriteTimeout
}

// A restartable is a service that can be stopped without losing what it accepted.
type restartable struct {
	upgrader websocket.Upgrader
	hub      websocket.Hub
	server   http.Server
}

func newRestartable() *restartable {
	s := new(restartable)
	mux := http.NewServeMux()
	mux.Handle("GET /news", s.upgrader.Handler(func(c *websocket.Conn, _ *http.Request) websocket.Handler {
		s.hub.Subscribe(c, "news")
		c.WriteMessage(websocket.TextMessage, []byte("welcome"))
		return nil
	}))
	mux.Handle("GET /echo", s.upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		return websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) {
			c.WriteMessage(t, p)
		}}
	}))
	s.server = http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	return s
}

// shutdown ends the service within the time that ctx leaves.
func (s *restartable) shutdown(ctx context.Context) error {
	requests := make(chan error, 1) // beside the others: a request that takes long must not use up their time
	go func() { requests <- s.server.Shutdown(ctx) }()
	return errors.Join(
		s.hub.Shutdown(ctx),      // subscribers: what is queued for them, then 1012, spread over DrainTime
		s.upgrader.Shutdown(ctx), // all other connections: 1001
		<-requests,               // no new connections; requests that were under way have been answered
	)
}

// Stopping for a restart: in main it follows signal.NotifyContext.
func Example_gracefulRestart() {
	s := newRestartable()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.server.Serve(ln)
	news, echo := dial("ws://"+ln.Addr().String()+"/news"), dial("ws://"+ln.Addr().String()+"/echo")
	news.ReadMessage() // welcome
	s.hub.Publish("news", websocket.TextMessage, []byte("the last news"))

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.shutdown(ctx) }()
	_, p, err := news.ReadMessage()
	fmt.Println(string(p), err)
	_, _, err = news.ReadMessage()
	fmt.Println(err)
	_, _, err = echo.ReadMessage()
	fmt.Println(err)
	fmt.Println(<-stopped)
	// Output:
	// the last news <nil>
	// websocket: the peer closed the connection with code 1012 (service restart): "the server restarts"
	// websocket: the peer closed the connection with code 1001 (going away): "the server is shutting down"
	// <nil>
}

// A proxy in front has to pass Host on, else every page is of another host than the server. The refusal says so.
func Example_behindNginx() {
	var upgrader websocket.Upgrader
	backend := httptest.NewServer(upgrader.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return nil }))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		log.Fatal(err)
	}

	for _, passesHost := range []bool{true, false} {
		address, stop := startServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if passesHost {
				r.Out.Host = r.In.Host // nginx: proxy_set_header Host $http_host;
			}
		}})
		// What a browser sends when a page of app.example.com connects.
		status, body := tryDial(address, http.Header{"Host": {"app.example.com"}, "Origin": {"http://app.example.com"}})
		fmt.Println(status, strings.Contains(body, "nginx: proxy_set_header Host $http_host"))
		stop()
	}
	// Output:
	// 101 false
	// 403 true
}

// A greeter is code to be tested: the conversation in serve knows nothing of HTTP.
type greeter struct{ upgrader websocket.Upgrader }

func (g *greeter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, err := g.upgrader.Upgrade(w, r, nil); err == nil {
		defer c.Close()
		g.serve(c)
	}
}

func (g *greeter) serve(c *websocket.Conn) error {
	for {
		_, name, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if err := c.WriteMessage(websocket.TextMessage, append([]byte("hello "), name...)); err != nil {
			return err
		}
	}
}

// The conversation is tested in memory, with Pipe; the handshake with net/http/httptest.
func Example_testYourHandler() {
	g := new(greeter)
	server, client := websocket.Pipe(nil)
	ended := make(chan error, 1)
	go func() { ended <- g.serve(server) }()
	client.WriteMessage(websocket.TextMessage, []byte("anna"))
	_, p, err := client.ReadMessage()
	fmt.Println(string(p), err)
	client.NetConn().(interface{ Reset() }).Reset() // as when the network fails
	fmt.Println(errors.Is(<-ended, io.ErrUnexpectedEOF))

	url, stop := startServer(g)
	defer stop()
	status, _ := tryDial(url, http.Header{"Origin": {"https://evil.example"}})
	fmt.Println(status)
	c := dial(url)
	fmt.Println(c.Close())
	// Output:
	// hello anna <nil>
	// true
	// 403
	// <nil>
}
