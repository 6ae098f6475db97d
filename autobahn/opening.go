package autobahn

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The opening handshake, RFC 6455 §4: as little as it takes to talk to an implementation, and checked as strictly as
// the RFC says.

// maxHead bounds a request or an answer with its header fields.
const maxHead = 64 << 10

// acceptKey is the answer to a key, RFC 6455 §4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// readHead reads up to the empty line that ends a head, and returns what came right behind it, too.
func readHead(nc net.Conn) (head, rest []byte, err error) {
	var b []byte
	for {
		if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 {
			return b[:end+4], b[end+4:], nil
		}
		if len(b) > maxHead {
			return b, nil, errors.New("a head of more than 64 KiB")
		}
		n := len(b)
		b = append(b, make([]byte, 4096)...)
		m, err := nc.Read(b[n:])
		b = b[:n+m]
		if err != nil && !bytes.Contains(b, []byte("\r\n\r\n")) {
			return b, nil, err
		}
	}
}

// hasToken tells whether a header field, over all its lines, lists a token.
func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// An address is where a server under test is.
type address struct {
	url  *url.URL
	host string // host:port
}

func parseAddress(raw string) (*address, error) {
	u, err := url.Parse(raw)
	if err != nil {
		u = new(url.URL)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("autobahn: %q is no ws or wss URL, such as ws://127.0.0.1:9002/", raw)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return &address{u, net.JoinHostPort(u.Hostname(), port)}, nil
}

// dial opens a TCP connection, or one of TLS.
func (a *address) dial(ctx context.Context, o *Options) (net.Conn, error) {
	d := net.Dialer{Timeout: o.limit(openLimit)}
	if a.url.Scheme == "wss" {
		config := o.TLS.Clone()
		if config == nil {
			config = &tls.Config{}
		}
		config.NextProtos = []string{"http/1.1"}
		return (&tls.Dialer{NetDialer: &d, Config: config}).DialContext(ctx, "tcp", a.host)
	}
	return d.DialContext(ctx, "tcp", a.host)
}

// request words the opening handshake of a client, RFC 6455 §4.1. A Host among the extra lines stands for the URL's.
func (a *address) request(key string, extra []string) string {
	lines := []string{"GET " + a.url.RequestURI() + " HTTP/1.1"}
	if !slices.ContainsFunc(extra, func(l string) bool { _, ok := fieldValue(l, "Host"); return ok }) {
		lines = append(lines, "Host: "+a.url.Host)
	}
	lines = append(lines, "User-Agent: hawser-conform", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: "+key, "Sec-WebSocket-Version: 13")
	return strings.Join(append(lines, extra...), "\r\n") + "\r\n\r\n"
}

func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:])
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// openClient does the opening handshake of a client and returns what came right behind the answer.
func (c *conn) openClient(a *address) (early []byte, err error) {
	key := newKey()
	extra := c.opt.Header
	if d := c.c.Deflate; d != nil {
		extra = append(extra[:len(extra):len(extra)], "Sec-WebSocket-Extensions: "+strings.Join(d.Offers, ", "))
	}
	c.r.HTTPRequest = a.request(key, extra)
	c.nc.SetDeadline(time.Now().Add(c.opt.limit(openLimit)))
	if _, err := c.nc.Write([]byte(c.r.HTTPRequest)); err != nil {
		return nil, err
	}
	resp, early, err := c.response()
	if err != nil {
		return nil, err
	}
	return early, c.opened(resp, key)
}

// response reads the answer of a server, and what came right behind it.
func (c *conn) response() (resp *http.Response, early []byte, err error) {
	head, early, err := readHead(c.nc)
	c.r.HTTPResponse = string(head)
	if err != nil {
		return nil, nil, fmt.Errorf("no answer: %w", err)
	}
	if resp, err = http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil); err != nil {
		return nil, nil, err
	}
	resp.Body.Close()
	if c.r.Agent == "" {
		c.r.Agent = resp.Header.Get("Server")
	}
	return resp, early, nil
}

// opened judges the answer that opens a connection, and sets up what it agrees to.
func (c *conn) opened(resp *http.Response, key string) error {
	if err := checkResponse(resp, key, c.r.HTTPRequest); err != nil {
		return err
	}
	return c.agreed(resp.Header)
}

// checkResponse judges the answer of a server to a request, RFC 6455 §4.1.
func checkResponse(resp *http.Response, key, request string) error {
	switch accepts := resp.Header.Values("Sec-WebSocket-Accept"); {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("the answer is %s", resp.Status)
	case !hasToken(resp.Header, "Upgrade", "websocket"):
		return errors.New("the answer has no Upgrade: websocket")
	case !hasToken(resp.Header, "Connection", "upgrade"):
		return errors.New("the answer has no Connection: Upgrade")
	case len(accepts) != 1 || accepts[0] != acceptKey(key):
		return fmt.Errorf("Sec-WebSocket-Accept is %q, not %q", accepts, acceptKey(key))
	}
	return checkProtocol(resp.Header.Values("Sec-WebSocket-Protocol"), request)
}

// checkProtocol judges which subprotocols an answer names: none, or in one line one that the request offers.
func checkProtocol(named []string, request string) error {
	switch {
	case len(named) > 1:
		return errors.New("the answer has two lines of Sec-WebSocket-Protocol (RFC 6455 §11.3.4)")
	case len(named) == 1 && !slices.Contains(offeredProtocols(request), named[0]):
		return fmt.Errorf("the answer names the subprotocol %q, which was not offered (RFC 6455 §4.1)", named[0])
	}
	return nil
}

// offeredProtocols returns the subprotocols that a request offers.
func offeredProtocols(request string) (names []string) {
	for line := range strings.SplitSeq(request, "\r\n") {
		value, _ := fieldValue(line, "Sec-WebSocket-Protocol")
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// fieldValue returns the value in a line of a head, if it is that of the field.
func fieldValue(line, field string) (value string, ok bool) {
	name, value, _ := strings.Cut(line, ":")
	if !strings.EqualFold(name, field) {
		return "", false
	}
	return strings.Trim(value, " \t"), true
}

// agreed reads the extensions in the answer of a server, RFC 7692 §5.1.
func (c *conn) agreed(h http.Header) error {
	exts := parseExtensions(strings.Join(h.Values("Sec-WebSocket-Extensions"), ","))
	switch {
	case len(exts) == 0:
		return nil
	case c.c.Deflate == nil || len(exts) > 1 || exts[0][0] != deflateName:
		return fmt.Errorf("the answer has an extension that was not offered: %v", exts)
	}
	p, err := parseDeflate(exts[0][1:])
	if err != nil {
		return err
	}
	if p.clientBitsHint {
		return errors.New("client_max_window_bits without a value in an answer (RFC 7692 §7.1.2.2)")
	}
	c.compress(p)
	return nil
}

// compress sets permessage-deflate up.
func (c *conn) compress(p deflateParams) {
	c.params = &p
	ours, fresh, theirFresh := p.clientBits, p.clientNoTakeover, p.serverNoTakeover
	if c.isServer {
		ours, fresh, theirFresh = p.serverBits, p.serverNoTakeover, p.clientNoTakeover
	}
	if r := c.c.Rounds; r != nil {
		if c.sequence = sequenceFor(r, ours, fresh); c.sequence == nil {
			c.deflater = newDeflater(ours, fresh, r.Size)
		}
	}
	c.rx.inflater = newInflater(theirFresh)
	c.r.Traffic = &Traffic{}
	c.r.ReportCompressionRatio = true
}

// readRequest reads the opening handshake of a client; early is what came right behind it. Where it is none, the
// error says why.
func readRequest(nc net.Conn) (req *http.Request, head string, early []byte, err error) {
	b, early, err := readHead(nc)
	if err != nil {
		return nil, string(b), nil, err
	}
	req, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	return req, string(b), early, err
}

// checkRequest judges the opening handshake of a client, RFC 6455 §4.2.1.
func checkRequest(req *http.Request) error {
	keys := req.Header.Values("Sec-WebSocket-Key")
	switch {
	case req.Method != http.MethodGet || !req.ProtoAtLeast(1, 1):
		return errors.New("a request other than GET with HTTP/1.1")
	case req.Host == "":
		return errors.New("a request without Host (RFC 6455 §4.2.1)")
	case !hasToken(req.Header, "Upgrade", "websocket") || !hasToken(req.Header, "Connection", "upgrade"):
		return errors.New("a request that is no opening handshake")
	case req.Header.Get("Sec-WebSocket-Version") != "13":
		return fmt.Errorf("the version %q", req.Header.Get("Sec-WebSocket-Version"))
	case len(keys) != 1:
		return fmt.Errorf("%d keys", len(keys))
	}
	if key, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(key) != 16 {
		return fmt.Errorf("the key %q is not 16 bytes of base64", keys[0])
	}
	return nil
}

// answer words the answer of a server, RFC 6455 §4.2.2.
func answer(req *http.Request, extra ...string) string {
	lines := []string{"HTTP/1.1 101 Switching Protocols", "Server: hawser-conform", "Upgrade: websocket",
		"Connection: Upgrade", "Sec-WebSocket-Accept: " + acceptKey(req.Header.Get("Sec-WebSocket-Key"))}
	return strings.Join(append(lines, extra...), "\r\n") + "\r\n\r\n"
}
