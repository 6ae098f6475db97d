package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/lineedit"
)

// The tests of this file are about what is shown of what happens: --json, --pretty, -v.

// parseEvents parses what --json printed. Every line has to be an object with a time and nothing that is not
// documented.
func parseEvents(t *testing.T, stdout string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(e["time"])); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		for field := range e {
			if !regexp.MustCompile(`\b` + field + `\b`).MatchString(connectHelp) {
				t.Errorf("the help does not explain the field %q of %q", field, line)
			}
		}
		if kind := fmt.Sprint(e["event"]); !regexp.MustCompile(`(?m)^  (\w+ )*` + kind + ` `).MatchString(connectHelp) {
			t.Errorf("the help does not explain the event of %q", line)
		}
		delete(e, "time")
		all = append(all, e)
	}
	return all
}

// wantEvents wants these events, each as JSON, among those that came, in this order.
func wantEvents(t *testing.T, got []map[string]any, want ...string) {
	t.Helper()
	rest := got
	for _, w := range want {
		var e map[string]any
		if err := json.Unmarshal([]byte(w), &e); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rest, func(g map[string]any) bool { return fmt.Sprint(g) == fmt.Sprint(e) })
		if i < 0 {
			t.Errorf("no %s in %v", w, rest)
			return
		}
		rest = rest[i+1:]
	}
}

func TestConnectJSON(t *testing.T) {
	const cruel = "\x1b[31m\u202e\U000e0041\"\\\u2028<\n"
	upgrader := websocket.Upgrader{Subprotocols: []string{"chat"}, Compression: &websocket.Compression{Threshold: -1}}
	url := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		c.SetReadDeadline(time.Now().Add(patience))
		if _, _, err := c.ReadMessage(); err != nil {
			t.Error(err)
		}
		c.WriteUncompressed(websocket.TextMessage, []byte(cruel))
		c.WriteMessage(websocket.TextMessage, nil)
		c.WriteUncompressed(websocket.BinaryMessage, []byte("\x00\xff"))
		c.WriteControl(websocket.OpPing, []byte("are you there?"))
		c.WriteControl(websocket.OpPong, []byte("\xff"))
		c.WriteMessage(websocket.TextMessage, []byte(repetitive))
		c.CloseWith(4000, "bye")
	})
	code, stdout, stderr := pipe(t, "", "--json", "-s", "chat", "-m", "hello", "-w", "-1s", url)
	if code != exitFailed || strings.ContainsAny(stdout, "\x1b\u202e\U000e0041\u2028") ||
		!strings.Contains(stderr, "4000") {
		t.Errorf("exit code %d, printed %q, said %q; want 1", code, stdout, stderr)
	}
	got := parseEvents(t, stdout)
	if len(got) == 0 || got[0]["event"] != "open" || got[0]["url"] != url || got[0]["subprotocol"] != "chat" ||
		!strings.HasPrefix(fmt.Sprint(got[0]["extension"]), "permessage-deflate") {
		t.Errorf("the first event is %v", got[0])
	}
	quoted, _ := json.Marshal(cruel)
	wantEvents(t, got, `{"event":"sent","type":"text","size":5}`)
	wantEvents(t, got,
		`{"event":"message","type":"text","size":`+fmt.Sprint(len(cruel))+`,"text":`+string(quoted)+`}`,
		`{"event":"message","type":"binary","size":2,"base64":"AP8="}`,
		`{"event":"close","by":"server","code":4000,"reason":"bye"}`)
	wantEvents(t, got, `{"event":"ping","size":14,"text":"are you there?"}`, `{"event":"pong","size":1,"base64":"/w=="}`)
	var last map[string]any // "sent" may come behind the answer: it is said when the message has gone
	for _, e := range got {
		if e["event"] == "message" {
			last = e
		}
	}
	if compressed, _ := last["compressed"].(float64); last["text"] != repetitive ||
		last["size"] != float64(len(repetitive)) || compressed == 0 || compressed > 100 {
		t.Errorf("the last message is %v; want a compressed one", last)
	}
}

// serverFrame returns a frame of a server.
func serverFrame(op websocket.Opcode, payload []byte) []byte {
	h := websocket.Header{Fin: true, Opcode: op, Length: uint64(len(payload))}
	return append(websocket.AppendHeader(nil, h), payload...)
}

// TestConnectJSONBeginsWithOpen: also when a frame comes in one piece with the handshake's answer.
func TestConnectJSONBeginsWithOpen(t *testing.T) {
	url := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		nc, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		hash := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(hash[:]) + "\r\n\r\n"
		io.WriteString(nc, answer+string(serverFrame(websocket.OpPing, []byte("early")))+
			string(serverFrame(websocket.OpPong, []byte("too")))+string(serverFrame(websocket.OpClose, []byte("\x03\xe8"))))
		io.Copy(io.Discard, nc)
	})
	_, stdout, _ := pipe(t, "", "--json", "-v", url)
	var got []string
	for _, e := range parseEvents(t, stdout) {
		switch e["event"] {
		case "ping", "pong":
			got = append(got, fmt.Sprint(e["event"], " ", e["text"]))
		case "open":
			got = append(got, "open")
		case "frame":
			if len(got) == 0 {
				t.Errorf("a frame before the connection: %v", e)
			}
		}
	}
	if !slices.Equal(got, []string{"open", "ping early", "pong too"}) {
		t.Errorf("got %q", got)
	}
}

// TestScreenSaysThatALineIsFull: once for each, and what was typed before stays.
func TestScreenSaysThatALineIsFull(t *testing.T) {
	r, w := osPipe(t)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	s := screen{std: streams{out: null, err: w}, tooLong: longTyped, asking: true, columns: byDefault}
	for range 2 {
		lines, _ := s.typed([]byte(strings.Repeat("x", lineedit.MaxLine) + "yz\r"))
		if len(lines) != 1 || lines[0] != strings.Repeat("x", lineedit.MaxLine) {
			t.Errorf("%d lines", len(lines))
		}
	}
	w.Close()
	said, err := io.ReadAll(r)
	if err != nil || strings.Count(string(said), "\n") != 2 || !strings.Contains(string(said), "at most 1048576 bytes") {
		t.Errorf("said %q, %v", said, err)
	}
}

// TestConnectJSONOfOtherEnds: what ends it is an event.
func TestConnectJSONOfOtherEnds(t *testing.T) {
	closed := serveHandler(t, nil)
	code, stdout, _ := pipe(t, "", "--json", closed)
	if got := parseEvents(t, stdout); code != exitConnect || len(got) != 1 ||
		!strings.Contains(fmt.Sprint(got[0]["error"]), "refused") {
		t.Errorf("exit code %d, printed %q", code, stdout)
	}
	lost := scripted(t, func(c *websocket.Conn) { c.CloseNow() })
	code, stdout, _ = pipe(t, "", "--json", "-w", "-1s", lost)
	if got := parseEvents(t, stdout); code != exitFailed || len(got) != 2 ||
		!strings.Contains(fmt.Sprint(got[1]["error"]), "lost") {
		t.Errorf("exit code %d, printed %q", code, stdout)
	}
	stays := scripted(t, func(c *websocket.Conn) { say(t, c, "x"); wantGoodbye(t, c) })
	code, stdout, _ = pipe(t, "", "--json", "-v", "-i", "1h", "-w", "3s", stays)
	got := parseEvents(t, stdout)
	if code != exitOK {
		t.Errorf("exit code %d, printed %q", code, stdout)
	}
	wantEvents(t, got, `{"event":"frame","direction":"in","opcode":1,"fin":true,"rsv":"000","mask":false,"length":1}`,
		`{"event":"message","type":"text","size":1,"text":"x"}`)
	wantEvents(t, got, `{"event":"frame","direction":"out","opcode":9,"fin":true,"rsv":"000","mask":true,"length":8}`,
		`{"event":"frame","direction":"out","opcode":8,"fin":true,"rsv":"000","mask":true,"length":2}`,
		`{"event":"close","by":"client","code":1000,"reason":""}`)
	if !slices.ContainsFunc(got, func(e map[string]any) bool { rtt, ok := e["rtt_ms"].(float64); return ok && rtt >= 0 }) {
		t.Errorf("no rtt in %v", got)
	}
}

func TestConnectPretty(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		say(t, c, `{"a":[1,2],"big":12345678901234567890.10,"text":"<\u0041>"}`, ` [ ] `, `"text"`, `{broken`, ``, `17`)
		c.WriteMessage(websocket.BinaryMessage, []byte(`{"a":1}`))
		c.Close()
	})
	filter(t, "", `{
  "a": [
    1,
    2
  ],
  "big": 12345678901234567890.10,
  "text": "<\u0041>"
}
[]
"text"
{broken

17
{"a":1}
`, "--pretty", url)
}

// TestConnectSaysFrames: with -v the handshake and every frame, sent and received, with what its header says.
func TestConnectSaysFrames(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		w, err := c.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Error(err)
			return
		}
		w.Write([]byte(strings.Repeat("x", 70000)))
		w.Close()
		c.WriteControl(websocket.OpPing, []byte("p\x1b"))
		c.ReadMessage()
		c.CloseWith(websocket.CloseNormal, "bye\x1b")
	})
	code, _, stderr := pipe(t, "", "-v", "-H", "X-Test: \x9b1m\xc2\x9b1m", "-H", "Cookie: secret", "-u", "user:secret",
		"-m", "hello", url)
	if code != exitOK || strings.Contains(stderr, "secret") {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	for _, line := range []string{
		`> Authorization: \[22 bytes\]`,
		`> Cookie: \[6 bytes\]`,
		`\* connected to tcp 127\.0\.0\.1:\d+`,
		`> GET / HTTP/1\.1`,
		`> Sec-WebSocket-Version: 13`,
		`> X-Test: \\x9b1m\\u009b1m`,
		`< HTTP/1\.1 101 Switching Protocols`,
		`< Upgrade: websocket`,
		`\* extension: none`,
		`> frame FIN=1 RSV=000 opcode=1 \(text\) MASK=1 length=5`,
		`> text, 5 bytes`,
		`< frame FIN=0 RSV=000 opcode=1 \(text\) MASK=0 length=\d+`,
		`< frame FIN=1 RSV=000 opcode=0 \(continuation\) MASK=0 length=\d+`,
		`< text, 70000 bytes`,
		`< frame FIN=1 RSV=000 opcode=9 \(ping\) MASK=0 length=2 payload="p\\x1b"`,
		`> frame FIN=1 RSV=000 opcode=10 \(pong\) MASK=1 length=2 payload="p\\x1b"`,
		`< frame FIN=1 RSV=000 opcode=8 \(close\) MASK=0 length=6 code=1000 reason="bye\\x1b"`,
		`> frame FIN=1 RSV=000 opcode=8 \(close\) MASK=1 length=2 code=1000`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(stderr) {
			t.Errorf("no %s in\n%s", line, stderr)
		}
	}
}

// TestConnectSaysARefusal: with -v also the header that it came with.
func TestConnectSaysARefusal(t *testing.T) {
	url := serveHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Why", "no")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "a body\r\n\r\nthat has the form of a head\r\n\r\n")
	})
	code, _, stderr := pipe(t, "", "-v", url)
	heads := regexp.MustCompile(`(?s)< HTTP/1\.1 103 .*< HTTP/1\.1 401 .*\n< X-Why: no\n`)
	if code != exitConnect || !heads.MatchString(stderr) || strings.Contains(stderr, "< a body") {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
}

// observed returns what an observer says of a direction, cut into two pieces.
func observed(stream string, cut int) (seen []string) {
	o := observer{
		head: func(head string) stage {
			seen = append(seen, head)
			return afterAnswer(head)
		},
		frame: func(h websocket.Header, p []byte) { seen = append(seen, describeFrame(h, p)) },
	}
	o.look([]byte(stream[:cut]))
	o.look([]byte(stream[cut:]))
	return seen
}

func TestObserver(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n"
	for _, tt := range []struct {
		rule, stream string
		want         []string
	}{
		{"nothing", "", nil},
		{"half a head", head[:20], nil},
		{"a head", head, []string{head}},
		{"a refusal", "HTTP/1.1 404 Not Found\r\n\r\nx\r\n\r\n\x81\x00", []string{"HTTP/1.1 404 Not Found\r\n\r\n"}},
		{"an earlier head", "HTTP/1.1 103 Early Hints\r\n\r\n" + head, []string{"HTTP/1.1 103 Early Hints\r\n\r\n", head}},
		{"a head that is too long", strings.Repeat("x", maxHead) + "\r\n\r\n\x81\x00", nil},
		{"frames", head + "\x81\x05hello\x02\x7e\x01\x00" + strings.Repeat("\x88", 256) + "\x80\x00", []string{head,
			"FIN=1 RSV=000 opcode=1 (text) MASK=0 length=5",
			"FIN=0 RSV=000 opcode=2 (binary) MASK=0 length=256",
			"FIN=1 RSV=000 opcode=0 (continuation) MASK=0 length=0"}},
		{"masked", head + "\x89\x83\x01\x02\x03\x04\x60\x60\x60\x89\x80\x01\x02\x03\x04", []string{head,
			`FIN=1 RSV=000 opcode=9 (ping) MASK=1 length=3 payload="abc"`,
			`FIN=1 RSV=000 opcode=9 (ping) MASK=1 length=0`}},
		{"closes", head + "\x88\x00\x88\x01x\x88\x04\x03\xe8hi", []string{head,
			"FIN=1 RSV=000 opcode=8 (close) MASK=0 length=0",
			"FIN=1 RSV=000 opcode=8 (close) MASK=0 length=1",
			`FIN=1 RSV=000 opcode=8 (close) MASK=0 length=4 code=1000 reason="hi"`}},
		{"what breaks the rules", head + "\x7b\x7e\x00\x01x\x89\x7e\x00\x7e" + strings.Repeat("p", 126) +
			"\xf1\x00", []string{head,
			"FIN=0 RSV=111 opcode=11 (opcode 11) MASK=0 length=1 payload=\"x\"",
			"FIN=1 RSV=000 opcode=9 (ping) MASK=0 length=126",
			"FIN=1 RSV=111 opcode=1 (text) MASK=0 length=0"}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for cut := range len(tt.stream) + 1 {
				if got := observed(tt.stream, cut); !slices.Equal(got, tt.want) {
					t.Fatalf("cut at %d: %q; want %q", cut, got, tt.want)
				}
				if len(tt.stream) > maxHead && cut == 9 {
					break
				}
			}
		})
	}
}

// FuzzObserver: what is seen does not depend on how it comes.
func FuzzObserver(f *testing.F) {
	const head = "HTTP/1.1 101 x\r\n\r\n"
	for _, seed := range []string{head, head + "\x81\x05hello\x88\x02\x03\xe8",
		head + "\x89\x83\x01\x02\x03\x04\x60\x60\x60",
		"HTTP/1.1 100 x\r\n\r\n" + head + "\x02\x7f\x00\x00\x00\x00\x00\x01\x00\x00", "HTTP/1.1 500 x\r\n\r\n\r\n\r\n"} {
		f.Add(seed, uint16(3))
	}
	f.Fuzz(func(t *testing.T, stream string, cut uint16) {
		whole := observed(stream, 0)
		if parts := observed(stream, min(int(cut), len(stream))); !slices.Equal(parts, whole) {
			t.Errorf("cut at %d: %q; in one: %q", cut, parts, whole)
		}
	})
}

func TestParseLine(t *testing.T) {
	for _, tt := range []struct {
		line string
		want outgoing
	}{
		{"hello", outgoing{op: websocket.OpText, p: []byte("hello")}},
		{"", outgoing{op: websocket.OpText}},
		{" /ping", outgoing{op: websocket.OpText, p: []byte(" /ping")}},
		{"//", outgoing{op: websocket.OpText, p: []byte("/")}},
		{"///x", outgoing{op: websocket.OpText, p: []byte("//x")}},
		{"/ping  a b ", outgoing{op: websocket.OpPing, p: []byte(" a b ")}},
		{"/bin", outgoing{op: websocket.OpBinary}},
		{"/close", outgoing{op: websocket.OpClose, code: 1000}},
		{"/close 4999", outgoing{op: websocket.OpClose, code: 4999}},
		{"/close 1001 a  b", outgoing{op: websocket.OpClose, code: 1001, p: []byte("a  b")}},
	} {
		got, err := parseLine(tt.line, websocket.OpText)
		if err != nil || got.op != tt.want.op || string(got.p) != string(tt.want.p) || got.code != tt.want.code {
			t.Errorf("%q: %+v, %v; want %+v", tt.line, got, err, tt.want)
		}
	}
	for _, line := range []string{
		"/", "/x", "/PING", "/close x", "/close 1004", "/close 5000", "/close 65536", "/bin xx", "/bin f",
	} {
		if got, err := parseLine(line, websocket.OpText); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
	if got, err := parseLine("x", websocket.OpBinary); err != nil || got.op != websocket.OpBinary {
		t.Errorf("with -b: %+v, %v", got, err)
	}
}

// TestTypedPings: a Pong answers the latest Ping with its payload, and those before.
func TestTypedPings(t *testing.T) {
	var pings typedPings
	for range 2 * maxPings {
		pings.sent([]byte("forgotten"))
	}
	for _, p := range []string{"a", "b", "a", "c"} {
		pings.sent([]byte(p))
	}
	for _, tt := range []struct {
		pong string
		want bool
	}{{"x", false}, {"a", true}, {"a", false}, {"b", false}, {"forgotten", false}, {"c", true}, {"c", false}} {
		if _, ok := pings.answered([]byte(tt.pong)); ok != tt.want {
			t.Errorf("%q answers: %v; want %v", tt.pong, ok, tt.want)
		}
	}
}

// TestConnectPromptQueues: lines wait for a server that takes nothing, and those who type the next ones with them.
func TestConnectPromptQueues(t *testing.T) {
	c := &client{connectFlags: &connectFlags{}, stop: t.Context(), typed: make(chan outgoing, maxTyped)}
	const lines = 3 * maxTyped
	for n := range lines {
		c.enter(strconv.Itoa(n))
	}
	c.endTyping()
	typed := c.typed
	for n := range lines {
		for c.typed != nil && len(typed) < maxTyped {
			c.step()
		}
		if o := <-typed; string(o.p) != strconv.Itoa(n) {
			t.Fatalf("line %d is %q", n, o.p)
		}
	}
	if o, ok := <-typed; ok || c.typed != nil {
		t.Errorf("%q came behind the end", o.p)
	}
}

// TestConnectCloseIsNotForgotten: whoever types /close wants no other connection, though this one is lost meanwhile.
func TestConnectCloseIsNotForgotten(t *testing.T) {
	_, w := osPipe(t)
	std := streams{err: w}
	c := &client{connectFlags: &connectFlags{reconnect: true}, link: newLink(), std: std, screen: screen{std: std}}
	c.enter("/close")
	if code, over := c.ended(io.ErrUnexpectedEOF); !over || code != exitFailed {
		t.Errorf("over: %v, exit code %d; want true, 1", over, code)
	}
}

func TestEscapeJSON(t *testing.T) {
	for _, text := range []string{"plain", "\u007f\u0080\u009b", "\u202e\ufeff", "\U000e0041", "\u2028", "漢字 🎉", `\u001b`} {
		p, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		escaped := escapeJSON(p)
		var back string
		if err := json.Unmarshal(escaped, &back); err != nil || back != text {
			t.Errorf("%q: %s is %q, %v", text, escaped, back, err)
		}
		if regexp.MustCompile(`[\x00-\x1f\x7f-\x{9f}\x{2028}\x{202e}\x{feff}\x{e0041}]`).Match(escaped) {
			t.Errorf("%q: %q", text, escaped)
		}
	}
}
