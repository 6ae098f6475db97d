package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A trip is a Dial on its way from one redirect to the next.
type trip struct {
	t        *target
	header   http.Header     // the caller's, without what may not go where t is
	response *http.Response  // the redirect that led here; nil at first
	followed int             // how many redirects led here
	left     int             // how many more may be followed
	sent     map[string]bool // the requests up to now
	foreign  bool            // t, or a place on the way to it, does not share the credentials of the first
}

// redirected tells whether err is about res being a redirect, where these are asked for.
func (tr *trip) redirected(res *http.Response, err error) bool {
	var herr *HandshakeError
	if !errors.As(err, &herr) || herr.Check != "status" || tr.followed+max(tr.left, 0) == 0 {
		return false
	}
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return res.Header.Get("Location") != ""
	}
	return false
}

// follow goes where res leads.
func (tr *trip) follow(ctx context.Context, res *http.Response) *HandshakeError {
	location := res.Header.Get("Location")
	fail := func(why string, err error) *HandshakeError {
		herr := refuse("redirect", res.StatusCode, "the server redirects to %s, %s", quote(location), why)
		herr.Err = err
		return herr
	}
	if ctx.Err() != nil {
		return fail("but there is no time left", whyDone(ctx))
	}
	if tr.left == 0 {
		return fail(fmt.Sprintf("and %d redirects have been followed, the limit set by MaxRedirects", tr.followed), nil)
	}
	next, err := tr.t.resolve(location)
	if err != nil {
		return fail("which cannot be followed", err)
	}
	if tr.t.secure && !next.secure {
		return fail("which is without TLS where TLS was asked for: it is not followed", nil)
	}
	if !sharesCredentials(tr.t, next) {
		tr.header, tr.foreign = withoutCredentials(tr.header), true
	} else if next.user == nil {
		next.user = tr.t.user
	}
	tr.t, tr.response = next, res
	tr.followed++
	tr.left--
	return nil
}

// repeats returns an error if the same request was sent before: the same answer would come. A request with other
// cookies is another.
func (tr *trip) repeats(req *upgradeRequest) *HandshakeError {
	if tr.sent == nil {
		tr.sent = make(map[string]bool)
	}
	// fmt sorts the keys of a map.
	key := fmt.Sprintf("%s %s %s %q", tr.t.network, tr.t.addr, tr.t.web(), req.request.Header)
	if tr.sent[key] {
		return refuse("redirect", tr.response.StatusCode, "the redirects lead in a circle: back to %s", quote(tr.t.web().String()))
	}
	tr.sent[key] = true
	return nil
}

// resolve returns where location leads from t. RFC 9110, section 10.2.2: it is a reference relative to t.
func (t *target) resolve(location string) (*target, error) {
	base := t.web()
	next, err := base.Parse(location)
	if err != nil {
		return nil, withoutURL(err)
	}
	// RFC 6455, section 3: a WebSocket URL has no fragment; those of pages do.
	next.Fragment, next.RawFragment = "", ""
	switch next.Scheme {
	case "ws":
		next.Scheme = "http"
	case "wss":
		next.Scheme = "https"
	case "http", "https":
	default:
		// In particular no Unix socket, which a server has no business to choose.
		return nil, errors.New("the scheme is none of ws, wss, http, https")
	}
	if t.network == "unix" && next.Scheme == base.Scheme && strings.EqualFold(next.Host, base.Host) {
		return t.sameSocket(next)
	}
	next.Scheme = strings.Replace(next.Scheme, "http", "ws", 1)
	return parseTarget(next.String())
}

// sameSocket returns another resource behind t, which is a Unix socket.
func (t *target) sameSocket(next *url.URL) (*target, error) {
	socket, _, _ := strings.Cut(t.url.EscapedPath(), ":")
	return parseTarget(t.url.Scheme + "://" + t.url.Host + socket + ":" + resourceName(next.EscapedPath(), next))
}

// sharesCredentials tells whether what was meant for from may be sent to to: the same host and port, or what takes its
// place as TLS comes in.
func sharesCredentials(from, to *target) bool {
	if from.network != to.network || !strings.EqualFold(from.serverName, to.serverName) {
		return false
	}
	upgraded := !from.secure && to.secure && from.port == "80" && to.port == "443"
	return strings.EqualFold(from.addr, to.addr) || upgraded
}

// withoutCredentials returns h without what is meant for one server alone.
func withoutCredentials(h http.Header) http.Header {
	rest := make(http.Header, len(h))
	for name, values := range h {
		switch strings.ToLower(name) {
		case "authorization", "cookie", "proxy-authorization", "host":
		default:
			rest[name] = values
		}
	}
	return rest
}
