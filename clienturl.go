package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A target is what a URL says about where to connect and what to ask for.
type target struct {
	url           *url.URL
	secure        bool
	network, addr string        // for the dialer
	serverName    string        // for TLS and proxies: the host without a zone
	port          string        // for proxies; "" for a Unix socket
	host          string        // for the Host field: the port only if it is not the default
	resource      string        // for the request line; RFC 6455, section 3: the resource name
	user          *url.Userinfo // nil if none
}

// parseTarget reads a URL as [Dialer.Dial] documents it.
func parseTarget(raw string) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		if !strings.Contains(raw, "://") {
			return nil, errors.New("websocket: the URL has no scheme; write ws:// or wss:// before it")
		}
		return nil, fmt.Errorf("websocket: the URL is malformed: %w", withoutURL(err))
	}
	t := &target{url: u, user: u.User}
	// RFC 6455, section 3: no fragment; a # is written %23.
	if strings.Contains(raw, "#") {
		return nil, t.wrong("it has a fragment; a WebSocket URL has none (a # in it is written %23)")
	}
	switch u.Scheme {
	case "ws", "http":
		return t, t.parseTCP("80")
	case "wss", "https":
		t.secure = true
		return t, t.parseTCP("443")
	case "ws+unix":
		return t, t.parseUnix()
	case "wss+unix":
		t.secure = true
		return t, t.parseUnix()
	case "":
		return nil, t.wrong("it has no scheme; write ws:// or wss:// before it")
	}
	if u.Opaque != "" {
		return nil, t.wrong("it has no scheme that is known; write ws:// or wss:// before host:port")
	}
	return nil, t.wrong("the scheme is none of ws, wss, ws+unix, wss+unix, http, https")
}

// withoutURL returns what an error of url.Parse says without any part of the URL: a password with a /, # or % in it
// stands where the port or an escape is looked for.
func withoutURL(err error) error {
	var escape url.EscapeError
	var host url.InvalidHostError
	switch {
	case errors.As(err, &escape):
		return errors.New("it has an escape that is none (a % in it is written %25)")
	case errors.As(err, &host):
		return errors.New("its host has a character that no host has")
	case strings.Contains(err.Error(), "control character"):
		return errors.New("it has a control character in it")
	}
	return errors.New("it is not of the form scheme://user:password@host:port/path " +
		"(in a user or password / # ? @ and % are written as escapes)")
}

// wrong makes the error for a URL. Its password is left out.
func (t *target) wrong(why string) error {
	u := t.url.Redacted()
	if t.url.Opaque != "" { // which Redacted does not look into
		u = t.url.Scheme + ":..."
	}
	return fmt.Errorf("websocket: the URL %s cannot be dialed: %s", quote(u), why)
}

func (t *target) parseTCP(defaultPort string) error {
	if t.url.Opaque != "" || t.url.Hostname() == "" {
		return t.wrong("it has no host; the form is " + t.url.Scheme + "://host/path")
	}
	port := t.url.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return t.wrong("the port is not a number from 1 to 65535")
	}
	if err := t.setHost(t.url.Hostname(), port, defaultPort); err != nil {
		return err
	}
	t.network, t.addr, t.port = "tcp", net.JoinHostPort(t.url.Hostname(), port), port
	t.resource = resourceName(t.url.EscapedPath(), t.url)
	return nil
}

// parseUnix splits the path into those of the socket and of the request.
func (t *target) parseUnix() error {
	if t.url.Opaque != "" || t.url.Path == "" {
		return t.wrong("it has no absolute path of a socket; the form is " + t.url.Scheme + ":/path/of/socket:/path/of/request")
	}
	socket, path, _ := strings.Cut(t.url.EscapedPath(), ":")
	socket, _ = url.PathUnescape(socket) // EscapedPath holds no escape that is none
	if path != "" && path[0] != '/' {
		return t.wrong("the path of the request, behind the colon, does not begin with a slash (a colon in the socket's path is written %3A)")
	}
	host := t.url.Hostname()
	if host == "" {
		host = "localhost"
	}
	if err := t.setHost(host, t.url.Port(), ""); err != nil {
		return err
	}
	t.network, t.addr = "unix", socket
	t.resource = resourceName(path, t.url)
	return nil
}

// maxHostName is the length of the longest name that DNS and SOCKS5 carry.
const maxHostName = 255

// setHost sets what depends on the host's name.
func (t *target) setHost(host, port, defaultPort string) error {
	// RFC 6874, section 4: the zone of an address means nothing to others.
	host, _, zone := strings.Cut(host, "%")
	if zone && !strings.Contains(host, ":") {
		return t.wrong("the host has a percent sign in it")
	}
	// RFC 1035, section 2.3.4, and RFC 1928, section 4, where a longer name would be read as another one.
	if len(host) > maxHostName {
		return t.wrong("the host has more than 255 bytes")
	}
	t.serverName, t.host = host, host
	if strings.Contains(host, ":") {
		t.host = "[" + host + "]"
	}
	// RFC 6455, section 4.1, item 4: the port only if it is not the default.
	if port != defaultPort {
		t.host += ":" + port
	}
	if _, _, ok := parseHostPort(t.host); !ok {
		return t.wrong("the host is not a name in ASCII or an address (names beyond ASCII are written with xn--)")
	}
	return nil
}

// resourceName makes what stands in the request line. RFC 6455, section 3: the path, / if it is empty, and the query.
func resourceName(escapedPath string, u *url.URL) string {
	if escapedPath == "" {
		escapedPath = "/"
	}
	if u.RawQuery == "" && !u.ForceQuery {
		return escapedPath
	}
	return escapedPath + "?" + escapeQuery(u.RawQuery)
}

// escapeQuery escapes what a request line cannot hold and url.Parse let pass.
func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// web returns the URL under which cookies are kept and against which redirects are read: that of the same resource over
// HTTP, without the user. RFC 6265 knows only http and https.
func (t *target) web() *url.URL {
	scheme := "http"
	if t.secure {
		scheme = "https"
	}
	path, query, asks := strings.Cut(t.resource, "?")
	u := &url.URL{Scheme: scheme, Host: t.host, RawPath: path, RawQuery: query, ForceQuery: asks && query == ""}
	u.Path, _ = url.PathUnescape(path) // resourceName's was escaped by net/url
	return u
}

// proxied returns host:port as a proxy is told it.
func (t *target) proxied() string { return net.JoinHostPort(t.serverName, t.port) }
