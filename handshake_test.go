package websocket

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"
)

// The example of RFC 6455, section 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// fields makes a header from lines. A line "Name:" removes the field, "+Name: v"
// adds a value to it and "Name: v" replaces it.
func fields(base string, lines ...string) http.Header {
	h := http.Header{}
	for _, line := range append(strings.Split(base, "\n"), lines...) {
		line, add := strings.CutPrefix(line, "+")
		name, value, ok := strings.Cut(line, ":")
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !ok:
			panic("not a field: " + line)
		case add:
			h[name] = append(h[name], strings.TrimPrefix(value, " "))
		case value == "":
			delete(h, name)
		default:
			h[name] = []string{strings.TrimPrefix(value, " ")}
		}
	}
	return h
}

const goodRequest = `Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: ` + sampleKey + `
Sec-WebSocket-Version: 13`

const goodResponse = `Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: ` + sampleAccept

func TestAcceptKey(t *testing.T) {
	if got := acceptKey(sampleKey); got != sampleAccept {
		t.Errorf("RFC 6455, section 1.3: acceptKey(%q) = %q, want %q", sampleKey, got, sampleAccept)
	}
}

func TestNewKey(t *testing.T) {
	key, err := newKey(strings.NewReader("the sample nonce"))
	if key != sampleKey || err != nil {
		t.Errorf("RFC 6455, section 4.1: newKey = %q, %v; want %q", key, err, sampleKey)
	}
	if key, err := newKey(iotest.DataErrReader(strings.NewReader("short"))); err == nil {
		t.Errorf("newKey of five bytes = %q, want an error", key)
	}
	a, _ := newKey(rand.Reader)
	b, _ := newKey(rand.Reader)
	if !isKey(a) || !isKey(b) || a == b {
		t.Errorf("newKey(rand.Reader) = %q and %q, want two different keys", a, b)
	}
}

// requestTest is a change to a good request and what it makes of it.
type requestTest struct {
	rule   string
	method string // "" is GET
	proto  [2]int // zero is HTTP/1.1
	body   bool
	fields []string

	check  string // "" is accepted
	status int
	reason []string // what the reason has to name
}

var requestTests = []requestTest{
	{rule: "4.2.1: nothing else needed"},
	{rule: "4.2.1 item 1: HTTP/1.1 or higher", proto: [2]int{1, 2}},
	{rule: "4.2.1 item 1: HTTP/1.1 or higher", proto: [2]int{1, 0},
		check: "http-version", status: 400, reason: []string{"HTTP/1.0", "HTTP/1.1", "proxy"}},
	{rule: "4.2.1 item 1: HTTP/1.1 or higher", proto: [2]int{0, 9}, check: "http-version", status: 400, reason: []string{"HTTP/0.9"}},
	{rule: "RFC 9113, 8.6: no Upgrade in HTTP/2", proto: [2]int{2, 0}, check: "http-version", status: 505, reason: []string{"HTTP/2", "HTTP/1.1"}},
	{rule: "RFC 8441: not here", method: "CONNECT", proto: [2]int{2, 0}, check: "http-version", status: 505, reason: []string{"HTTP/2", "HTTP/1.1"}},
	{rule: "RFC 9114, 4.5: no Upgrade in HTTP/3", proto: [2]int{3, 0}, fields: []string{"Upgrade:", "Connection:"},
		check: "http-version", status: 505, reason: []string{"HTTP/3", "HTTP/1.1"}},
	{rule: "4.2.1 item 1: GET", method: "POST", check: "method", status: 405, reason: []string{`"POST"`, "GET"}},
	{rule: "4.2.1 item 1: GET", method: "HEAD", check: "method", status: 405},
	{rule: "4.2.1 item 1: GET", method: "get", check: "method", status: 405},
	{rule: "4.2.1 item 1: GET", method: "", fields: []string{"Upgrade: websocket"}},
	{rule: "4.2.1 item 1: GET, before its body", method: "POST", body: true, check: "method", status: 405},

	{rule: "4.2.1 item 3: no Upgrade, as from a browser's address bar", fields: []string{"Upgrade:", "Connection: keep-alive", "Sec-WebSocket-Key:", "Sec-WebSocket-Version:"},
		check: "upgrade", status: 426, reason: []string{"WebSocket endpoint", "proxy"}},
	{rule: "4.2.1 item 3: no Upgrade, all else there", fields: []string{"Upgrade:"}, check: "upgrade", status: 426},
	{rule: "4.2.1 item 3: any case", fields: []string{"Upgrade: WebSocket"}},
	{rule: "4.2.1 item 3: a list", fields: []string{"Upgrade: h2c,\t,WEBSOCKET ,"}},
	{rule: "4.2.1 item 3: a repeated field", fields: []string{"Upgrade: h2c", "+Upgrade: websocket"}},
	{rule: "4.2.1 item 3: another protocol", fields: []string{"Upgrade: h2c"}, check: "upgrade", status: 426},
	{rule: "4.2.1 item 3: a version is another protocol", fields: []string{"Upgrade: websocket/13"}, check: "upgrade", status: 426},
	{rule: "4.2.1 item 3: not a part of a token", fields: []string{"Upgrade: websockets"}, check: "upgrade", status: 426},
	{rule: "4.2.1 item 3: not a part of a token", fields: []string{"Upgrade: x-websocket"}, check: "upgrade", status: 426},
	{rule: "4.2.1 item 3: no list", fields: []string{"Upgrade: web socket, websocket"}, check: "upgrade", status: 400, reason: []string{`"web socket, websocket"`}},
	{rule: "4.2.1 item 3: no list", fields: []string{`Upgrade: "x, websocket, y"`}, check: "upgrade", status: 400},
	{rule: "4.2.1 item 3: an empty field", fields: []string{"Upgrade: "}, check: "upgrade", status: 400},

	{rule: "4.2.1 item 4: no Connection", fields: []string{"Connection:"}, check: "connection", status: 400, reason: []string{"Connection", "upgrade", "proxy"}},
	{rule: "4.2.1 item 4: any case", fields: []string{"Connection: uPGRADE"}},
	{rule: "4.2.1 item 4: a list", fields: []string{"Connection: ,keep-alive,,\tUpgrade"}},
	{rule: "4.2.1 item 4: a repeated field", fields: []string{"Connection: keep-alive", "+Connection: Upgrade"}},
	{rule: "4.2.1 item 4: another option", fields: []string{"Connection: keep-alive"}, check: "connection", status: 400},
	{rule: "4.2.1 item 4: not a part of a token", fields: []string{"Connection: upgrades, no-upgrade, up grade"}, check: "connection", status: 400},
	{rule: "4.2.1 item 4: not a part of a token", fields: []string{"Connection: upgrades, no-upgrade"}, check: "connection", status: 400},
	{rule: "4.2.1 item 4: no list", fields: []string{"Connection: Upgrade; x"}, check: "connection", status: 400, reason: []string{`"Upgrade; x"`, "not a list"}},
	{rule: "4.2.1 item 4: an empty field", fields: []string{"Connection: ,"}, check: "connection", status: 400},

	{rule: "4.2.1 item 5: no key", fields: []string{"Sec-WebSocket-Key:"}, check: "key", status: 400, reason: []string{"Sec-WebSocket-Key"}},
	{rule: "11.3.1: two keys", fields: []string{"+Sec-WebSocket-Key: " + sampleKey}, check: "key", status: 400, reason: []string{"2 Sec-WebSocket-Key"}},
	{rule: "11.3.1: two keys in one field", fields: []string{"Sec-WebSocket-Key: " + sampleKey + "," + sampleKey}, check: "key", status: 400},
	{rule: "4.2.1 item 5: an empty key", fields: []string{"Sec-WebSocket-Key: "}, check: "key", status: 400},
	{rule: "4.2.1 item 5: no base64", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="}, check: "key", status: 400, reason: []string{"dGhlIHNhbXBsZSBub25jZ!=="}},
	{rule: "4.2.1 item 5: base64 of the other alphabet", fields: []string{"Sec-WebSocket-Key: ____________________-w=="}, check: "key", status: 400},
	{rule: "4.2.1 item 5: no padding", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}, check: "key", status: 400},
	{rule: "4.2.1 item 5: 15 bytes", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"}, check: "key", status: 400},
	{rule: "4.2.1 item 5: 17 bytes in 24 characters", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQE="}, check: "key", status: 400},
	{rule: "4.2.1 item 5: 18 bytes in 24 characters", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQEB"}, check: "key", status: 400},
	{rule: "4.2.1 item 5: 32 bytes", fields: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, check: "key", status: 400},
	{rule: "4.2.1 item 5: a line break", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\n="}, check: "key", status: 400},
	{rule: "RFC 4648, 3.5: idle bits may be set", fields: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="}},

	{rule: "4.2.1 item 6: no version", fields: []string{"Sec-WebSocket-Version:"}, check: "version", status: 400, reason: []string{"Sec-WebSocket-Version: 13"}},
	{rule: "11.3.5: two versions", fields: []string{"+Sec-WebSocket-Version: 13"}, check: "version", status: 400, reason: []string{"2 Sec-WebSocket-Version"}},
	{rule: "4.3: two versions in one field", fields: []string{"Sec-WebSocket-Version: 13, 8"}, check: "version", status: 400},
	{rule: "4.4: an older version", fields: []string{"Sec-WebSocket-Version: 8"}, check: "version", status: 426, reason: []string{"8", "13"}},
	{rule: "4.4: a version to come", fields: []string{"Sec-WebSocket-Version: 255"}, check: "version", status: 426},
	{rule: "4.4: version before key", fields: []string{"Sec-WebSocket-Version: 0", "Sec-WebSocket-Key:"}, check: "version", status: 426},
	{rule: "4.3: no version above 255", fields: []string{"Sec-WebSocket-Version: 256"}, check: "version", status: 400},
	{rule: "4.3: no leading zero", fields: []string{"Sec-WebSocket-Version: 013"}, check: "version", status: 400, reason: []string{`"013"`}},
	{rule: "4.3: no sign", fields: []string{"Sec-WebSocket-Version: +13"}, check: "version", status: 400},
	{rule: "4.3: no text", fields: []string{"Sec-WebSocket-Version: thirteen"}, check: "version", status: 400},
	{rule: "4.3: an empty field", fields: []string{"Sec-WebSocket-Version: "}, check: "version", status: 400},

	{rule: "4.2.1 item 8: subprotocols", fields: []string{"Sec-WebSocket-Protocol: chat, superchat", "+Sec-WebSocket-Protocol: v2.json"}},
	{rule: "4.1 item 10: case makes a difference", fields: []string{"Sec-WebSocket-Protocol: chat, Chat"}},
	{rule: "4.1 item 10: each once", fields: []string{"Sec-WebSocket-Protocol: chat, superchat, chat"}, check: "subprotocol", status: 400, reason: []string{`"chat"`, "more than once"}},
	{rule: "4.1 item 10: each once, over fields", fields: []string{"Sec-WebSocket-Protocol: chat", "+Sec-WebSocket-Protocol: chat"}, check: "subprotocol", status: 400},
	{rule: "4.1 item 10: tokens", fields: []string{"Sec-WebSocket-Protocol: chat, super chat"}, check: "subprotocol", status: 400, reason: []string{"chat, super chat"}},
	{rule: "4.1 item 10: tokens", fields: []string{"Sec-WebSocket-Protocol: https://example.com/chat"}, check: "subprotocol", status: 400},
	{rule: "4.1 item 10: at least one", fields: []string{"Sec-WebSocket-Protocol: "}, check: "subprotocol", status: 400},

	{rule: "4.2.1 item 9: extensions", fields: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; a=\"b\""}},
	{rule: "9.1: malformed", fields: []string{"Sec-WebSocket-Extensions: permessage-deflate;"}, check: "extensions", status: 400, reason: []string{"permessage-deflate;"}},
	{rule: "9.1: at least one", fields: []string{"Sec-WebSocket-Extensions: ,"}, check: "extensions", status: 400},

	{rule: "4.1: no body", body: true, check: "body", status: 400, reason: []string{"Content-Length", "Transfer-Encoding"}},
	{rule: "4.2.1 item 10: other fields do not matter", fields: []string{"Cookie: a=b", "Content-Type: text/plain", "Sec-WebSocket-Accept: x"}},

	{rule: "quoted, in ASCII, cut", fields: []string{"Sec-WebSocket-Key: <script>\x80é\"" + strings.Repeat("k", 5000)},
		check: "key", status: 400, reason: []string{`"<script>\x80\u00e9\"kkk`}},
}

func TestCheckRequest(t *testing.T) {
	for _, tt := range requestTests {
		if tt.method == "" {
			tt.method = "GET"
		}
		if tt.proto == [2]int{} {
			tt.proto = [2]int{1, 1}
		}
		h := fields(goodRequest, tt.fields...)
		key, err := checkRequest(tt.method, tt.proto[0], tt.proto[1], h, tt.body)
		if tt.check == "" {
			if err != nil {
				t.Errorf("RFC 6455, section %s: refused: %v\n%q", tt.rule, err, h)
			} else if key != h.Get("Sec-WebSocket-Key") {
				t.Errorf("RFC 6455, section %s: key = %q", tt.rule, key)
			}
			continue
		}
		if err == nil {
			t.Errorf("RFC 6455, section %s: accepted %q, want %d %s", tt.rule, h, tt.status, tt.check)
			continue
		}
		checkRefusal(t, "RFC 6455, section "+tt.rule, err, tt.check, tt.status, tt.reason)
	}
}

// checkRefusal compares err with what is wanted and with what every refusal has
// to keep to.
func checkRefusal(t *testing.T, rule string, err *HandshakeError, check string, status int, reason []string) {
	t.Helper()
	if err.Check != check || err.Status != status {
		t.Errorf("%s: %d %s, want %d %s (%v)", rule, err.Status, err.Check, status, check, err)
	}
	for _, s := range reason {
		if !strings.Contains(err.Reason, s) {
			t.Errorf("%s: the reason does not name %q: %s", rule, s, err.Reason)
		}
	}
	checkPresentable(t, rule, err)
	want := http.Header{}
	switch err.Status {
	case http.StatusMethodNotAllowed:
		// RFC 9110, section 15.5.6.
		want.Set("Allow", "GET")
	case http.StatusUpgradeRequired:
		// RFC 6455, section 4.4; RFC 9110, section 15.5.22.
		want.Set("Upgrade", "websocket")
		want.Set("Connection", "Upgrade")
		want.Set("Sec-WebSocket-Version", "13")
	}
	for name := range want {
		if err.Header.Get(name) != want.Get(name) {
			t.Errorf("%s: %s is %q, want %q", rule, name, err.Header.Get(name), want.Get(name))
		}
	}
	if len(err.Header) != len(want) {
		t.Errorf("%s: header %q, want %q", rule, err.Header, want)
	}
}

// checkPresentable makes sure that the error can stand in a log or a response.
func checkPresentable(t *testing.T, rule string, err *HandshakeError) {
	t.Helper()
	for _, c := range []byte(err.Error()) {
		if c < 0x20 || c > 0x7e {
			t.Errorf("%s: the text holds the byte %#x: %q", rule, c, err.Error())
			break
		}
	}
	if len(err.Reason) > 1200 {
		t.Errorf("%s: the reason is %d bytes long", rule, len(err.Reason))
	}
	if !strings.Contains(err.Error(), err.Reason) || !strings.Contains(err.Error(), err.Check) {
		t.Errorf("%s: the text %q lacks reason or check", rule, err.Error())
	}
}

func TestHandshakeError(t *testing.T) {
	var err error = &HandshakeError{Check: "status", Status: 502, Reason: "the server answered 502",
		Body: []byte("<p>no\nbackend"), Err: io.ErrUnexpectedEOF}
	for _, want := range []string{"websocket: ", "(status)", "the server answered 502", `"<p>no\nbackend"`, io.ErrUnexpectedEOF.Error()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err.Error(), want)
		}
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("errors.Is does not find the error beneath")
	}
	var he *HandshakeError
	if !errors.As(err, &he) || he.Status != 502 {
		t.Error("errors.As does not find the HandshakeError")
	}
	if errors.Unwrap(&HandshakeError{}) != nil {
		t.Error("an error without one beneath unwraps to something")
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                       `""`,
		"a\r\nb":                 `"a\r\nb"`,
		"\x1b[31m":               `"\x1b[31m"`,
		"ü\u202e":                `"\u00fc\u202e"`,
		strings.Repeat("a", 96):  `"` + strings.Repeat("a", 96) + `"`,
		strings.Repeat("a", 97):  `"` + strings.Repeat("a", 96) + `"...`,
		strings.Repeat("a", 1e6): `"` + strings.Repeat("a", 96) + `"...`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%.100q) = %s, want %s", in, got, want)
		}
	}
}

func TestIsUpgrade(t *testing.T) {
	request := func(text string) *http.Request { return parseRequest(t, text) }
	const lines = "Host: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"
	for text, want := range map[string]bool{
		"GET / HTTP/1.1\r\n" + lines:                                                      true,
		"GET / HTTP/1.0\r\n" + lines:                                                      false,
		"POST / HTTP/1.1\r\n" + lines:                                                     false,
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n":                         false,
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n":                        false,
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n":        false,
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n":    false,
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websockets\r\nConnection: Upgrade\r\n\r\n": false,
	} {
		if got := IsUpgrade(request(text)); got != want {
			t.Errorf("IsUpgrade = %v, want %v:\n%s", got, want, text)
		}
	}
	r := request("GET / HTTP/1.1\r\n" + lines)
	r.ProtoMajor, r.ProtoMinor = 2, 0
	if IsUpgrade(r) {
		t.Error("IsUpgrade is true for HTTP/2")
	}
}

func TestHasBody(t *testing.T) {
	for text, want := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n":                                          false,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n":                     false,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx":                    true,
		"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":   true,
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n": true,
	} {
		if got := hasBody(parseRequest(t, text)); got != want {
			t.Errorf("hasBody = %v, want %v: %q", got, want, text)
		}
	}
}

func TestSelectSubprotocol(t *testing.T) {
	tests := []struct {
		offered []string
		ours    []string
		want    string
	}{
		{nil, nil, ""},
		{nil, []string{"chat"}, ""},
		{[]string{"chat"}, nil, ""},
		{[]string{"chat"}, []string{"chat"}, "chat"},
		{[]string{"b, a"}, []string{"a", "b"}, "b"}, // the client's order
		{[]string{"x", "b,a"}, []string{"a", "b"}, "b"},
		{[]string{"Chat"}, []string{"chat"}, ""},
		{[]string{"chat2, superchat"}, []string{"chat", "super"}, ""},
		{[]string{",,chat,"}, []string{"chat", ""}, "chat"},
		{[]string{"bad token, chat"}, []string{"chat"}, ""},
	}
	for _, tt := range tests {
		if got := selectSubprotocol(http.Header{headerProtocol: tt.offered}, tt.ours); got != tt.want {
			t.Errorf("RFC 6455, section 4.2.2: selectSubprotocol(%q, %q) = %q, want %q", tt.offered, tt.ours, got, tt.want)
		}
	}
}

type responseTest struct {
	rule    string
	status  int // 0 is 101
	fields  []string
	offered []string

	subprotocol string
	check       string // "" is accepted
	reason      []string
}

var responseTests = []responseTest{
	{rule: "4.1: nothing else needed"},
	{rule: "4.1 item 1: only 101", status: 200, check: "status", reason: []string{"200 OK", "101"}},
	{rule: "4.1 item 1: only 101", status: 100, check: "status"},
	{rule: "4.1 item 1: only 101", status: 102, check: "status"},
	{rule: "4.1 item 1: only 101", status: 403, check: "status", reason: []string{"403 Forbidden"}},
	{rule: "4.1 item 1: a redirect says where to", status: 302, fields: []string{"Location: wss://h/new\x07"}, check: "status", reason: []string{"302", `"wss://h/new\a"`}},
	{rule: "4.1 item 1: a redirect to nowhere", status: 304, check: "status", reason: []string{"304"}},
	{rule: "4.4: another version", status: 426, fields: []string{"Sec-WebSocket-Version: 8, 7"}, check: "status", reason: []string{"426", "8, 7", "13"}},

	{rule: "4.1 item 2: any case", fields: []string{"Upgrade: WebSocket"}},
	{rule: "4.1 item 2: no Upgrade", fields: []string{"Upgrade:"}, check: "upgrade", reason: []string{"Upgrade", "websocket"}},
	{rule: "4.1 item 2: another protocol", fields: []string{"Upgrade: h2c"}, check: "upgrade", reason: []string{`"h2c"`}},
	{rule: "4.1 item 2: several protocols", fields: []string{"Upgrade: websocket, h2c"}, check: "upgrade"},
	{rule: "4.1 item 2: several fields", fields: []string{"+Upgrade: websocket"}, check: "upgrade"},
	{rule: "4.1 item 2: not a part of a token", fields: []string{"Upgrade: websockets"}, check: "upgrade"},
	{rule: "4.1 item 2: malformed", fields: []string{"Upgrade: websocket x"}, check: "upgrade"},

	{rule: "4.1 item 3: any case", fields: []string{"Connection: UPGRADE"}},
	{rule: "4.1 item 3: a list", fields: []string{"Connection: keep-alive", "+Connection: ,upgrade"}},
	{rule: "4.1 item 3: no Connection", fields: []string{"Connection:"}, check: "connection", reason: []string{"Connection", "upgrade"}},
	{rule: "4.1 item 3: another option", fields: []string{"Connection: close"}, check: "connection", reason: []string{`"close"`}},
	{rule: "4.1 item 3: not a part of a token", fields: []string{"Connection: upgraded"}, check: "connection"},
	{rule: "4.1 item 3: malformed", fields: []string{"Connection: upgrade; x"}, check: "connection"},

	{rule: "4.1 item 4: white space around", fields: []string{"Sec-WebSocket-Accept: \t" + sampleAccept + " "}},
	{rule: "4.1 item 4: no Accept", fields: []string{"Sec-WebSocket-Accept:"}, check: "accept", reason: []string{"without Sec-WebSocket-Accept"}},
	{rule: "4.1 item 4: of another key", fields: []string{"Sec-WebSocket-Accept: " + acceptKey("AAAAAAAAAAAAAAAAAAAAAA==")}, check: "accept"},
	{rule: "4.1 item 4: the key itself", fields: []string{"Sec-WebSocket-Accept: " + sampleKey}, check: "accept", reason: []string{sampleKey}},
	{rule: "4.1 item 4: case counts", fields: []string{"Sec-WebSocket-Accept: " + strings.ToLower(sampleAccept)}, check: "accept"},
	{rule: "4.1 item 4: empty", fields: []string{"Sec-WebSocket-Accept: "}, check: "accept"},
	{rule: "11.3.3: twice", fields: []string{"+Sec-WebSocket-Accept: " + sampleAccept}, check: "accept", reason: []string{"2 Sec-WebSocket-Accept"}},
	{rule: "11.3.3: twice, one wrong", fields: []string{"+Sec-WebSocket-Accept: x"}, check: "accept"},
	{rule: "4.1 item 4: twice in one field", fields: []string{"Sec-WebSocket-Accept: " + sampleAccept + ", " + sampleAccept}, check: "accept"},

	{rule: "4.1 item 5: an unoffered extension", fields: []string{"Sec-WebSocket-Extensions: permessage-deflate"}, check: "extensions", reason: []string{`"permessage-deflate"`}},
	{rule: "9.1: a malformed extension", fields: []string{"Sec-WebSocket-Extensions: ;"}, check: "extensions"},
	{rule: "9.1: an empty field", fields: []string{"Sec-WebSocket-Extensions: "}, check: "extensions"},

	{rule: "4.1 item 6: the offered subprotocol", fields: []string{"Sec-WebSocket-Protocol: chat"}, offered: []string{"superchat", "chat"}, subprotocol: "chat"},
	{rule: "4.1 item 6: none of the offered", offered: []string{"chat"}},
	{rule: "4.1 item 6: an unoffered subprotocol", fields: []string{"Sec-WebSocket-Protocol: chat"}, check: "subprotocol", reason: []string{`"chat"`}},
	{rule: "4.1 item 6: case counts", fields: []string{"Sec-WebSocket-Protocol: Chat"}, offered: []string{"chat"}, check: "subprotocol"},
	{rule: "4.2.2: several subprotocols", fields: []string{"Sec-WebSocket-Protocol: chat, superchat"}, offered: []string{"chat", "superchat"}, check: "subprotocol"},
	{rule: "11.3.4: several fields", fields: []string{"Sec-WebSocket-Protocol: chat", "+Sec-WebSocket-Protocol: chat"}, offered: []string{"chat"}, check: "subprotocol"},
	{rule: "11.3.4: several fields, one empty", fields: []string{"Sec-WebSocket-Protocol: chat", "+Sec-WebSocket-Protocol: "}, offered: []string{"chat"}, check: "subprotocol"},
	{rule: "4.2.2: the empty string", fields: []string{"Sec-WebSocket-Protocol: "}, offered: []string{"chat"}, check: "subprotocol"},
	{rule: "4.2.2: no token", fields: []string{"Sec-WebSocket-Protocol: a b"}, offered: []string{"a b"}, check: "subprotocol"},
}

func TestCheckResponse(t *testing.T) {
	for _, tt := range responseTests {
		if tt.status == 0 {
			tt.status = 101
		}
		h := fields(goodResponse, tt.fields...)
		got, _, err := checkResponse(tt.status, h, sampleKey, tt.offered, nil)
		rule := "RFC 6455, section " + tt.rule
		switch {
		case tt.check == "" && err != nil:
			t.Errorf("%s: refused: %v\n%q", rule, err, h)
		case tt.check != "" && err == nil:
			t.Errorf("%s: accepted %q, want %s", rule, h, tt.check)
		case got != tt.subprotocol:
			t.Errorf("%s: subprotocol %q, want %q", rule, got, tt.subprotocol)
		case err != nil:
			if err.Check != tt.check || err.Status != tt.status || err.Header != nil {
				t.Errorf("%s: check %s, status %d, header %q; want %s, %d, none", rule, err.Check, err.Status, err.Header, tt.check, tt.status)
			}
			for _, s := range tt.reason {
				if !strings.Contains(err.Reason, s) {
					t.Errorf("%s: the reason does not name %q: %s", rule, s, err.Reason)
				}
			}
			checkPresentable(t, rule, err)
		}
	}
}

// A Location is a redirect only with a status that says so.
func TestLocationWithoutRedirect(t *testing.T) {
	_, _, err := checkResponse(201, http.Header{"Location": {"/new"}}, sampleKey, nil, nil)
	if err == nil || strings.Contains(err.Reason, "redirect") {
		t.Errorf("checkResponse = %v, want a refusal that does not speak of redirects", err)
	}
}

// parseRequest reads text as a request.
func parseRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	r, err := readRequest([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return r
}
