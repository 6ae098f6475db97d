package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// Proxies between the client and the server: which one, and the way through it. RFC 6455, section 4.1, item 3: the
// client asks the proxy for a connection to the server's host and port. SOCKS5 is in clientsocks.go, the environment in
// clientenv.go.

// A proxy is where a connection goes first.
type proxy struct {
	target             // of the proxy itself; its user is for the proxy
	socks  bool        // or HTTP
	tls    *tls.Config // for https
}

// String returns the proxy's URL as it may stand in an error: without the user, whose name can be a secret too.
func (p *proxy) String() string { return p.url.Scheme + "://" + p.addr }

// proxyFor asks Dialer.Proxy for the way to t. It returns nil if there is no proxy.
func (d *Dialer) proxyFor(ctx context.Context, t *target, req *upgradeRequest) (*proxy, *HandshakeError) {
	if d.Proxy == nil || t.network == "unix" {
		return nil, nil
	}
	r := req.request.Clone(ctx)
	r.URL = t.web()
	u, err := d.Proxy(r)
	if err == nil && ctx.Err() != nil {
		return nil, failStage(ctx, "proxy", "Dialer.Proxy took too long", nil)
	}
	if err != nil {
		return nil, failStage(ctx, "proxy", "Dialer.Proxy failed", err)
	}
	if u == nil {
		return nil, nil
	}
	p, err := parseProxy(u, d.ProxyTLSConfig)
	if err != nil {
		return nil, failStage(ctx, "proxy", "Dialer.Proxy returned a proxy that cannot be used", err)
	}
	return p, nil
}

// parseProxy reads a URL as [Dialer.Proxy] documents it.
func parseProxy(u *url.URL, c *tls.Config) (*proxy, error) {
	where := *u
	where.User = nil // so that no error repeats it
	p := &proxy{target: target{url: &where, user: u.User}}
	switch u.Scheme {
	case "http":
		return p, p.parseTCP("80")
	case "socks5", "socks5h":
		p.socks = true
		if err := checkSocksUser(u.User); err != nil {
			return nil, err
		}
		return p, p.parseTCP("1080")
	case "https":
		if err := p.parseTCP("443"); err != nil {
			return nil, err
		}
		var err error
		if p.tls, err = http1TLS(c, p.serverName); err != nil {
			return nil, fmt.Errorf("ProxyTLSConfig.%w", err)
		}
		return p, nil
	}
	return nil, fmt.Errorf("its URL has the scheme %s, which is none of http, https, socks5, socks5h", quote(u.Scheme))
}

// open makes of the connection to the proxy one to t. It returns the connection for what follows, also with an error.
func (p *proxy) open(ctx context.Context, nc net.Conn, t *target, maxHeader int64) (net.Conn, *HandshakeError) {
	if p.tls != nil {
		secured, err := tlsOver(ctx, nc, p.tls)
		if err != nil && isNoTLS(err) {
			return secured, p.fail(ctx, "does not speak TLS on this port, where its URL must have the scheme http", err)
		}
		if err != nil {
			return secured, p.fail(ctx, "did not complete the TLS handshake", err)
		}
		nc = secured
	}
	if p.socks {
		return nc, p.openSocks(ctx, nc, t)
	}
	return nc, p.openHTTP(ctx, nc, t, maxHeader)
}

// fail makes the error for a proxy that did not do its part.
func (p *proxy) fail(ctx context.Context, what string, err error) *HandshakeError {
	return failStage(ctx, "proxy", fmt.Sprintf("the proxy %s %s", p, what), err)
}

// openHTTP asks with CONNECT. RFC 9110, section 9.3.6.
func (p *proxy) openHTTP(ctx context.Context, nc net.Conn, t *target, maxHeader int64) *HandshakeError {
	head := "CONNECT " + t.proxied() + " HTTP/1.1\r\nHost: " + t.proxied() + "\r\n"
	if p.user != nil {
		head += "Proxy-Authorization: " + basicAuth(p.user) + "\r\n"
	}
	if _, err := nc.Write([]byte(head + "\r\n")); err != nil {
		return p.fail(ctx, "did not take the CONNECT request", err)
	}
	// What follows the answer's header is the server's and must stay in the connection: so the header is read byte by
	// byte. It is short.
	limited := newAnswerReader(nc, maxHeader)
	limited.check, limited.who, limited.bytewise = "proxy", "the proxy "+p.String(), true
	in := bufio.NewReader(limited)
	res, err := readHeader(in, &http.Request{Method: http.MethodConnect}, tracer{})
	if err != nil {
		return failAnswer(ctx, limited, err)
	}
	// RFC 9110, section 9.3.6: any 2xx opens the tunnel, and has no body whatever its fields say.
	if res.StatusCode/100 == 2 {
		return nil
	}
	limited.left, limited.bytewise = maxErrorBodyInput, false
	boundBody(nc)
	return p.refused(ctx, t, res)
}

// refused makes the error for an answer that opened no tunnel.
func (p *proxy) refused(ctx context.Context, t *target, res *http.Response) *HandshakeError {
	s := fmt.Sprintf("the proxy %s answered %d %s to CONNECT %s", p, res.StatusCode, http.StatusText(res.StatusCode), t.proxied())
	switch {
	// RFC 9110, section 11.7.1: a proxy answers 407. tinyproxy 1.11 answers 401 to a user whom it does not know.
	case res.StatusCode != http.StatusProxyAuthRequired && res.StatusCode != http.StatusUnauthorized:
	case p.user == nil:
		s += ": it wants a user and password, which belong in its URL"
	default:
		s += ": it did not accept the user and password of its URL"
	}
	herr := refuse("proxy", res.StatusCode, "%s", s)
	herr.Body, herr.Err = readErrorBody(ctx, res)
	return herr
}
