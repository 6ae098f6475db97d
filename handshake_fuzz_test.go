package websocket

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func readRequest(raw []byte) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
}

// FuzzRequest reads raw as a request and judges it. Its verdict has to follow
// from a slow reading of the same header, and every refusal has to be
// presentable.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := readRequest(raw)
		if err != nil {
			return
		}
		for _, name := range []string{"Connection", headerProtocol} {
			got, ok := parseTokens(r.Header[name])
			want, wantOK := naiveTokens(r.Header[name])
			if ok != wantOK || ok && !slices.Equal(got, want) {
				t.Fatalf("parseTokens(%q) = %q, %v; the slow reading says %q, %v", r.Header[name], got, ok, want, wantOK)
			}
		}
		checkExtensionsAgain(t, r.Header[headerExtensions])
		key, herr := checkRequest(r.Method, r.ProtoMajor, r.ProtoMinor, r.Header, hasBody(r))
		if (herr == nil) != naiveAccepts(r) {
			t.Fatalf("checkRequest = %q, %v; the slow reading disagrees", key, herr)
		}
		if herr != nil {
			checkPresentable(t, "request", herr)
			if key != "" || herr.Status < 400 || herr.Status > 599 {
				t.Fatalf("a refusal with key %q and status %d", key, herr.Status)
			}
			return
		}
		if !IsUpgrade(r) {
			t.Fatal("IsUpgrade is false for a handshake that is accepted")
		}
		if p := selectSubprotocol(r.Header, []string{"chat"}); p != "" && !slices.Contains(mustTokens(t, r.Header[headerProtocol]), p) {
			t.Fatalf("the subprotocol %q was not offered", p)
		}
	})
}

// naiveAccepts judges a request the slow way.
func naiveAccepts(r *http.Request) bool {
	connection, ok := naiveTokens(r.Header["Connection"])
	if !ok || !slices.ContainsFunc(connection, func(s string) bool { return strings.ToLower(s) == "upgrade" }) {
		return false
	}
	// A protocol is two tokens with a slash between; give every one a slash.
	var names []string
	for _, p := range strings.Split(strings.Join(r.Header["Upgrade"], ","), ",") {
		p = strings.Trim(p, " \t")
		if p == "" {
			continue
		}
		name, version, found := strings.Cut(p, "/")
		if _, ok := naiveTokens([]string{name}); !ok || strings.Contains(name, ",") || name != strings.Trim(name, " \t") {
			return false
		}
		if !found {
			names = append(names, strings.ToLower(name))
		} else if _, ok := naiveTokens([]string{version}); !ok || version != strings.Trim(version, " \t") {
			return false
		}
	}
	if p, found := r.Header[headerProtocol]; found {
		tokens, ok := naiveTokens(p)
		slices.Sort(tokens)
		if !ok || len(slices.Compact(slices.Clone(tokens))) != len(tokens) {
			return false
		}
	}
	if e, found := r.Header[headerExtensions]; found {
		if _, ok := parseExtensions(e); !ok {
			return false
		}
	}
	key := r.Header[headerKey]
	return r.Method == "GET" && r.ProtoMajor == 1 && r.ProtoMinor > 0 && !hasBody(r) &&
		slices.Contains(names, "websocket") &&
		slices.Equal(r.Header[headerVersion], []string{"13"}) &&
		len(key) == 1 && len(key[0]) == 24 && strings.HasSuffix(key[0], "==") &&
		strings.Trim(key[0][:22], "+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" &&
		!strings.Contains(key[0][:22], "=")
}

// checkExtensionsAgain writes what was read in one way, and reads it again.
func checkExtensionsAgain(t *testing.T, values []string) {
	list, ok := parseExtensions(values)
	if !ok {
		return
	}
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.name)
		for _, p := range e.params {
			if !isToken(p.name) || p.hasValue != (p.value != "") {
				t.Fatalf("parseExtensions(%q) has the parameter %+v", values, p)
			}
			b.WriteString(";" + p.name)
			if p.hasValue {
				b.WriteString(`="` + p.value + `"`)
			}
		}
	}
	again, ok := parseExtensions([]string{b.String()})
	same := slices.EqualFunc(list, again, func(a, b extension) bool { return a.name == b.name && slices.Equal(a.params, b.params) })
	if !ok || !same {
		t.Fatalf("parseExtensions(%q) = %v; written and read again it is %v", values, list, again)
	}
}

func mustTokens(t *testing.T, values []string) []string {
	tokens, ok := parseTokens(values)
	if !ok {
		t.Fatalf("an accepted request has the list %q", values)
	}
	return tokens
}

// FuzzResponse reads raw as a response and judges it. What is accepted has to
// be a handshake for the key and the offer.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			return
		}
		defer res.Body.Close()
		offered := []string{"chat", "superchat"}
		subprotocol, _, herr := checkResponse(res.StatusCode, res.Header, sampleKey, offered, nil)
		if herr != nil {
			checkPresentable(t, "response", herr)
			if subprotocol != "" || herr.Status != res.StatusCode || herr.Header != nil {
				t.Fatalf("a refusal with subprotocol %q, status %d, header %q", subprotocol, herr.Status, herr.Header)
			}
			return
		}
		upgrade, _ := naiveTokens(res.Header["Upgrade"])
		connection, _ := naiveTokens(res.Header["Connection"])
		isUpgrade := func(s string) bool { return strings.ToLower(s) == "upgrade" }
		if res.StatusCode != 101 ||
			len(upgrade) != 1 || strings.ToLower(upgrade[0]) != "websocket" ||
			!slices.ContainsFunc(connection, isUpgrade) ||
			!slices.Equal(res.Header[headerAccept], []string{sampleAccept}) ||
			len(res.Header[headerExtensions]) != 0 ||
			len(res.Header[headerProtocol]) > 1 ||
			subprotocol != "" && !slices.Contains(offered, subprotocol) ||
			subprotocol != strings.Trim(res.Header.Get(headerProtocol), " \t,") {
			t.Fatalf("accepted with subprotocol %q: %d %q", subprotocol, res.StatusCode, res.Header)
		}
	})
}

// FuzzOrigin matches an origin with a host and a pattern.
func FuzzOrigin(f *testing.F) {
	f.Add("https://app.example.com", "app.example.com", "https://*.example.com")
	f.Add("http://[::1]:8080", "[0::1]:8080", "localhost:*")
	f.Add("null", "h", "null")
	f.Fuzz(func(t *testing.T, text, host, pattern string) {
		herr := checkOrigin([]string{text}, host, nil)
		text = trimOWS(text) // a field's value does not include the white space around it
		o, ok := parseOrigin(text)
		if herr == nil {
			// Only a page of this very host needs no pattern: then the origin,
			// but for its scheme, is in the host, whatever the spelling.
			if !ok || o.host == "" || !sameHost(o, host) {
				t.Fatalf("origin %q is accepted for host %q", text, host)
			}
			if h, port, ok := parseHostPort(host); !ok || h != o.host || port != "" && port != o.port && port != defaultPorts[o.scheme] {
				t.Fatalf("origin %q is accepted for host %q", text, host)
			}
		} else {
			checkPresentable(t, "origin", herr)
		}
		p, err := parseOriginPattern(pattern)
		if (CheckOriginPattern(pattern) == nil) != (err == nil) {
			t.Fatalf("CheckOriginPattern(%q) disagrees with parseOriginPattern", pattern)
		}
		withPattern := checkOrigin([]string{text}, host, []string{pattern})
		switch {
		case !ok && withPattern == nil:
			t.Fatalf("%q is no origin and is accepted", text)
		case herr == nil && withPattern != nil:
			t.Fatalf("the pattern %q takes away from %q what it had for host %q", pattern, text, host)
		case herr != nil && ok && err != nil && (withPattern == nil || withPattern.Status != 500):
			t.Fatalf("the wrong pattern %q is not noticed: %v", pattern, withPattern)
		}
		if !ok || err != nil {
			return
		}
		if p.match(o) && text == "null" && pattern != "null" {
			t.Fatalf("the pattern %q matches null", pattern)
		}
		// An origin that was read is a pattern for itself, in its usual spelling.
		if self, err := parseOriginPattern(o.String()); err != nil || !self.match(o) {
			t.Fatalf("%q, written %q, does not match itself: %v", text, o.String(), err)
		}
	})
}

// String returns the usual spelling of o.
func (o origin) String() string {
	if o == (origin{}) {
		return "null"
	}
	s := o.scheme + "://"
	if strings.Contains(o.host, ":") {
		s += "[" + o.host + "]"
	} else {
		s += o.host
	}
	if o.port != "" {
		s += ":" + o.port
	}
	return s
}
