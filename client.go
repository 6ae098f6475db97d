package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// The client's end of the opening handshake. A Dial has four stages, one function each: connect, secure (TLS), send the
// request (clientreq.go), judge the answer (clientres.go, handshake.go). One context bounds them all, and whatever
// stage it ends in, the socket is closed before Dial returns.

// Defaults of a [Dialer].
const (
	DefaultHandshakeTimeout = 30 * time.Second
	DefaultMaxHeaderBytes   = 64 << 10
)

// A Dialer opens connections as a client. Its zero value is ready for use. It may be used by any number of goroutines
// at the same time, as long as nobody changes it.
//
// In every option 0 means the default and a negative value means off.
type Dialer struct {
	// TLSConfig is used for wss; nil is the zero configuration. It is not changed. ServerName is the URL's host unless
	// it is set. The only application protocol (ALPN) that is offered is http/1.1; a list in NextProtos that does not
	// name it is an error.
	TLSConfig *tls.Config

	// DialContext makes the connection to the server, in place of a zero [net.Dialer]. network is "tcp" or "unix", addr
	// is host:port or the path of the socket. It has to return when ctx ends. For wss, TLS is added to what it returns.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Subprotocols are offered to the server, the preferred one first; [Conn.Subprotocol] is the one it chose, if any.
	// RFC 6455, section 1.9.
	Subprotocols []string

	// ReadLimit is the size of the longest message that is read, in bytes. The default is [DefaultReadLimit].
	ReadLimit int64

	// WriteTimeout is how long the peer may take nothing of what is written. The default is [DefaultWriteTimeout].
	WriteTimeout time.Duration

	// CloseTimeout bounds the closing handshake. The default is [DefaultCloseTimeout], which a negative value means as
	// well.
	CloseTimeout time.Duration

	// HandshakeTimeout bounds a whole Dial: looking up the name, connecting, TLS, the request and its answer. The
	// context can end it earlier. The default is [DefaultHandshakeTimeout].
	HandshakeTimeout time.Duration

	// MaxHeaderBytes is how long the header of the server's answer may be. The default is [DefaultMaxHeaderBytes].
	MaxHeaderBytes int

	// Keepalive looks after the connection. It is off by default.
	Keepalive Keepalive
}

// Dial opens a connection to url with a zero [Dialer] and nothing added to the request. See [Dialer.Dial].
func Dial(ctx context.Context, url string) (*Conn, error) {
	c, _, err := new(Dialer).Dial(ctx, url, nil)
	return c, err
}

// Dial opens a connection to url. RFC 6455, sections 3 and 4.1.
//
// The URL is one of
//
//	ws://host/path?query                      port 80 unless it has one
//	wss://host/path?query                     over TLS, port 443 unless it has one
//	ws+unix:/run/app.sock:/path?query         over a Unix socket
//	wss+unix://host/run/app.sock:/path?query  with a host for Host and TLS; localhost unless it has one
//
// and http, https mean ws, wss. Of a Unix URL's path the part before the first colon is the socket, a colon in it is
// written %3A; what is behind is the path of the request, / if there is none. A user and password in the URL are sent
// as basic authentication, unless header has an Authorization. A fragment is an error.
//
// header is added to the request. It may hold whatever the handshake does not own (Upgrade, Connection,
// Sec-WebSocket-*, and the fields of a body). A Host in it is sent in place of the URL's. No Origin and no User-Agent
// are sent but what is in header. Dial does not change it.
//
// ctx and HandshakeTimeout bound the whole of Dial; the connection that it returns does not depend on ctx any more. If
// either passes, at any stage, no socket and no goroutine is left.
//
// The response is the server's answer, nil if none arrived; there is one with most errors too. Its body is in memory,
// holds at most 4 KiB, and need not be closed. Redirects are not followed: they are errors, and say where to.
//
// A mistake in the arguments or in the Dialer is an error of no certain type. Everything later is a [*HandshakeError]:
// it unwraps to the error of the network, to that of ctx, or to one that is [os.ErrDeadlineExceeded] if
// HandshakeTimeout has passed.
func (d *Dialer) Dial(ctx context.Context, url string, header http.Header) (*Conn, *http.Response, error) {
	t, err := parseTarget(url)
	if err != nil {
		return nil, nil, err
	}
	tlsConfig, err := d.tlsConfig(t)
	if err != nil {
		return nil, nil, err
	}
	req, err := newUpgradeRequest(t, header, d.Subprotocols, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()

	// The nil of a *HandshakeError must not become an error that is not nil.
	c, res, herr := d.dial(ctx, t, tlsConfig, req)
	if herr != nil {
		return nil, res, herr
	}
	return c, res, nil
}

// bound adds HandshakeTimeout to ctx.
func (d *Dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := option(d.HandshakeTimeout, DefaultHandshakeTimeout)
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit,
		&timeoutError{fmt.Sprintf("the opening handshake took longer than %v, the limit set by HandshakeTimeout", limit)})
}

// dial goes through the four stages.
func (d *Dialer) dial(ctx context.Context, t *target, tlsConfig *tls.Config, req *upgradeRequest) (*Conn, *http.Response, *HandshakeError) {
	raw, herr := d.connect(ctx, t)
	if herr != nil {
		return nil, nil, herr
	}
	// When ctx ends the socket is closed, and with it ends whatever waits for it. Closing works with every net.Conn,
	// deadlines do not.
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		raw.Close()
	})
	nc, answer, herr := d.shake(ctx, raw, t, tlsConfig, req)
	if herr != nil {
		// TLS says goodbye in Close; ctx still bounds that.
		nc.Close()
	}
	if !stop() {
		<-cut
		if herr == nil {
			herr = failStage(ctx, "response", "the handshake was complete just when time was up", nil)
		}
	}
	if herr != nil {
		return nil, answer.res, herr
	}
	return newConn(nc, clientRole, connConfig{
		readLimit:    d.ReadLimit,
		writeTimeout: d.WriteTimeout,
		closeTimeout: d.CloseTimeout,
		keepalive:    d.Keepalive,
		subprotocol:  answer.subprotocol,
	}, answer.leftover), answer.res, nil
}

// connect makes the connection to the server, without TLS.
func (d *Dialer) connect(ctx context.Context, t *target) (net.Conn, *HandshakeError) {
	dial := d.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, t.network, t.addr)
	if err == nil && nc == nil {
		err = errors.New("DialContext returned neither a connection nor an error")
	}
	if err != nil {
		return nil, failStage(ctx, "connect", "no connection to "+quote(t.addr), err)
	}
	return nc, nil
}

// shake does all that comes once there is a connection. It returns the connection for what follows, also with an error.
func (d *Dialer) shake(ctx context.Context, raw net.Conn, t *target, tlsConfig *tls.Config, req *upgradeRequest) (nc net.Conn, a answer, err *HandshakeError) {
	nc = raw
	if t.secure {
		if nc, err = secure(ctx, raw, tlsConfig); err != nil {
			return nc, a, err
		}
	}
	if _, werr := nc.Write(req.head); werr != nil {
		return nc, a, failStage(ctx, "request", "the request could not be sent", werr)
	}
	a, err = readAnswer(ctx, nc, req, d.maxHeaderBytes())
	return nc, a, err
}

func (d *Dialer) maxHeaderBytes() int64 {
	return option(int64(d.MaxHeaderBytes), DefaultMaxHeaderBytes)
}

// tlsConfig returns the configuration for t, nil if it needs none.
func (d *Dialer) tlsConfig(t *target) (*tls.Config, error) {
	if !t.secure {
		return nil, nil
	}
	c := d.TLSConfig.Clone() // nil for nil
	if c == nil {
		c = new(tls.Config)
	}
	if c.ServerName == "" {
		c.ServerName = t.serverName
	}
	// RFC 9113, section 8.6: over HTTP/2 there would be no Upgrade.
	const http1 = "http/1.1"
	if len(c.NextProtos) > 0 && !slices.Contains(c.NextProtos, http1) {
		return nil, fmt.Errorf("websocket: TLSConfig.NextProtos is %q; the handshake needs %s: add it, or leave the list empty", c.NextProtos, http1)
	}
	c.NextProtos = []string{http1}
	return c, nil
}

// secure does the TLS handshake over raw. It returns the connection also with an error.
func secure(ctx context.Context, raw net.Conn, c *tls.Config) (net.Conn, *HandshakeError) {
	nc := tls.Client(raw, c)
	err := nc.HandshakeContext(ctx)
	if err == nil {
		return nc, nil
	}
	reason := "the TLS handshake failed"
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		reason = "the server does not speak TLS on this port, where the URL must have the scheme ws"
	}
	return nc, failStage(ctx, "tls", reason, err)
}

// failStage makes the error for a stage that did not come to its end. If time was up the error beneath says so, instead
// of what the closed socket said.
func failStage(ctx context.Context, check, reason string, err error) *HandshakeError {
	// A dialer sets the deadline of ctx for itself, and can be the first to notice that it has passed.
	var timeout interface{ Timeout() bool }
	if deadline, ok := ctx.Deadline(); ok && errors.As(err, &timeout) && timeout.Timeout() && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		err = whyDone(ctx)
	}
	return &HandshakeError{Check: check, Reason: reason, Err: err}
}

// whyDone returns why ctx ended: HandshakeTimeout, or the caller's context.
func whyDone(ctx context.Context) error {
	var ours *timeoutError
	if cause := context.Cause(ctx); errors.As(cause, &ours) {
		return ours
	}
	return &contextError{"the context of Dial gave up", ctx.Err()}
}
