package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The client's end of the opening handshake. It has four stages, one function each: connect, tunnel (the proxy,
// clientproxy.go, and TLS), exchange the request (clientreq.go) for the answer, which readAnswer judges (clientres.go,
// handshake.go). Dial repeats that for every redirect (clientredirect.go). One context bounds it all, and whatever
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

	// DialContext makes the connection to the server, or to the proxy, in place of a zero [net.Dialer]. network is
	// "tcp" or "unix", addr is host:port or the path of the socket. It has to return when ctx ends. TLS is added to
	// what it returns.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// WrapConn, if set, is given the connection to the server just before the request is sent, with the proxy's tunnel
	// and TLS behind it, and returns what is used in its place: one that looks at what passes through its Read and
	// Write, the opening handshake first and then the frames (see [ParseHeader]). It has to pass on every byte, and
	// deadlines and Close as well; CloseWrite is used if it has one, and NetConn, without which [Conn.CloseNow] over
	// TLS may wait for up to 5 s. It is called for every redirect that leads to a connection of its own. nil, as its
	// result too, is the connection itself.
	WrapConn func(net.Conn) net.Conn

	// Proxy returns the proxy for a request, nil if there is to be none. It is asked before every connection but those
	// to Unix sockets. The URL of the request has the scheme http for ws and https for wss, so the functions of
	// net/http fit. A nil Proxy means none, as in [http.Transport]; [ProxyFromEnvironment] reads the environment.
	//
	// The URL that it returns is one of
	//
	//	http://host:port     an HTTP proxy, port 80 unless it has one; it is asked with CONNECT, for ws too
	//	https://host:port    the same over TLS, port 443 unless it has one
	//	socks5://host:port   a SOCKS5 proxy, port 1080 unless it has one; socks5h means the same
	//
	// A user and password in it are sent to the proxy: as basic authentication, or as RFC 1929 has it for SOCKS5. The
	// proxy looks the server's name up. A Proxy-Authorization in Dial's header is not for the proxy. A Proxy that waits
	// has to return when the request's context ends.
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyTLSConfig is used for the connection to an https proxy, as TLSConfig is for that to the server. Nothing of
	// TLSConfig goes to a proxy, in particular no certificate.
	ProxyTLSConfig *tls.Config

	// Jar keeps cookies, but for Unix sockets without a host in their URL, which have no name to keep them under. Those
	// that it has for the URL are sent with the request, in place of any of the same name in the header, and those of
	// every answer are given to it, the redirects' and refusals' too. It sees http for ws and https for wss, as a
	// browser's does. nil is none.
	Jar http.CookieJar

	// MaxRedirects is how many redirects are followed: 301, 302, 303, 307 and 308. The default is none.
	//
	// A redirect never leads from wss to ws, and to no other scheme than these, http and https. Where it leads to
	// another host or port the credentials in the header (Authorization, Cookie, Proxy-Authorization) and in the URL,
	// a Host in the header, and client certificates, are left out from there on; other fields and Subprotocols, where
	// some put tokens, are not. Going from port 80 to 443 of the same host, as TLS comes
	// in, is not another. The Jar gives each URL its own cookies.
	MaxRedirects int

	// Subprotocols are offered to the server, the preferred one first; [Conn.Subprotocol] is the one it chose, if any.
	// RFC 6455, section 1.9.
	Subprotocols []string

	// Compression, if set, offers permessage-deflate. [Conn.Extension] tells whether the server agreed. RFC 7692.
	Compression *Compression

	// ReadLimit is the size of the longest message that is read, in bytes. The default is [DefaultReadLimit].
	ReadLimit int64

	// WriteTimeout is how long the peer may take nothing of what is written. The default is [DefaultWriteTimeout].
	WriteTimeout time.Duration

	// CloseTimeout bounds the closing handshake. The default is [DefaultCloseTimeout], which a negative value means as
	// well.
	CloseTimeout time.Duration

	// HandshakeTimeout bounds a whole Dial: looking up the name, connecting, the proxy, TLS, the request and its
	// answer, and all that again for every redirect. The context can end it earlier. The default is
	// [DefaultHandshakeTimeout].
	HandshakeTimeout time.Duration

	// MaxHeaderBytes is how long the header of an answer may be, of the server or of a proxy. The default is
	// [DefaultMaxHeaderBytes].
	MaxHeaderBytes int

	// Keepalive looks after the connection. It is off by default.
	Keepalive Keepalive
}

// Dial opens a connection to url with nothing added to the request, through the proxy that the environment names, if
// any: its [Dialer] has [ProxyFromEnvironment] as Proxy and is zero otherwise. See [Dialer.Dial].
func Dial(ctx context.Context, url string) (*Conn, error) {
	c, _, err := (&Dialer{Proxy: ProxyFromEnvironment}).Dial(ctx, url, nil)
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
// either passes, at any stage, no socket and no goroutine is left. A [net/http/httptrace.ClientTrace] in ctx is told
// what happens; with a DialContext, name lookups and connections only if it uses a [net.Dialer].
//
// The response is the server's last answer, nil if none arrived; there is one with most errors too. Its body is in
// memory, holds at most 4 KiB, and need not be closed. Its Request is the one that it answers; if a redirect led there,
// that redirect is the request's Response. Redirects that are not followed are errors, and say where to.
//
// A mistake in the arguments or in the Dialer is an error of no certain type. Everything later is a [*HandshakeError]:
// it unwraps to the error of the network, to that of ctx, or to one that is [os.ErrDeadlineExceeded] if
// HandshakeTimeout has passed.
func (d *Dialer) Dial(ctx context.Context, url string, header http.Header) (*Conn, *http.Response, error) {
	t, err := parseTarget(url)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	trip := &trip{t: t, header: header, left: d.MaxRedirects}
	for {
		c, res, err := d.handshake(ctx, trip)
		if err == nil || !trip.redirected(res, err) {
			return c, res, err
		}
		if herr := trip.follow(ctx, res); herr != nil {
			return nil, res, herr
		}
	}
}

// handshake does one opening handshake, at the present place of trip.
func (d *Dialer) handshake(ctx context.Context, trip *trip) (*Conn, *http.Response, error) {
	t := trip.t
	tlsConfig, err := d.tlsConfig(t)
	if err != nil {
		return nil, nil, err
	}
	if trip.foreign && tlsConfig != nil {
		// A client's certificate is a credential too.
		tlsConfig = tlsConfig.Clone()
		tlsConfig.Certificates, tlsConfig.GetClientCertificate = nil, nil
	}
	header, cookieURL := d.addCookies(t, trip.header)
	req, err := newUpgradeRequest(t, header, d.Subprotocols, d.Compression, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if herr := trip.repeats(req); herr != nil {
		return nil, trip.response, herr
	}
	req.request.Response = trip.response
	// The nil of a *HandshakeError must not become an error that is not nil.
	c, res, herr := d.dial(ctx, t, tlsConfig, req)
	d.keepCookies(cookieURL, res)
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

// dial goes through the stages.
func (d *Dialer) dial(ctx context.Context, t *target, tlsConfig *tls.Config, req *upgradeRequest) (*Conn, *http.Response, *HandshakeError) {
	if ctx.Err() != nil {
		return nil, nil, failStage(ctx, "connect", "time was up before anything began", nil)
	}
	via, herr := d.proxyFor(ctx, t, req)
	if herr != nil {
		return nil, nil, herr
	}
	trace := traceOf(ctx)
	trace.getConn(t)
	raw, herr := d.connect(ctx, t, via)
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
	nc, herr := d.tunnel(ctx, raw, t, via, tlsConfig)
	var answer answer
	if herr == nil {
		trace.gotConn(nc)
		nc = d.wrap(nc)
		answer, herr = d.exchange(ctx, nc, req)
	}
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
		deflate:      answer.deflate,
	}, answer.leftover), answer.res, nil
}

// connect makes the connection to the server, or to the proxy if there is one, without TLS.
func (d *Dialer) connect(ctx context.Context, t *target, via *proxy) (net.Conn, *HandshakeError) {
	dial := d.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	network, addr, check, to := t.network, t.addr, "connect", quote(t.addr)
	if via != nil {
		network, addr, check, to = "tcp", via.addr, "proxy", via.String()
	}
	nc, err := dial(ctx, network, addr)
	if err == nil && nc == nil {
		err = errors.New("DialContext returned neither a connection nor an error")
	}
	if err != nil {
		return nil, failStage(ctx, check, "no connection to "+to, err)
	}
	return nc, nil
}

// tunnel makes of the connection to the first hop one to the server: through the proxy if there is one, and with TLS if
// that is asked for. It returns the connection for what follows, also with an error.
func (d *Dialer) tunnel(ctx context.Context, nc net.Conn, t *target, via *proxy, tlsConfig *tls.Config) (_ net.Conn, err *HandshakeError) {
	if via != nil {
		if nc, err = via.open(ctx, nc, t, d.maxHeaderBytes()); err != nil {
			return nc, err
		}
	}
	if t.secure {
		return secure(ctx, nc, tlsConfig)
	}
	return nc, nil
}

// wrap asks WrapConn for what is used in place of nc.
func (d *Dialer) wrap(nc net.Conn) net.Conn {
	if d.WrapConn != nil {
		if wrapped := d.WrapConn(nc); wrapped != nil {
			return wrapped
		}
	}
	return nc
}

// exchange sends the request and reads the answer.
func (d *Dialer) exchange(ctx context.Context, nc net.Conn, req *upgradeRequest) (answer, *HandshakeError) {
	trace := traceOf(ctx)
	_, err := nc.Write(req.head)
	trace.wroteRequest(req, err)
	if err != nil {
		return answer{}, failStage(ctx, "request", "the request could not be sent", err)
	}
	return readAnswer(ctx, nc, req, d.maxHeaderBytes())
}

func (d *Dialer) maxHeaderBytes() int64 {
	return option(int64(d.MaxHeaderBytes), DefaultMaxHeaderBytes)
}

// tlsConfig returns the configuration for t, nil if it needs none.
func (d *Dialer) tlsConfig(t *target) (*tls.Config, error) {
	if !t.secure {
		return nil, nil
	}
	c, err := http1TLS(d.TLSConfig, t.serverName)
	if err != nil {
		return nil, fmt.Errorf("websocket: TLSConfig.%w", err)
	}
	return c, nil
}

// http1TLS returns a copy of c, which may be nil, for HTTP/1.1 with the server of that name.
func http1TLS(c *tls.Config, serverName string) (*tls.Config, error) {
	c = c.Clone() // nil for nil
	if c == nil {
		c = new(tls.Config)
	}
	if c.ServerName == "" {
		c.ServerName = serverName
	}
	// RFC 9113, section 8.6: over HTTP/2 there would be no Upgrade.
	const http1 = "http/1.1"
	if len(c.NextProtos) > 0 && !slices.Contains(c.NextProtos, http1) {
		return nil, fmt.Errorf("NextProtos is %q; the handshake needs %s: add it, or leave the list empty", c.NextProtos, http1)
	}
	c.NextProtos = []string{http1}
	return c, nil
}

// secure does the TLS handshake with the server over raw. It returns the connection also with an error.
func secure(ctx context.Context, raw net.Conn, c *tls.Config) (net.Conn, *HandshakeError) {
	nc, err := tlsOver(ctx, raw, c)
	if err == nil {
		return nc, nil
	}
	reason := "the TLS handshake failed"
	if isNoTLS(err) {
		reason = "the server does not speak TLS on this port, where the URL must have the scheme ws"
	}
	return nc, failStage(ctx, "tls", reason, err)
}

// tlsOver does a TLS handshake over raw. It returns the connection also with an error.
func tlsOver(ctx context.Context, raw net.Conn, c *tls.Config) (*tls.Conn, error) {
	trace := traceOf(ctx)
	trace.tlsStart()
	nc := tls.Client(raw, c)
	err := nc.HandshakeContext(ctx)
	trace.tlsDone(nc, err)
	return nc, err
}

// isNoTLS tells whether what came was no TLS.
func isNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record)
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
