package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The rules of the opening handshake, RFC 6455, section 4. Everything here is a pure function over the parts of a
// request or a response, so that it holds for whatever carried them. The list grammar is in headerlist.go, origins are
// in origin.go.

// Names of header fields, spelled as http.Header stores them.
const (
	headerAccept     = "Sec-Websocket-Accept"
	headerExtensions = "Sec-Websocket-Extensions"
	headerKey        = "Sec-Websocket-Key"
	headerProtocol   = "Sec-Websocket-Protocol"
	headerVersion    = "Sec-Websocket-Version"
)

// protocolVersion is the only value of Sec-WebSocket-Version this package speaks. RFC 6455, section 4.1, item 9.
const protocolVersion = "13"

// acceptGUID is what a server appends to the key before it hashes it. RFC 6455, section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// A HandshakeError says why an opening handshake failed, on either side.
//
// On the server it is a refusal: the request broke a rule, and Status and Header are what the client is to be answered.
// On the client it is whatever kept [Dialer.Dial] from getting a connection, from a name that is not known to an answer
// that is not a WebSocket handshake.
//
// A HandshakeError is not changed once it was returned. It may hold text the peer chose, but outside Body and Err only
// quoted, cut to a short length and in ASCII: Error and Reason can go into a log, Reason into a response too. It is a
// [net.Error].
type HandshakeError struct {
	// Check names the rule that failed, in a word that does not change between versions of this package:
	//
	//	server  "http-version", "method", "upgrade", "connection", "version",
	//	        "key", "subprotocol", "extensions", "body", "origin"
	//	client  "proxy" (whatever is between us and the end of the proxy's work),
	//	        "connect", "tls", "request" (it could not be sent), "response"
	//	        (no answer, or one that is not HTTP, too long or too late),
	//	        "status" (not 101), "redirect" (one that is not followed though
	//	        redirects are), "http-version", "upgrade", "connection",
	//	        "accept", "extensions", "subprotocol"
	//
	// The Upgrader adds names of its own for what it needs beyond the request.
	Check string

	// Status is the HTTP status: on the server the one to answer with, on the client the one the server sent, or with
	// the check "proxy" the proxy, or 0 if no answer arrived.
	Status int

	// Reason says what was wrong and, where that is known, what to do.
	Reason string

	// Header, on the server, holds the fields that belong to an answer with this Status: Allow with 405; Upgrade,
	// Connection and Sec-WebSocket-Version with 426. It is nil when there are none, and on the client.
	Header http.Header

	// Body, on the client, is the beginning of the body that came with an answer other than 101: at most 4 KiB.
	Body []byte

	// Err is the error beneath, if there is one: of the network, or of the context that ended.
	Err error
}

// Error returns the reason with the failed check, the beginning of the body and the error beneath.
func (e *HandshakeError) Error() string {
	s := "websocket: handshake failed (" + e.Check + "): " + e.Reason
	if len(e.Body) > 0 {
		s += "; the body begins " + quote(string(e.Body))
	}
	if e.Err != nil {
		s += ": " + clean(strings.TrimPrefix(e.Err.Error(), "websocket: "))
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Timeout reports whether the handshake failed because a time limit passed: that of the Dialer, of the context, or of
// the network.
func (e *HandshakeError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary returns false, nothing is known about that. [net.Error] asks for it.
func (e *HandshakeError) Temporary() bool { return false }

// refuse makes a HandshakeError. Whatever of the peer stands in the reason has been through quote.
func refuse(check string, status int, format string, args ...any) *HandshakeError {
	return &HandshakeError{Check: check, Status: status, Reason: fmt.Sprintf(format, args...)}
}

// with adds a header field to the answer.
func (e *HandshakeError) with(name, value string) *HandshakeError {
	if e.Header == nil {
		e.Header = http.Header{}
	}
	e.Header.Set(name, value)
	return e
}

// maxQuoted is how many bytes of the peer's text an error repeats.
const maxQuoted = 96

// maxCleaned is how many bytes of another error's text an error repeats.
const maxCleaned = 512

// clean returns s, which may hold text of the peer (as the name in a certificate), cut and without anything that is not
// printable ASCII.
func clean(s string) string {
	cut := ""
	if len(s) > maxCleaned {
		s, cut = s[:maxCleaned], "..."
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			q := strconv.QuoteToASCII(s)
			return q[1:len(q)-1] + cut
		}
	}
	return s + cut
}

// quote returns s in quotes and in printable ASCII, cut to maxQuoted bytes: in this form text of the peer may stand in
// an error, a log or a response.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// acceptKey returns the Sec-WebSocket-Accept that answers key. RFC 6455, section 4.2.2, item 5, number 4.
func acceptKey(key string) string { return string(appendAcceptKey(nil, key)) }

// appendAcceptKey appends it.
func appendAcceptKey(b []byte, key string) []byte {
	var joined [64]byte // a key has 24 bytes, the GUID 36
	sum := sha1.Sum(append(append(joined[:0], key...), acceptGUID...))
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

// newKey returns a Sec-WebSocket-Key made of 16 bytes of random. RFC 6455, section 4.1, item 7.
func newKey(random io.Reader) (string, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(nonce[:]), nil
}

// isKey tells whether key is base64 of 16 bytes. The four bits of the last character that carry nothing may be set (RFC
// 4648, section 3.5, leaves that to the decoder).
func isKey(key string) bool {
	var nonce [18]byte
	if len(key) != base64.StdEncoding.EncodedLen(16) {
		return false
	}
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(key))
	return err == nil && n == 16
}

// IsUpgrade tells whether r asks for a WebSocket: a GET of HTTP/1.1 whose Upgrade and Connection fields say so. It is
// meant for routing, where one path serves a page and a WebSocket. A request for which it is true can still be refused
// by [Upgrader.Upgrade], for instance for its version or its origin.
func IsUpgrade(r *http.Request) bool {
	protocols, _ := parseProtocols(r.Header["Upgrade"])
	options, _ := parseTokens(r.Header["Connection"])
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor >= 1 &&
		hasToken(protocols, "websocket") && hasToken(options, "upgrade")
}

// hasBody tells whether r announces a body, of known length or not.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 || len(r.TransferEncoding) > 0
}

// checkRequest applies the rules of RFC 6455, section 4.2.1, to a request, but for the origin (see checkOrigin), and
// returns its key. The rule that tells the client most stands first: a page visited with a browser hears that this is a
// WebSocket, an old client hears which version is spoken.
func checkRequest(method string, protoMajor, protoMinor int, h http.Header, hasBody bool) (key string, err *HandshakeError) {
	if err := checkRequestLine(method, protoMajor, protoMinor); err != nil {
		return "", err
	}
	if err := checkUpgrade(h); err != nil {
		return "", err
	}
	if err := checkVersion(h[headerVersion]); err != nil {
		return "", err
	}
	key, err = checkKey(h[headerKey])
	if err != nil {
		return "", err
	}
	if err := checkOffers(h); err != nil {
		return "", err
	}
	// RFC 6455, section 4.1: what follows the header is the first frame. A body would stand in its place, and whoever
	// reads the request differently (a proxy) would see another request in it.
	if hasBody {
		return "", refuse("body", http.StatusBadRequest,
			"the request has a body; a WebSocket handshake has none: send neither Content-Length nor Transfer-Encoding")
	}
	return key, nil
}

// checkRequestLine judges method and protocol version.
func checkRequestLine(method string, protoMajor, protoMinor int) *HandshakeError {
	// RFC 9113, section 8.6, and RFC 9114, section 4.5: there is no Upgrade in HTTP/2 and HTTP/3; RFC 8441 and RFC 9220
	// have another handshake for them.
	if protoMajor > 1 {
		return refuse("http-version", http.StatusHTTPVersionNotSupported,
			"the request came over HTTP/%d, which has no Upgrade; this handshake needs HTTP/1.1: "+
				"connect with HTTP/1.1 (ALPN http/1.1), or have the proxy in front speak HTTP/1.1 to this server", protoMajor)
	}
	// RFC 6455, section 4.2.1, item 1: the method is GET.
	if method != http.MethodGet {
		return refuse("method", http.StatusMethodNotAllowed,
			"the method is %s; a WebSocket handshake is a GET", quote(method)).with("Allow", http.MethodGet)
	}
	// RFC 6455, section 4.2.1, item 1: HTTP/1.1 or higher.
	if protoMajor < 1 || protoMinor < 1 {
		return refuse("http-version", http.StatusBadRequest,
			"the request is HTTP/%d.%d; a WebSocket handshake needs HTTP/1.1: "+
				"if a proxy stands in front, have it speak HTTP/1.1 to this server (nginx: proxy_http_version 1.1)", protoMajor, protoMinor)
	}
	return nil
}

// checkUpgrade judges the two fields that ask for another protocol.
func checkUpgrade(h http.Header) *HandshakeError {
	const proxy = "if the client sent it, a proxy in front has removed it and must be told to pass Upgrade and Connection on"
	upgrade := h["Upgrade"]
	protocols, ok := parseProtocols(upgrade)
	if !ok && len(upgrade) > 0 {
		return refuse("upgrade", http.StatusBadRequest, "the Upgrade field %s is not a list of protocols", quote(strings.Join(upgrade, ", ")))
	}
	// RFC 6455, section 4.2.1, item 3: Upgrade names websocket, in any case.
	if !hasToken(protocols, "websocket") {
		return needsUpgrade("upgrade", "this is a WebSocket endpoint and the request has no Upgrade field that names websocket; "+proxy)
	}
	connection := h["Connection"]
	options, ok := parseTokens(connection)
	if !ok && len(connection) > 0 {
		return refuse("connection", http.StatusBadRequest, "the Connection field %s is not a list of tokens", quote(strings.Join(connection, ", ")))
	}
	// RFC 6455, section 4.2.1, item 4: Connection names upgrade, in any case.
	if !hasToken(options, "upgrade") {
		return refuse("connection", http.StatusBadRequest, "the request has no Connection field that names upgrade; %s", proxy)
	}
	return nil
}

// needsUpgrade makes the refusal that says what would be accepted. RFC 6455, section 4.2.2, item 4, and RFC 9110,
// sections 7.8 and 15.5.22.
func needsUpgrade(check, reason string) *HandshakeError {
	return refuse(check, http.StatusUpgradeRequired, "%s", reason).
		with("Upgrade", "websocket").
		with("Connection", "Upgrade").
		with("Sec-WebSocket-Version", protocolVersion)
}

// checkVersion judges the values of Sec-WebSocket-Version.
func checkVersion(values []string) *HandshakeError {
	if len(values) == 0 {
		return refuse("version", http.StatusBadRequest, "the request has no Sec-WebSocket-Version; send Sec-WebSocket-Version: 13")
	}
	// RFC 6455, section 11.3.5: not more than once in a request.
	if len(values) > 1 {
		return refuse("version", http.StatusBadRequest, "the request has %d Sec-WebSocket-Version fields; send one", len(values))
	}
	version := trimOWS(values[0])
	if !isVersion(version) {
		return refuse("version", http.StatusBadRequest,
			"the Sec-WebSocket-Version %s is not a number from 0 to 255 without leading zeros", quote(version))
	}
	// RFC 6455, section 4.4: another version is told which one is spoken here.
	if version != protocolVersion {
		return needsUpgrade("version", "the Sec-WebSocket-Version is "+version+"; this server speaks version 13")
	}
	return nil
}

// isVersion tells whether s is a version of the grammar in RFC 6455, section 4.3.
func isVersion(s string) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// checkKey judges the values of Sec-WebSocket-Key and returns the key.
func checkKey(values []string) (string, *HandshakeError) {
	if len(values) == 0 {
		return "", refuse("key", http.StatusBadRequest, "the request has no Sec-WebSocket-Key")
	}
	// RFC 6455, section 11.3.1: not more than once in a request.
	if len(values) > 1 {
		return "", refuse("key", http.StatusBadRequest, "the request has %d Sec-WebSocket-Key fields; send one", len(values))
	}
	// RFC 6455, section 4.2.1, item 5: base64 of 16 bytes.
	key := trimOWS(values[0])
	if !isKey(key) {
		return "", refuse("key", http.StatusBadRequest, "the Sec-WebSocket-Key %s is not 16 bytes of base64", quote(key))
	}
	return key, nil
}

// checkOffers judges the form of what the client offers; what it means is up to selectSubprotocol and to the
// negotiation of extensions.
func checkOffers(h http.Header) *HandshakeError {
	if values := h[headerProtocol]; len(values) > 0 {
		protocols, ok := parseTokens(values)
		// RFC 6455, section 4.1, item 10: every element is a token.
		if !ok {
			return refuse("subprotocol", http.StatusBadRequest,
				"the Sec-WebSocket-Protocol field %s is not a list of tokens", quote(strings.Join(values, ", ")))
		}
		// RFC 6455, section 4.1, item 10: every element is unique.
		if p, ok := firstDouble(protocols); ok {
			return refuse("subprotocol", http.StatusBadRequest, "the subprotocol %s is offered more than once", quote(p))
		}
	}
	if values := h[headerExtensions]; len(values) > 0 {
		// RFC 6455, section 9.1: a list that does not follow the grammar fails the connection.
		if _, ok := parseExtensions(values); !ok {
			return refuse("extensions", http.StatusBadRequest,
				"the Sec-WebSocket-Extensions field %s is not a list of extensions", quote(strings.Join(values, ", ")))
		}
	}
	return nil
}

// firstDouble returns the first element of list that stands in it before.
func firstDouble(list []string) (string, bool) {
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if seen[s] {
			return s, true
		}
		seen[s] = true
	}
	return "", false
}

// trimOWS removes the white space that does not belong to a field's value. RFC 9110, section 5.5.
func trimOWS(s string) string { return strings.Trim(s, " \t") }

// selectSubprotocol returns the first subprotocol of the client's offer that is among ours, or "" if there is none:
// then the handshake goes on without one. RFC 6455, section 4.2.2, item 5, number 5: the client's order is its
// preference. Names are compared byte by byte.
func selectSubprotocol(offered http.Header, ours []string) string {
	protocols, _ := parseTokens(offered[headerProtocol])
	for _, p := range protocols {
		for _, o := range ours {
			if p == o {
				return p
			}
		}
	}
	return ""
}

// checkResponse applies the rules of RFC 6455, section 4.1 (what the client does with the server's answer), and returns
// the subprotocol the server chose, or "", and the extension that was agreed on. key is the key of the request, offered
// the subprotocols and compression the extension in it.
func checkResponse(
	status int, h http.Header, key string, offered []string, compression *Compression,
) (subprotocol string, agreed deflateParams, err *HandshakeError) {
	// RFC 6455, section 4.1, response item 1.
	if status != http.StatusSwitchingProtocols {
		return "", agreed, refuseStatus(status, h)
	}
	// RFC 6455, section 4.1, response item 2: Upgrade is websocket.
	if protocols, ok := parseProtocols(h["Upgrade"]); !ok || len(protocols) != 1 || !hasToken(protocols, "websocket") {
		return "", agreed, refuse("upgrade", status, "the server answered 101 with Upgrade %s; it must be websocket", quote(strings.Join(h["Upgrade"], ", ")))
	}
	// RFC 6455, section 4.1, response item 3: Connection names upgrade.
	if options, ok := parseTokens(h["Connection"]); !ok || !hasToken(options, "upgrade") {
		return "", agreed, refuse("connection", status, "the server answered 101 with Connection %s; it must name upgrade", quote(strings.Join(h["Connection"], ", ")))
	}
	if err := checkAccept(h[headerAccept], key); err != nil {
		return "", agreed, err
	}
	if agreed, err = checkExtensions(h[headerExtensions], compression); err != nil {
		return "", agreed, err
	}
	subprotocol, err = checkSubprotocol(h[headerProtocol], offered)
	return subprotocol, agreed, err
}

// refuseStatus makes the error for an answer other than 101.
func refuseStatus(status int, h http.Header) *HandshakeError {
	s := fmt.Sprintf("the server answered %d %s instead of 101 Switching Protocols", status, http.StatusText(status))
	location := h.Get("Location")
	switch {
	case status >= 300 && status < 400 && location != "":
		s += "; it redirects to " + quote(location) + ": dial that address, or set Dialer.MaxRedirects"
	case status == http.StatusUpgradeRequired && h.Get(headerVersion) != "":
		s += "; it speaks version " + quote(strings.Join(h[headerVersion], ", ")) + ", this client speaks 13"
	}
	return refuse("status", status, "%s", s)
}

// checkAccept judges the values of Sec-WebSocket-Accept. RFC 6455, section 4.1, response item 4, and section 11.3.3.
func checkAccept(values []string, key string) *HandshakeError {
	switch {
	case len(values) == 0:
		return refuse("accept", http.StatusSwitchingProtocols, "the server answered 101 without Sec-WebSocket-Accept; it does not speak WebSocket")
	case len(values) > 1:
		return refuse("accept", http.StatusSwitchingProtocols, "the server answered with %d Sec-WebSocket-Accept fields; one is allowed", len(values))
	case trimOWS(values[0]) != acceptKey(key):
		return refuse("accept", http.StatusSwitchingProtocols,
			"the server's Sec-WebSocket-Accept %s does not belong to the key that was sent; the answer is old, or not of a WebSocket server", quote(values[0]))
	}
	return nil
}

// checkSubprotocol judges the values of Sec-WebSocket-Protocol in an answer.
func checkSubprotocol(values, offered []string) (string, *HandshakeError) {
	if len(values) == 0 {
		return "", nil
	}
	// RFC 6455, section 11.3.4: not more than once in a response; section 4.2.2: and then it is one subprotocol.
	protocols, ok := parseTokens(values)
	if !ok || len(values) > 1 || len(protocols) > 1 {
		return "", refuse("subprotocol", http.StatusSwitchingProtocols,
			"the server answered with the subprotocol %s; one token is allowed", quote(strings.Join(values, ", ")))
	}
	// RFC 6455, section 4.1, response item 6: it must be one that was offered.
	for _, o := range offered {
		if protocols[0] == o {
			return o, nil
		}
	}
	return "", refuse("subprotocol", http.StatusSwitchingProtocols,
		"the server chose the subprotocol %s, which was not offered", quote(protocols[0]))
}
