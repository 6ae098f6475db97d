package websocket

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// An upgradeRequest is the client's part of the opening handshake.
type upgradeRequest struct {
	head         []byte        // what is sent
	key          string        // its Sec-WebSocket-Key
	subprotocols []string      // what it offers
	compression  *Compression  // what it offers, nil for nothing
	request      *http.Request // for the response's Request
}

// newUpgradeRequest makes the request of RFC 6455, section 4.1.
func newUpgradeRequest(
	t *target, header http.Header, subprotocols []string, compression *Compression, random io.Reader,
) (*upgradeRequest, error) {
	host, own, err := ownHeader(t, header)
	if err != nil {
		return nil, err
	}
	if err := checkSubprotocolOffer(subprotocols); err != nil {
		return nil, err
	}
	if mistake := compression.check(); mistake != "" {
		return nil, errors.New("websocket: " + mistake)
	}
	key, err := newKey(random)
	if err != nil {
		return nil, fmt.Errorf("websocket: no random bytes for the key: %w", err)
	}
	var b strings.Builder
	// RFC 6455, section 4.1, items 2 to 7 and 9. The names are spelled as in the RFC, for servers that compare them
	// byte by byte.
	b.WriteString("GET " + t.resource + " HTTP/1.1\r\n" +
		"Host: " + host + "\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\n" +
		"Sec-WebSocket-Version: " + protocolVersion + "\r\n")
	if len(subprotocols) > 0 {
		b.WriteString("Sec-WebSocket-Protocol: " + strings.Join(subprotocols, ", ") + "\r\n")
	}
	if compression != nil {
		b.WriteString("Sec-WebSocket-Extensions: " + compression.resolve(clientRole).offered().String() + "\r\n")
	}
	own.Write(&b)
	b.WriteString("\r\n")
	return &upgradeRequest{
		head:         []byte(b.String()),
		key:          key,
		subprotocols: slices.Clone(subprotocols),
		compression:  compression,
		request: &http.Request{
			Method: http.MethodGet, URL: t.url, Host: host, Header: own,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		},
	}, nil
}

// checkSubprotocolOffer judges Dialer.Subprotocols. RFC 6455, section 4.1, item 10: each is a token, and unique.
func checkSubprotocolOffer(subprotocols []string) error {
	for _, p := range subprotocols {
		if !isToken(p) {
			return fmt.Errorf("websocket: the subprotocol %s is not a token: letters, digits and !#$%%&'*+-.^_`|~", quote(p))
		}
	}
	if p, ok := firstDouble(subprotocols); ok {
		return fmt.Errorf("websocket: the subprotocol %s is listed more than once", quote(p))
	}
	return nil
}

// ownHeader returns the Host and the fields that the request carries beyond those of the handshake: the caller's, and
// what the URL's user makes.
func ownHeader(t *target, header http.Header) (host string, own http.Header, err error) {
	own = http.Header{}
	for name, values := range header {
		if err := checkOwnField(name, values); err != nil {
			return "", nil, err
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		own[name] = append(own[name], values...)
	}
	if host, err = takeHost(own, t.host); err != nil {
		return "", nil, err
	}
	if t.user != nil && own.Get("Authorization") == "" {
		own.Set("Authorization", basicAuth(t.user))
	}
	return host, own, nil
}

// basicAuth returns the credentials for a user. RFC 7617, section 2.
func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

// takeHost takes the caller's Host out of own; if there is none it is byDefault.
func takeHost(own http.Header, byDefault string) (string, error) {
	hosts := own["Host"]
	delete(own, "Host")
	if len(hosts) == 0 {
		return byDefault, nil
	}
	// RFC 9112, section 3.2: one Host.
	if _, _, ok := parseHostPort(hosts[0]); len(hosts) > 1 || !ok {
		return "", fmt.Errorf("websocket: the Host %s is not one host or host:port", quote(strings.Join(hosts, ", ")))
	}
	return hosts[0], nil
}

// checkOwnField judges a field the caller adds to the request.
func checkOwnField(name string, values []string) error {
	if !isToken(name) {
		return fmt.Errorf("websocket: %s is not the name of a header field", quote(name))
	}
	lower := strings.ToLower(name)
	switch {
	case lower == "sec-websocket-protocol":
		return fmt.Errorf("websocket: the handshake writes %s itself; set Dialer.Subprotocols", name)
	case lower == "sec-websocket-extensions":
		return fmt.Errorf("websocket: the handshake writes %s itself; set Dialer.Compression", name)
	case strings.HasPrefix(lower, "sec-websocket-"), lower == "upgrade", lower == "connection":
		return fmt.Errorf("websocket: the handshake writes %s itself; leave it out of the header", name)
	case lower == "content-length", lower == "transfer-encoding", lower == "trailer":
		return fmt.Errorf("websocket: a handshake has no body; leave %s out of the header", name)
	}
	for _, v := range values {
		if !isFieldValue(v) {
			return fmt.Errorf("websocket: the value %s of the header field %s holds a control character", quote(v), name)
		}
	}
	return nil
}

// isFieldValue tells whether s can be a field's value. RFC 9110, section 5.5: no control characters but the tab; a line
// break would begin another field.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
