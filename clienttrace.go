package websocket

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
)

// A tracer calls those hooks of a [httptrace.ClientTrace] that are set. Name lookups and connections are not among
// them, net.Dialer sees to those. The zero tracer has none.
type tracer struct {
	hooks httptrace.ClientTrace
}

// traceOf returns the tracer of ctx.
func traceOf(ctx context.Context) tracer {
	if hooks := httptrace.ContextClientTrace(ctx); hooks != nil {
		return tracer{*hooks}
	}
	return tracer{}
}

func (t tracer) getConn(to *target) {
	if t.hooks.GetConn != nil {
		t.hooks.GetConn(to.addr)
	}
}

func (t tracer) gotConn(nc net.Conn) {
	if t.hooks.GotConn != nil {
		t.hooks.GotConn(httptrace.GotConnInfo{Conn: nc})
	}
}

func (t tracer) tlsStart() {
	if t.hooks.TLSHandshakeStart != nil {
		t.hooks.TLSHandshakeStart()
	}
}

func (t tracer) tlsDone(nc *tls.Conn, err error) {
	if t.hooks.TLSHandshakeDone != nil {
		t.hooks.TLSHandshakeDone(nc.ConnectionState(), err)
	}
}

// wroteRequest tells what was sent, or why it was not.
func (t tracer) wroteRequest(req *upgradeRequest, err error) {
	if err == nil {
		t.wroteFields(string(req.head))
		if t.hooks.WroteHeaders != nil {
			t.hooks.WroteHeaders()
		}
	}
	if t.hooks.WroteRequest != nil {
		t.hooks.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

func (t tracer) wroteFields(head string) {
	if t.hooks.WroteHeaderField == nil {
		return
	}
	_, fields, _ := strings.Cut(head, "\r\n")
	for line := range strings.SplitSeq(strings.TrimSuffix(fields, "\r\n\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		t.hooks.WroteHeaderField(name, []string{value})
	}
}

func (t tracer) firstByte() {
	if t.hooks.GotFirstResponseByte != nil {
		t.hooks.GotFirstResponseByte()
	}
}

// interim tells of a response before the answer. Its error ends the handshake.
func (t tracer) interim(res *http.Response) error {
	if res.StatusCode == http.StatusContinue && t.hooks.Got100Continue != nil {
		t.hooks.Got100Continue()
	}
	if t.hooks.Got1xxResponse == nil {
		return nil
	}
	if err := t.hooks.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
		return &hookError{err}
	}
	return nil
}

// A hookError is what a hook returned to end the handshake.
type hookError struct{ err error }

// Error returns the hook's text.
func (e *hookError) Error() string { return e.err.Error() }

// Unwrap returns what the hook returned.
func (e *hookError) Unwrap() error { return e.err }
