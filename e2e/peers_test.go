package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/e2e/peers"
)

// payload is a message of both directions.
type payload struct {
	name  string
	kind  websocket.MessageType
	parts [][]byte // more than one: a fragmented message
}

func (p payload) whole() []byte { return bytes.Join(p.parts, nil) }

var payloads = []payload{
	{"text", websocket.TextMessage, split("grüße, 世界 👋")},
	{"binary", websocket.BinaryMessage, split("\x00\xff\xfe\x80")},
	{"empty text", websocket.TextMessage, split("")},
	{"empty binary", websocket.BinaryMessage, split("")},
	{"125 bytes", websocket.TextMessage, split(strings.Repeat("x", 125))},
	{"126 bytes", websocket.TextMessage, split(strings.Repeat("x", 126))},
	{"65535 bytes", websocket.BinaryMessage, split(strings.Repeat("\x00", 65535))},
	{"65536 bytes", websocket.BinaryMessage, split(strings.Repeat("\x00", 65536))},
	{"1 MiB text", websocket.TextMessage, split(strings.Repeat("hawser ü", 1<<20/9+1)[:1<<20])},
	{"1 MiB binary", websocket.BinaryMessage, split(strings.Repeat("\xff\x00\x7f\x80", 1<<18))},
	{"fragmented text", websocket.TextMessage, split("grüße", ", ", "世界", "!")},
	{"fragmented binary", websocket.BinaryMessage, split("\x00\x01", "\xff")},
	{"empty fragments", websocket.TextMessage, split("", "a", "", "b", "")},
	{"1 MiB in fragments", websocket.BinaryMessage,
		split(strings.Repeat("a", 1<<18), strings.Repeat("b", 1<<19), strings.Repeat("c", 1<<18))},
}

// splitRunes is fragmented in the middle of characters, which the RFC allows and not every API can do.
var splitRunes = payload{"text split inside characters", websocket.TextMessage, split("gr\xc3", "\xbc\xc3", "\x9fe \xf0\x9f", "\x91\x8b")}

func split(parts ...string) [][]byte {
	split := make([][]byte, len(parts))
	for i, part := range parts {
		split[i] = []byte(part)
	}
	return split
}

// closings are the ends that an application may choose.
var closings = []websocket.CloseError{
	{Code: 1000, Reason: ""},
	{Code: 1001, Reason: "going away"},
	{Code: 3000, Reason: "günther geht"},
	{Code: 4999, Reason: strings.Repeat("r", 123)},
	{Code: websocket.CloseNoStatus}, // a Close without a code
}

// connected is one connection between this library and a peer.
type connected struct {
	language peers.Language
	conn     *websocket.Conn
	peer     *peers.Peer
}

// connectAs makes the connections of one role of this library, one for each call. Both sides offer or know the
// subprotocols, and agree on "second".
type connectAs func(t *testing.T, language peers.Language) connected

func asClient(t *testing.T, language peers.Language) connected {
	t.Helper()
	peer, url := language.Server(t, "second", "third")
	dialer := websocket.Dialer{Subprotocols: []string{"first", "second", "third"}}
	conn, _, err := dialer.Dial(within(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return agreed(t, connected{language, conn, peer})
}

func asServer(t *testing.T, language peers.Language) connected {
	t.Helper()
	url, accept := upgrading(t, &websocket.Upgrader{Subprotocols: []string{"third", "second"}})
	peer := language.Client(t, "ws"+strings.TrimPrefix(url, "http"), "first", "second", "third")
	return agreed(t, connected{language, accept(language), peer})
}

// upgrading starts a server, and returns its URL and what waits for the connection that is made to it.
func upgrading(t *testing.T, upgrader *websocket.Upgrader) (url string, accept func(peers.Language) *websocket.Conn) {
	t.Helper()
	conns := make(chan *websocket.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		conns <- conn
	}))
	t.Cleanup(server.Close)
	return server.URL, func(language peers.Language) *websocket.Conn {
		t.Helper()
		select {
		case conn := <-conns:
			return conn
		case <-within(t).Done():
			t.Fatalf("%s does not connect", language.Name)
			panic("not reached")
		}
	}
}

// agreed checks that both sides know the same subprotocol.
func agreed(t *testing.T, c connected) connected {
	t.Helper()
	t.Cleanup(func() { c.conn.CloseNow() })
	if got := c.peer.Want("open").Protocol; got != "second" {
		t.Errorf("%s knows the subprotocol %q; want %q", c.language.Name, got, "second")
	}
	if got := c.conn.Subprotocol(); got != "second" {
		t.Errorf("Subprotocol() = %q; want %q", got, "second")
	}
	return c
}

// eachPeer runs a test with every language, in both roles.
func eachPeer(t *testing.T, test func(t *testing.T, language peers.Language, connect connectAs)) {
	roles := map[string]connectAs{"server": asClient, "client": asServer}
	for _, language := range peers.Languages {
		for role, connect := range roles {
			t.Run(language.Name+" "+role, func(t *testing.T) {
				t.Parallel()
				test(t, language, connect)
			})
		}
	}
}

func TestMessages(t *testing.T) {
	eachPeer(t, func(t *testing.T, language peers.Language, connect connectAs) {
		c := connect(t, language)
		for _, p := range append(payloads, splitRunes) {
			c.write(t, p)
			c.peer.WantMessage(p.kind.String(), p.whole())
			if p.name == splitRunes.name && !language.SplitsRunes {
				continue
			}
			c.peer.Send(p.kind.String(), p.parts[0], p.parts[1:]...)
			kind, data, err := c.conn.ReadContext(within(t))
			if err != nil {
				t.Fatalf("%s: read: %v", p.name, err)
			}
			if kind != p.kind || !bytes.Equal(data, p.whole()) {
				t.Errorf("%s: read %v of %d bytes, %.40q", p.name, kind, len(data), data)
			}
		}
	})
}

// write sends a payload.
func (c connected) write(t *testing.T, p payload) {
	t.Helper()
	if err := c.tryWrite(p); err != nil {
		t.Fatalf("%s: write: %v", p.name, err)
	}
}

// tryWrite sends a payload with WriteMessage, or through NextWriter if it has several parts.
func (c connected) tryWrite(p payload) error {
	if len(p.parts) == 1 {
		return c.conn.WriteMessage(p.kind, p.parts[0])
	}
	w, err := c.conn.NextWriter(p.kind)
	if err != nil {
		return err
	}
	for _, part := range p.parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

func TestPings(t *testing.T) {
	eachPeer(t, func(t *testing.T, language peers.Language, connect connectAs) {
		c := connect(t, language)
		// Pings and pongs are handled by whoever reads.
		read := make(chan error, 1)
		go func() {
			_, data, err := c.conn.ReadMessage()
			if err == nil && string(data) != "that was all" {
				err = fmt.Errorf("message %q", data)
			}
			read <- err
		}()
		rtt, err := c.conn.Ping(within(t))
		if err != nil || rtt <= 0 {
			t.Errorf("Ping: %v, %v", rtt, err)
		}
		c.peer.Want("ping")
		for _, data := range []string{"", "are you there?", strings.Repeat("p", 125)} {
			c.peer.Ping([]byte(data))
			if got := c.peer.Want("pong").Data; string(got) != data {
				t.Errorf("the pong for %q has %q", data, got)
			}
		}
		c.peer.Send("text", []byte("that was all"))
		if err := <-read; err != nil {
			t.Errorf("read after the pings: %v", err)
		}
	})
}

func TestWeClose(t *testing.T) {
	eachPeer(t, func(t *testing.T, language peers.Language, connect connectAs) {
		for _, closing := range closings {
			c := connect(t, language)
			if err := c.conn.CloseWith(closing.Code, closing.Reason); err != nil {
				t.Errorf("CloseWith(%d): %v", closing.Code, err)
			}
			c.peer.WantClose(int(closing.Code), closing.Reason)
			if _, _, err := c.conn.ReadMessage(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read after CloseWith(%d): %v; want net.ErrClosed", closing.Code, err)
			}
		}
	})
}

func TestPeerCloses(t *testing.T) {
	eachPeer(t, func(t *testing.T, language peers.Language, connect connectAs) {
		for _, closing := range closings {
			code := int(closing.Code)
			if closing.Code == websocket.CloseNoStatus {
				if !language.ClosesWithoutCode {
					continue
				}
				code = 0
			}
			c := connect(t, language)
			c.peer.Close(code, closing.Reason)
			_, _, err := c.conn.ReadContext(within(t))
			var got *websocket.CloseError
			if !errors.As(err, &got) || *got != closing {
				t.Errorf("read: %v; want %v", err, &closing)
			}
			c.peer.WantClose(int(closing.Code), "") // the code is echoed, the reason is not
			select {
			case <-c.conn.Done():
			case <-within(t).Done():
				t.Errorf("the connection has not ended after close %d", closing.Code)
			}
		}
	})
}

// TestLost cuts the connection on either side, without a closing handshake.
func TestLost(t *testing.T) {
	eachPeer(t, func(t *testing.T, language peers.Language, connect connectAs) {
		c := connect(t, language)
		c.peer.Kill()
		_, _, err := c.conn.ReadContext(within(t))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("read after the peer was killed: %v; want io.ErrUnexpectedEOF", err)
		}
		c = connect(t, language)
		if err := c.conn.CloseNow(); err != nil {
			t.Errorf("CloseNow: %v", err)
		}
		c.peer.WantClose(1006, "")
	})
}

// TestWeFragment looks at the wire: what NextWriter is given in pieces leaves in frames, and the peer puts it together.
func TestWeFragment(t *testing.T) {
	text := strings.Repeat("hawser ü", 1<<20/9)
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			t.Parallel()
			peer, url := language.Server(t)
			wire, url := tapURL(t, url)
			conn, _, err := new(websocket.Dialer).Dial(within(t), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			peer.Want("open")
			connected{language, conn, peer}.write(t, payload{"text", websocket.TextMessage, split(text, text)})
			peer.WantMessage("text", []byte(text+text))
			if err := conn.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			peer.WantClose(1000, "")
			frames := wire.conn(t, 0).client.frames(t)
			continuations, last := frames[1:len(frames)-2], frames[len(frames)-2]
			if frames[0].first != 0x01 || last.first != 0x80 {
				t.Errorf("the message begins with %#02x and ends with %#02x", frames[0].first, last.first)
			}
			if len(continuations) == 0 || slices.ContainsFunc(continuations, func(f frame) bool { return f.first != 0x00 }) {
				t.Errorf("between them: %v; want continuations", continuations)
			}
			if slices.ContainsFunc(frames, func(f frame) bool { return !f.masked }) {
				t.Error("a client's frame is not masked")
			}
		})
	}
}
