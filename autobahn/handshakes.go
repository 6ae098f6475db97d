package autobahn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A shake is an opening handshake that is under test itself: how the kit's half differs from a sound one, and what the
// other half has to be.
type shake struct {
	line  string   // in the place of the request line, or of the status line
	drop  []string // header fields that are left out
	add   []string // lines that are added
	bytes bool     // sent byte by byte

	status []int    // of a server: what it may answer; 101 goes on with the steps
	wants  string   // a field and a token that its answer has to have
	lacks  []string // fields that its answer must not have

	refused bool // of a client: it must not take the answer
}

// echoSteps show that a connection works.
var echoSteps = []Step{{Op: SendFrame, Opcode: opText, Payload: []byte("Hello"), Fin: true},
	{Op: Kill, Wait: time.Second}}

var echoEvents = map[Grade][][]Event{OK: {{{Kind: "message", Payload: []byte("Hello")}}}}

// handshakes are the cases of the opening handshake.
func (f *families) handshakes() {
	f.group("H", "The opening handshake")
	f.serverHandshakes()
	f.clientHandshakes()
}

func (f *families) shakes(r role, section string, list ...shakeCase) {
	f.section = section
	for _, s := range list {
		c := Case{role: r, Steps: echoSteps, Expected: echoEvents, Close: closedNormally, handshake: &s.shake,
			Description: s.what}
		switch {
		case s.refused:
			c.Expectation = "The client refuses the answer: it ends TCP, and sends nothing, not even a Close."
		case r == client || slices.Contains(s.status, 101):
			c.Expectation = "The connection opens, and a text message comes back."
		default:
			c.Expectation = "The server refuses: " + strings.Trim(strings.ReplaceAll(fmt.Sprint(s.status), " ", " or "), "[]")
		}
		if s.wants != "" {
			c.Expectation += " The answer has " + s.wants + "."
		}
		if len(s.lacks) > 0 {
			c.Expectation += " The answer has no " + strings.Join(s.lacks, ", ") + "."
		}
		f.put(c)
	}
}

type shakeCase struct {
	what string
	shake
}

const extensionsField = "Sec-WebSocket-Extensions"

func (f *families) serverHandshakes() {
	opens, refuses := []int{101}, []int{400}
	f.group("H.1", "What a server has to take")
	f.shakes(server, "RFC 6455 §4.2.1, RFC 9110 §5.6.1",
		shakeCase{"The names of the fields are in lower case.", shake{drop: []string{"Upgrade", "Connection"},
			add: []string{"upgrade: websocket", "connection: upgrade"}, status: opens}},
		shakeCase{"The tokens are in another case.", shake{drop: []string{"Upgrade", "Connection"},
			add: []string{"Upgrade: WebSocket", "Connection: UPGRADE"}, status: opens}},
		shakeCase{"Connection lists more than Upgrade.", shake{drop: []string{"Connection"},
			add: []string{"Connection: keep-alive, Upgrade"}, status: opens}},
		shakeCase{"Connection has empty elements and tabs.", shake{drop: []string{"Connection"},
			add: []string{"Connection: ,\tUpgrade\t,, keep-alive"}, status: opens}},
		shakeCase{"Connection comes in two lines.", shake{drop: []string{"Connection"},
			add: []string{"Connection: keep-alive", "Connection: Upgrade"}, status: opens}},
		shakeCase{"The request arrives byte by byte.", shake{bytes: true, status: opens}},
		shakeCase{"A subprotocol is offered that nobody knows: the server may name it in its answer, or none.", shake{
			add: []string{"Sec-WebSocket-Protocol: x-nobody-knows-this"}, status: opens}},
		shakeCase{"An extension is offered that nobody knows.", shake{
			add: []string{extensionsField + ": x-nobody-knows-this; a=1"}, status: opens, lacks: []string{extensionsField}}},
	)
	f.group("H.2", "What a server has to refuse")
	f.shakes(server, "RFC 6455 §4.2.1, §4.2.2, §4.4",
		shakeCase{"There is no key.", shake{drop: []string{"Sec-WebSocket-Key"}, status: refuses}},
		shakeCase{"The key is 15 bytes.", shake{drop: []string{"Sec-WebSocket-Key"},
			add: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"}, status: refuses}},
		shakeCase{"The key is no base64.", shake{drop: []string{"Sec-WebSocket-Key"},
			add: []string{"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="}, status: refuses}},
		shakeCase{"There are two keys.", shake{add: []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="},
			status: refuses}},
		shakeCase{"The version is 12.", shake{drop: []string{"Sec-WebSocket-Version"},
			add: []string{"Sec-WebSocket-Version: 12"}, status: []int{426, 400}, wants: "Sec-WebSocket-Version: 13"}},
		shakeCase{"There is no version.", shake{drop: []string{"Sec-WebSocket-Version"}, status: []int{400, 426}}},
		shakeCase{"The method is POST.", shake{line: "POST %s HTTP/1.1", status: []int{405, 400}}},
		shakeCase{"The protocol is HTTP/1.0.", shake{line: "GET %s HTTP/1.0", status: []int{400, 426, 505}}},
		shakeCase{"There is no Upgrade.", shake{drop: []string{"Upgrade"}, status: []int{400, 426}}},
		shakeCase{"Upgrade is only similar to websocket.", shake{drop: []string{"Upgrade"},
			add: []string{"Upgrade: websockets"}, status: []int{400, 426}}},
		shakeCase{"There is no Connection.", shake{drop: []string{"Connection"}, status: []int{400, 426}}},
		shakeCase{"Connection is only similar to Upgrade.", shake{drop: []string{"Connection"},
			add: []string{"Connection: no-upgrade"}, status: []int{400, 426}}},
		shakeCase{"There is no Host.", shake{drop: []string{"Host"}, status: refuses}},
	)
	f.group("H.3", "Offers of permessage-deflate that a server has to decline")
	var list []shakeCase
	for _, p := range []string{"server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=09",
		"server_max_window_bits", "client_max_window_bits=7", "client_max_window_bits=+9", "server_no_context_takeover=1",
		"client_no_context_takeover=true", "x-unknown", "server_no_context_takeover; server_no_context_takeover"} {
		list = append(list, shakeCase{"The offer has " + p + ".", shake{status: opens, lacks: []string{extensionsField},
			add: []string{extensionsField + ": permessage-deflate; " + p}}})
	}
	f.shakes(server, "RFC 7692 §7.1", list...)
}

func (f *families) clientHandshakes() {
	f.group("H.4", "What a client has to take")
	f.shakes(client, "RFC 6455 §4.1",
		shakeCase{"The names of the fields are in lower case.", shake{drop: []string{"Upgrade", "Connection"},
			add: []string{"upgrade: websocket", "connection: upgrade"}}},
		shakeCase{"The tokens are in another case.", shake{drop: []string{"Upgrade", "Connection"},
			add: []string{"Upgrade: WebSocket", "Connection: UPGRADE"}}},
		shakeCase{"The answer arrives byte by byte.", shake{bytes: true}},
		shakeCase{"The answer has fields that nobody knows.", shake{add: []string{"X-Nobody-Knows: this"}}},
	)
	f.group("H.5", "What a client has to refuse")
	accept := "Sec-WebSocket-Accept"
	f.shakes(client, "RFC 6455 §4.1, RFC 7692 §7.1",
		shakeCase{"The status is 200.", shake{line: "HTTP/1.1 200 OK", add: []string{"Content-Length: 0"}, refused: true}},
		shakeCase{"There is no Accept.", shake{drop: []string{accept}, refused: true}},
		shakeCase{"Accept is that of another key.", shake{drop: []string{accept},
			add: []string{accept + ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, refused: true}},
		shakeCase{"There are two different Accepts.", shake{add: []string{accept + ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
			refused: true}},
		shakeCase{"There is no Upgrade.", shake{drop: []string{"Upgrade"}, refused: true}},
		shakeCase{"There is no Connection.", shake{drop: []string{"Connection"}, refused: true}},
		shakeCase{"Upgrade is only similar to websocket.", shake{drop: []string{"Upgrade"},
			add: []string{"Upgrade: websockets"}, refused: true}},
		shakeCase{"An extension is agreed to that nobody has offered.", shake{
			add: []string{extensionsField + ": x-not-offered"}, refused: true}},
		shakeCase{"A subprotocol is named that nobody has offered.", shake{
			add: []string{"Sec-WebSocket-Protocol: x-not-offered"}, refused: true}},
		shakeCase{"The answer to permessage-deflate has a parameter that is unknown.", shake{
			add: []string{extensionsField + ": permessage-deflate; x-unknown"}, refused: true}},
		shakeCase{"The answer to permessage-deflate has a window of 7 bits.", shake{
			add: []string{extensionsField + ": permessage-deflate; server_max_window_bits=7"}, refused: true}},
	)
}

// apply changes a sound half of a handshake.
func (s *shake) apply(head string) string {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	if s.line != "" {
		lines[0] = s.line
	}
	lines = slices.DeleteFunc(lines, func(l string) bool {
		name, _, field := strings.Cut(l, ": ")
		return field && slices.Contains(s.drop, name)
	})
	return strings.Join(append(lines, s.add...), "\r\n") + "\r\n\r\n"
}

// send writes half of a handshake.
func (s *shake) send(w io.Writer, head string) error {
	if !s.bytes {
		_, err := io.WriteString(w, head)
		return err
	}
	for i := range len(head) {
		if _, err := io.WriteString(w, head[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// shakeServer tests the handshake of a server. done tells that the case is over with it; otherwise it goes on, and
// early is what came right behind the answer.
func (c *conn) shakeServer(a *address) (early []byte, done bool, err error) {
	h, key := c.c.handshake, newKey()
	c.r.HTTPRequest = strings.Replace(h.apply(a.request(key, c.opt.Header)), "%s", a.url.RequestURI(), 1)
	c.nc.SetDeadline(time.Now().Add(c.opt.limit(openLimit)))
	if err := h.send(c.nc, c.r.HTTPRequest); err != nil {
		return nil, false, err
	}
	resp, early, err := c.response()
	if err != nil {
		return nil, false, err
	}
	if err := h.judge(resp); err != nil {
		c.r.Reason, c.r.BehaviorClose = "The answer is wrong: "+err.Error()+".", OK
		c.nc.Close()
		return nil, true, nil
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		c.r.Behavior, c.r.BehaviorClose, c.r.Reason = OK, OK, "The server answered "+resp.Status+"."
		c.nc.Close()
		return nil, true, nil
	}
	return early, false, c.opened(resp, key)
}

// judge compares the answer of a server with what it may be.
func (s *shake) judge(resp *http.Response) error {
	if !slices.Contains(s.status, resp.StatusCode) {
		return fmt.Errorf("the status is %s, not %v", resp.Status, s.status)
	}
	for _, f := range s.lacks {
		if v := resp.Header.Values(f); len(v) > 0 {
			return fmt.Errorf("it has %s: %q", f, v)
		}
	}
	if f, token, _ := strings.Cut(s.wants, ": "); s.wants != "" && !hasToken(resp.Header, f, token) {
		return fmt.Errorf("it has no %s", s.wants)
	}
	return nil
}

// shakeClient tests how a client takes an answer. It returns false when the connection is sound and goes on. early is
// what the client has sent before there was an answer.
func (c *conn) shakeClient(req *http.Request, early []byte) (done bool, err error) {
	h := c.c.handshake
	c.r.HTTPResponse = h.apply(answer(req))
	if err := h.send(c.nc, c.r.HTTPResponse); err != nil || !h.refused {
		return false, err
	}
	hello := header{fin: true, opcode: opText, length: 5}.append(nil)
	c.nc.Write(append(hello, "Hello"...)) // a client that has refused may have gone
	c.nc.SetDeadline(time.Now().Add(c.opt.limit(openLimit)))
	rest, err := io.ReadAll(io.LimitReader(c.nc, maxHead))
	c.nc.Close()
	c.r.BehaviorClose = OK
	switch sent := append(early, rest...); {
	case len(sent) > 0:
		c.r.Reason = "The client has to refuse the answer, and sent " + firstFrame(sent) + "."
	case isTimeout(err):
		c.r.Reason = "The client did not end the connection."
	default:
		c.r.Behavior, c.r.Reason = OK, "The client refused the answer."
	}
	return true, nil
}

// firstFrame says what b begins with. A Close is no exception: before the connection is established there is nobody to
// send one to, RFC 6455 §7.1.7.
func firstFrame(b []byte) string {
	if h, n := parseHeader(b); n > 0 {
		return "a " + frameName(h.opcode) + " frame"
	}
	return count(len(b), "byte")
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
