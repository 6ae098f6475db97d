package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// This file is the server's end: Upgrader turns an HTTP request into a Conn. The rules of the handshake are in
// handshake.go, the broadcast server on top is in hub.go. RFC 6455, section 4.2.

// DefaultUpgradeTimeout is how long writing the answer to a handshake may take.
const DefaultUpgradeTimeout = 10 * time.Second

// An Upgrader answers opening handshakes and keeps a register of the connections that came of them, so that they can be
// shut down. The zero value is ready: same origin, no subprotocols, default limits. Its fields must not be changed
// after first use; its methods may be called by any number of goroutines.
//
// It cannot set the limits of the HTTP request itself: set ReadHeaderTimeout and MaxHeaderBytes of the [http.Server].
type Upgrader struct {
	// Origins are the web origins that may connect besides the server's own host. See [CheckOriginPattern] for how they
	// are written; "*" allows all but the origin "null". A request without an Origin header does not come from a
	// browser's page and is allowed.
	Origins []string
	// CheckOrigin, if set, decides instead of Origins.
	CheckOrigin func(r *http.Request) bool
	// Subprotocols are those that the server speaks. The first of the client's that is among them is agreed on. RFC
	// 6455, section 1.9.
	Subprotocols []string
	// Compression, if set, agrees to permessage-deflate with clients that offer it. RFC 7692.
	Compression *Compression

	ReadLimit        int64         // bytes of a message received; 0: DefaultReadLimit; negative: none
	WriteTimeout     time.Duration // for the peer to take what is written; 0: DefaultWriteTimeout; negative: none
	CloseTimeout     time.Duration // for the closing handshake; 0 or negative: DefaultCloseTimeout
	HandshakeTimeout time.Duration // for writing the answer; 0: DefaultUpgradeTimeout; negative: none
	Keepalive        Keepalive     // on by default

	// Error, if set, answers requests that are refused. It has to send err.Status, and err.Header with it; err.Reason
	// is safe to send. By default they are answered with that and the reason as plain text.
	Error func(w http.ResponseWriter, r *http.Request, err *HandshakeError)

	mu        sync.Mutex
	conns     map[*Conn]struct{}
	shared    *settings // of the latest connections
	shutdown  bool
	upgrading sync.WaitGroup // handshakes that were begun before shutdown
}

// Upgrade answers the handshake in r and returns the connection. header is added to the answer; it must not contain
// what the handshake itself sets, and nothing may have been written to w before. If the request is refused it has been
// answered, and the error is a [*HandshakeError].
//
// The connection is taken from the [http.Server] (hijacked): the handler may return, r.Context() no longer tells when
// the peer leaves, and Server.Shutdown does not wait for it; see [Upgrader.Shutdown]. Middleware is passed by its
// Unwrap method.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	c, err := u.upgrade(w, r, header)
	if err == nil {
		return c, nil
	}
	if err.Status != 0 { // else the connection is lost, and there is nobody to answer
		u.refuse(w, r, err)
	}
	return nil, err
}

// Handler is a http.Handler that upgrades requests and serves the connections. For each it calls open, which returns
// who is told what arrives, nil for nobody; r is valid during that call only. Then the connection is served on a
// goroutine of its own, while that of net/http, and its buffers, are released. A panic in the Handler ends its
// connection only, and is given to Closed as a [*PanicError].
func (u *Upgrader) Handler(open func(c *Conn, r *http.Request) Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		opened := false
		defer func() {
			if !opened { // open panicked, which is net/http's to report
				c.CloseNow()
			}
		}()
		h := open(c, r)
		opened = true
		if h == nil {
			h = HandlerFuncs{}
		}
		startErr := c.startReading()
		if startErr == nil {
			c.startWait()
		}
		go c.serveDetached(h, startErr)
	})
}

// Shutdown refuses further handshakes with status 503, says goodbye to all connections with code 1001, and waits for
// their closing handshakes. When ctx ends first it cuts what is left and returns ctx's error. [http.Server.Shutdown]
// does not know connections that were upgraded: call both, or hand this one to RegisterOnShutdown. A Handler's callback
// must not call it: one of those closing handshakes waits for the callback to return.
func (u *Upgrader) Shutdown(ctx context.Context) error {
	for _, c := range u.stop() {
		go c.goAway()
	}
	err := u.waitUpgrading(ctx) // what comes of these handshakes says goodbye by itself
	if left := waitEnd(ctx, u.stop()); left != nil {
		err = left
	}
	return err
}

// goAway says goodbye on behalf of Shutdown.
func (c *Conn) goAway() { c.CloseWith(CloseGoingAway, "the server is shutting down") }

// stop refuses further handshakes and returns the connections there are.
func (u *Upgrader) stop() []*Conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.shutdown = true
	return slices.Collect(maps.Keys(u.conns))
}

// waitUpgrading waits for the handshakes that are under way. After stop there will be no more.
func (u *Upgrader) waitUpgrading(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.upgrading.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin reports whether a handshake may begin, and if so has Shutdown wait for upgrading.Done.
func (u *Upgrader) begin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.shutdown {
		u.upgrading.Add(1)
	}
	return !u.shutdown
}

// register adds c. It reports whether the Upgrader was shut down meanwhile.
func (u *Upgrader) register(c *Conn) (shutdown bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conns == nil {
		u.conns = make(map[*Conn]struct{})
	}
	u.conns[c] = struct{}{}
	return u.shutdown
}

// share returns s in memory that connections share which agreed on the same one after the other.
func (u *Upgrader) share(s settings) *settings {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.shared == nil || *u.shared != s {
		latest := s // so that only here it takes memory
		u.shared = &latest
	}
	return u.shared
}

func (u *Upgrader) deregister(c *Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, c)
}

// upgrade checks the request, takes the connection and answers.
func (u *Upgrader) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, *HandshakeError) {
	if !u.begin() {
		return nil, refuse("shutdown", http.StatusServiceUnavailable, "the server is shutting down; connect again later")
	}
	defer u.upgrading.Done()
	key, err := checkRequest(r.Method, r.ProtoMajor, r.ProtoMinor, r.Header, hasBody(r))
	if err != nil {
		return nil, err
	}
	if err := u.checkOrigin(r); err != nil {
		return nil, err
	}
	if err := checkAnswerHeader(header); err != nil {
		return nil, err
	}
	if mistake := u.Compression.check(); mistake != "" {
		return nil, refuse("compression", http.StatusInternalServerError, "%s", mistake)
	}
	subprotocol := selectSubprotocol(r.Header, u.Subprotocols)
	offers, _ := parseExtensions(r.Header[headerExtensions]) // checkRequest has judged the list
	agreed := acceptDeflate(offers, u.Compression)
	answer := appendAnswer(make([]byte, 0, usualAnswer), key, subprotocol, agreed.answer, header)

	nc, buffered, err := hijack(w)
	if err != nil {
		return nil, err
	}
	if err := u.writeAnswer(nc, answer); err != nil {
		nc.Close()
		return nil, err
	}
	c := newConn(nc, serverRole, connConfig{
		readLimit:    u.ReadLimit,
		writeTimeout: u.WriteTimeout,
		closeTimeout: u.CloseTimeout,
		keepalive:    u.Keepalive,
		subprotocol:  subprotocol,
		deflate:      agreed,
		register:     u,
	}, peekAll(buffered))
	releaseReader(buffered, nc)
	if u.register(c) {
		go c.goAway()
	}
	return c, nil
}

// checkOrigin asks who decides on origins. RFC 6455, sections 4.2.2 (item 4) and 10.2.
func (u *Upgrader) checkOrigin(r *http.Request) *HandshakeError {
	if u.CheckOrigin == nil {
		return checkOrigin(r.Header.Values("Origin"), r.Host, u.Origins)
	}
	// Two Origin fields that differ are refused whoever decides: the application could look at one of them only.
	if origins := r.Header.Values("Origin"); len(origins) > 1 {
		if _, err := soleOrigin(origins); err != nil {
			return err
		}
	}
	if u.CheckOrigin(r) {
		return nil
	}
	return refuse("origin", http.StatusForbidden, "origin %s is not allowed (CheckOrigin)", quote(r.Header.Get("Origin")))
}

// refuse answers a request that is no handshake we accept.
func (u *Upgrader) refuse(w http.ResponseWriter, r *http.Request, err *HandshakeError) {
	if u.Error != nil {
		u.Error(w, r, err)
		return
	}
	for name, values := range err.Header {
		w.Header()[name] = values
	}
	http.Error(w, err.Reason, err.Status)
}

// ownAnswerHeaders are what only the handshake itself may set.
var ownAnswerHeaders = []string{
	"Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Trailer",
	headerAccept, headerExtensions, headerProtocol, headerVersion, headerKey,
}

// checkAnswerHeader judges what the application wants to add to the answer.
func checkAnswerHeader(h http.Header) *HandshakeError {
	for name, values := range h {
		for _, own := range ownAnswerHeaders {
			if strings.EqualFold(name, own) {
				return refuse("header", http.StatusInternalServerError,
					"the application may not set %s in the answer (subprotocols: Upgrader.Subprotocols)", own)
			}
		}
		if !isToken(name) {
			return refuse("header", http.StatusInternalServerError, "the application set a header with the invalid name %s", quote(name))
		}
		for _, v := range values {
			if !isFieldValue(v) {
				return refuse("header", http.StatusInternalServerError, "the application set header %s with a line break or another control character in it", quote(name))
			}
		}
	}
	return nil
}

// usualAnswer is how many bytes an answer has room for before its memory has to grow.
const usualAnswer = 256

// appendAnswer appends the answer that accepts a handshake. RFC 6455, section 4.2.2, item 5.
func appendAnswer(b []byte, key, subprotocol, extension string, header http.Header) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = appendAcceptKey(b, key)
	b = append(b, "\r\n"...)
	if subprotocol != "" {
		b = appendField(b, "Sec-WebSocket-Protocol", subprotocol)
	}
	if extension != "" {
		b = appendField(b, "Sec-WebSocket-Extensions", extension)
	}
	for name, values := range header {
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	return append(b, "\r\n"...)
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// writeAnswer sends the answer under a deadline.
func (u *Upgrader) writeAnswer(nc net.Conn, answer []byte) *HandshakeError {
	if limit := option(u.HandshakeTimeout, DefaultUpgradeTimeout); limit > 0 {
		nc.SetWriteDeadline(time.Now().Add(limit))
		defer nc.SetWriteDeadline(time.Time{})
	}
	if _, err := nc.Write(answer); err != nil {
		return &HandshakeError{Check: "answer", Reason: "the answer could not be sent", Err: err}
	}
	return nil
}

// hijack takes the connection from net/http, past middleware that has an Unwrap method. If it cannot the error names
// the type that is in the way. Where Unwrap leads to a type without Hijack nobody's Hijack is asked: that of gin would
// note that it has answered, and then panic.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.Reader, *HandshakeError) {
	if last := innermost(w); !isHijacker(last) {
		return nil, nil, refuse("hijack", http.StatusInternalServerError,
			"%T hides the connection: it has neither Hijack nor Unwrap; take that middleware out of the way of WebSocket requests", last)
	}
	nc, rw, err := tryHijack(w)
	if err == nil {
		return nc, rw.Reader, nil
	}
	e := refuse("hijack", http.StatusInternalServerError,
		"the connection cannot be taken from net/http: the Hijack of %T fails", outermostHijacker(w))
	e.Err = err
	return nil, nil, e
}

// tryHijack calls Hijack. Middleware may have one that takes it for granted that what it wraps has one too, and panics.
func tryHijack(w http.ResponseWriter) (nc net.Conn, rw *bufio.ReadWriter, err error) {
	defer func() {
		if p := recover(); p != nil {
			assertion, ok := p.(*runtime.TypeAssertionError)
			if !ok {
				panic(p)
			}
			err = assertion
		}
	}()
	return http.NewResponseController(w).Hijack()
}

func isHijacker(w http.ResponseWriter) bool {
	_, ok := w.(http.Hijacker)
	return ok
}

// outermostHijacker follows Unwrap to the first http.ResponseWriter that has a Hijack. There is one: the innermost.
func outermostHijacker(w http.ResponseWriter) http.ResponseWriter {
	for !isHijacker(w) {
		w = w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
	}
	return w
}

// innermost follows Unwrap to the last http.ResponseWriter that can be reached.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// peekAll returns what r holds. It is valid until r is read.
func peekAll(r *bufio.Reader) []byte {
	p, _ := r.Peek(r.Buffered())
	return p
}

// releaseReader takes the memory of r away, which net/http would keep for as long as its handler runs. r is ours since
// the connection was taken; it remains a reader of nc. A net.Conn of somebody else's may read through r itself.
func releaseReader(r *bufio.Reader, nc net.Conn) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn, *tls.Conn:
		*r = *bufio.NewReaderSize(nc, 0)
	}
}
