package websocket

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Origins: which pages may open a WebSocket. RFC 6455, section 10.2. A browser sends cookies with every handshake and
// asks no server before it does, so a server that accepts any origin lends its users' sessions to every page they
// visit.

// origin is a parsed Origin, Host or origin pattern. Scheme and host are in lower case, an IPv6 address has its
// shortest form without brackets, and port is "" where the scheme's default port stands or was left out.
type origin struct {
	scheme, host, port string
}

// defaultPorts are the ports that go without saying, and so the schemes that a page or client of this very host can
// have.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// CheckOrigin judges the origin of r as an [Upgrader] with these Origins does: for a request that is no handshake and
// gives a page the same things, such as server-sent events. The error is a [*HandshakeError].
func CheckOrigin(r *http.Request, origins []string) error {
	if err := checkOrigin(r.Header.Values("Origin"), r.Host, origins); err != nil {
		return err
	}
	return nil
}

// checkOrigin decides whether a request with these Origin fields may open a connection to host, the request's Host. It
// may when
//
//   - there is no Origin: the client is not a browser;
//   - the Origin's host and port are those of Host;
//   - one of patterns matches; CheckOriginPattern documents their language.
func checkOrigin(origins []string, host string, patterns []string) *HandshakeError {
	if len(origins) == 0 {
		return nil
	}
	o, err := soleOrigin(origins)
	if err != nil {
		return err
	}
	if sameHost(o, host) {
		return nil
	}
	for _, pattern := range patterns {
		p, perr := parseOriginPattern(pattern)
		if perr != nil {
			return refuse("origin", http.StatusInternalServerError, "the server's list of origins is wrong: %v", perr)
		}
		if p.match(o) {
			return nil
		}
	}
	return refuse("origin", http.StatusForbidden,
		"the page's origin %s is neither the host %s nor an origin this server lists; "+
			"if they ought to be equal, a proxy in front changes Host and must pass it on (nginx: proxy_set_header Host $http_host), "+
			"else the server has to list the origin", quote(trimOWS(origins[0])), quote(host))
}

// soleOrigin returns what all origins say. RFC 6454, section 7.3: a request has one Origin field. Equal ones do no
// harm; from different ones we could only guess, and the guess of a proxy could be another.
func soleOrigin(origins []string) (origin, *HandshakeError) {
	var sole origin
	for i, value := range origins {
		o, ok := parseOrigin(trimOWS(value))
		if !ok {
			return origin{}, refuse("origin", http.StatusBadRequest,
				"the Origin %s is not an origin; it has the form scheme://host:port or is null", quote(value))
		}
		if i > 0 && o != sole {
			return origin{}, refuse("origin", http.StatusBadRequest,
				"the request has Origin fields that differ, %s and %s; send one", quote(origins[0]), quote(value))
		}
		sole = o
	}
	return sole, nil
}

// sameHost tells whether o is the origin of a page that host itself served. The scheme cannot be compared, since a
// proxy may have ended TLS; a Host without a port has the default port of the origin's scheme.
func sameHost(o origin, host string) bool {
	h, port, ok := parseHostPort(host)
	return ok && defaultPorts[o.scheme] != "" && h == o.host && normalPort(o.scheme, port) == o.port
}

// parseOrigin reads a serialized origin. RFC 6454, section 6.2. A single slash at its end is forgiven, some clients
// that are no browsers send it. The origin null, which says that the browser keeps it secret (a sandboxed frame, a
// local file), has no fields set: it equals no host, and anybody can have it.
func parseOrigin(s string) (o origin, ok bool) {
	if s == "null" {
		return origin{}, true
	}
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return origin{}, false
	}
	o.scheme = strings.ToLower(scheme)
	if authority == "" {
		// file:// and its kind: a scheme without hosts.
		return o, defaultPorts[o.scheme] == ""
	}
	o.host, o.port, ok = parseHostPort(strings.TrimSuffix(authority, "/"))
	o.port = normalPort(o.scheme, o.port)
	return o, ok
}

// normalPort returns port, or "" where it is the default port of scheme.
func normalPort(scheme, port string) string {
	if port == defaultPorts[scheme] {
		return ""
	}
	return port
}

// isScheme tells whether s is a URI scheme. RFC 3986, section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.Contains("0123456789+-.", s[i:i+1])) {
			return false
		}
	}
	return s != ""
}

// parseHostPort splits host[:port]. The port is "" or a number without leading zeros, the host a name in lower case or
// an IP address in its usual form.
func parseHostPort(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", false
		}
		host, s = addr.String(), s[end+1:]
		if s != "" && s[0] != ':' {
			return "", "", false
		}
	} else {
		end := strings.IndexByte(s, ':')
		if end < 0 {
			end = len(s)
		}
		host, s = strings.ToLower(s[:end]), s[end:]
		if !isHostName(host) {
			return "", "", false
		}
	}
	port, ok = parsePort(strings.TrimPrefix(s, ":"))
	return host, port, ok
}

// parsePort reads a port, which may be empty. RFC 3986, section 3.2.3.
func parsePort(s string) (port string, ok bool) {
	if s == "" {
		return "", true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return strconv.FormatUint(n, 10), err == nil
}

// isHostName tells whether s can be the name of a host, an IPv4 address included: what DNS and browsers have in names,
// and no more.
func isHostName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~') {
			return false
		}
	}
	return s != ""
}

// CheckOriginPattern returns an error that says what is wrong with pattern, or nil if it may stand in the Origins of an
// [Upgrader]. A server calls it when it starts, so that a slip of the pen is noticed there and not at the first
// handshake.
//
// A pattern is one of
//
//	https://app.example.com         this scheme, this host, the scheme's default port
//	https://app.example.com:8443    this scheme, this host, this port
//	https://*.example.com           every subdomain at any depth, but not example.com itself
//	https://localhost:*             every port
//	https://*                       every host
//	app.example.com                 every scheme, the scheme's default port
//	localhost:*                     every scheme, every port
//	https://[::1]:8443              an IPv6 address, in brackets
//	file://                         a scheme whose origins have no host
//	*                               every origin that has a host
//	null                            the origin null
//
// Schemes and hosts are compared without regard to case, ports as numbers, and https://h equals https://h:443. Names
// outside ASCII are written as browsers send them, with xn--. The origin null, which every sandboxed frame and many a
// local file has, is matched by the pattern null alone.
func CheckOriginPattern(pattern string) error {
	_, err := parseOriginPattern(pattern)
	return err
}

// originPattern is a parsed pattern: an origin with places left open. That for null is its zero value, as the origin
// null is.
type originPattern struct {
	origin       // scheme "" stands for every scheme
	anyHost bool // every host that ends in origin.host, which is "" or begins with a dot
	anyPort bool
}

func parseOriginPattern(s string) (p originPattern, err error) {
	switch s {
	case "null":
		return p, nil
	case "*":
		return originPattern{anyHost: true, anyPort: true}, nil
	}
	bad := fmt.Errorf("websocket: origin pattern %s is not of the form scheme://host:port, "+
		"where the scheme may be left out, the host be or begin with *. and the port be *", quote(s))
	scheme, authority, found := strings.Cut(s, "://")
	switch {
	case !found:
		authority = s
	case !isScheme(scheme):
		return p, bad
	default:
		p.scheme = strings.ToLower(scheme)
	}
	if found && authority == "" && defaultPorts[p.scheme] == "" {
		return p, nil
	}
	authority, p.anyPort = strings.CutSuffix(authority, ":*")
	return p, p.parseHost(authority, bad)
}

// parseHost reads the host and port of a pattern.
func (p *originPattern) parseHost(s string, bad error) error {
	const one = "x" // a host to put in the place of the star
	if strings.HasPrefix(s, "*") {
		p.anyHost = true
		s = one + s[1:]
	}
	host, port, ok := parseHostPort(s)
	if !ok || p.anyPort && port != "" {
		return bad
	}
	if p.anyHost {
		host = host[len(one):]
		if host != "" && (host[0] != '.' || !isHostName(host[1:])) {
			return bad
		}
	}
	p.host, p.port = host, normalPort(p.scheme, port)
	return nil
}

// match tells whether o is one of the origins p stands for.
func (p originPattern) match(o origin) bool {
	if p == (originPattern{}) {
		return o == (origin{})
	}
	// The origin null has no host, and so is matched by no other pattern: only one with a scheme, such as file://, has
	// none either.
	return (p.scheme == "" || p.scheme == o.scheme) && p.matchHost(o.host) && p.matchPort(o)
}

func (p originPattern) matchHost(host string) bool {
	if p.anyHost {
		return len(host) > len(p.host) && strings.HasSuffix(host, p.host)
	}
	return host == p.host
}

func (p originPattern) matchPort(o origin) bool {
	// Without a scheme of its own the pattern's port has to be read with that of o.
	return p.anyPort || normalPort(o.scheme, p.port) == o.port
}
