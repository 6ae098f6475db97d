package e2e

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/e2e/peers"
)

// This file is permessage-deflate, RFC 7692, between this library and those of other languages.

// A deal is what one side asks for and both have to do.
type deal struct{ peers.Deflate }

// zlib, which the peers are made with, has no window of 2^8 bytes to compress with. Node takes 2^9 instead and looks
// back no further than 250, which fits; Python raises an exception. Both can inflate.
var deals = []deal{
	{peers.Deflate{}},
	{peers.Deflate{ServerNoTakeover: true}},
	{peers.Deflate{ClientNoTakeover: true}},
	{peers.Deflate{ServerNoTakeover: true, ClientNoTakeover: true}},
	{peers.Deflate{ServerBits: 9, ClientBits: 12}},
	{peers.Deflate{ServerBits: 12, ClientBits: 9}},
	{peers.Deflate{ServerBits: 8, ClientBits: 15}},
	{peers.Deflate{ServerBits: 12, ClientBits: 8}},
	{peers.Deflate{ServerBits: 8, ClientBits: 8, ServerNoTakeover: true, ClientNoTakeover: true}},
}

// String names a deal in short.
func (d deal) String() string {
	return fmt.Sprintf("windows %d and %d, no takeover %v and %v",
		d.ServerBits, d.ClientBits, d.ServerNoTakeover, d.ClientNoTakeover)
}

// compression returns our options for a deal, with the largest windows where it names none; the role is ours.
func compression(d peers.Deflate, server bool) *websocket.Compression {
	ours := websocket.CompressionContext{NoTakeover: d.ClientNoTakeover, WindowBits: cmp.Or(d.ClientBits, 15)}
	theirs := websocket.CompressionContext{NoTakeover: d.ServerNoTakeover, WindowBits: cmp.Or(d.ServerBits, 15)}
	if server {
		ours, theirs = theirs, ours
	}
	return &websocket.Compression{Send: ours, Receive: theirs, Fragments: true}
}

// TestDeflate: everything comes back as it was, in both roles, whoever asks for the parameters.
func TestDeflate(t *testing.T) {
	anything := peers.Deflate{}
	for _, language := range peers.Languages {
		for _, deal := range deals {
			asked := deal.Deflate
			name := language.Name + "/" + deal.String()
			if asked.ServerBits != 8 || language.Deflates8Bits {
				t.Run(name+"/we dial and ask", func(t *testing.T) {
					t.Parallel()
					deflateAsClient(t, language.With(anything), compression(asked, false)).run(t, asked)
				})
				t.Run(name+"/we dial and are asked", func(t *testing.T) {
					t.Parallel()
					deflateAsClient(t, language.With(asked), compression(anything, false)).run(t, asked)
				})
			}
			if asked.ClientBits != 8 || language.Deflates8Bits {
				t.Run(name+"/we serve and ask", func(t *testing.T) {
					t.Parallel()
					deflateAsServer(t, language.With(anything), compression(asked, true)).run(t, asked)
				})
				t.Run(name+"/we serve and are asked", func(t *testing.T) {
					t.Parallel()
					deflateAsServer(t, language.With(asked), compression(anything, true)).run(t, asked)
				})
			}
		}
	}
}

// A tappedPeer is a connection with a tap in it.
type tappedPeer struct {
	connected
	wire *tap
}

func deflateAsClient(t *testing.T, language peers.Language, ours *websocket.Compression) tappedPeer {
	t.Helper()
	peer, url := language.Server(t)
	wire, url := tapURL(t, url)
	conn, _, err := (&websocket.Dialer{Compression: ours}).Dial(within(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tappedPeer{connected{language, conn, peer}, wire}
}

func deflateAsServer(t *testing.T, language peers.Language, ours *websocket.Compression) tappedPeer {
	t.Helper()
	url, accept := upgrading(t, &websocket.Upgrader{Compression: ours})
	wire, url := tapURL(t, url)
	peer := language.Client(t, "ws"+strings.TrimPrefix(url, "http"))
	return tappedPeer{connected{language, accept(language), peer}, wire}
}

// run has the peer echo, and checks what was agreed on, what comes back, and that it was compressed on the wire.
func (c tappedPeer) run(t *testing.T, asked peers.Deflate) {
	t.Helper()
	defer c.conn.CloseNow()
	if got := c.peer.Want("open").Extension; got != "permessage-deflate" {
		t.Fatalf("%s knows the extension %q", c.language.Name, got)
	}
	c.wantDeal(t, asked)
	c.peer.Echo()
	pings := c.exchange(t, mixed)
	for range pings {
		c.peer.Want("ping")
	}
	if err := c.conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	c.peer.WantClose(1000, "")
	both := c.wire.conn(t, 0)
	wantCompressed(t, "the client", &both.client, mixed)
	wantCompressed(t, "the server", &both.server, mixed)
}

// wantDeal looks at the server's answer on the wire.
func (c tappedPeer) wantDeal(t *testing.T, asked peers.Deflate) {
	t.Helper()
	head, _ := c.wire.conn(t, 0).server.head()
	_, line, _ := bytes.Cut(head, []byte("\r\nSec-WebSocket-Extensions: "))
	line, _, _ = bytes.Cut(line, []byte("\r\n"))
	answer := parameters(string(line))
	if known := parameters(c.conn.Extension()); !maps.Equal(answer, known) {
		t.Errorf("the answer is %q, Extension() is %q", line, c.conn.Extension())
	}
	_, server := answer["server_no_context_takeover"]
	_, client := answer["client_no_context_takeover"]
	if server != asked.ServerNoTakeover || client != asked.ClientNoTakeover {
		t.Errorf("the answer is %q; want %+v", line, asked)
	}
	// A server may limit itself without saying so; the largest window need not be said.
	if bits, said := answer["server_max_window_bits"]; said && bits != fmt.Sprint(asked.ServerBits) {
		t.Errorf("the answer is %q; want server_max_window_bits=%d", line, asked.ServerBits)
	}
	if bits := cmp.Or(answer["client_max_window_bits"], "15"); bits != fmt.Sprint(cmp.Or(asked.ClientBits, 15)) {
		t.Errorf("the answer is %q; want client_max_window_bits=%d", line, asked.ClientBits)
	}
}

// parameters returns the parameters of an extension, with its name among them.
func parameters(extension string) map[string]string {
	found := make(map[string]string)
	for parameter := range strings.SplitSeq(extension, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		found[name] = value
	}
	return found
}

// exchange sends messages, and a few Pings between them, and wants all to come back. It returns the number of Pings.
func (c connected) exchange(t *testing.T, messages []payload) (pings int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	sent := make(chan int, 1)
	go func() {
		pings := 0
		defer func() { sent <- pings }()
		for i, p := range messages {
			if i%200 == 199 {
				if _, err := c.conn.Ping(ctx); err != nil {
					t.Errorf("ping: %v", err)
					return
				}
				pings++
			}
			if err := c.tryWrite(p); err != nil {
				t.Errorf("%s: write: %v", p.name, err)
				return
			}
		}
	}()
	for _, p := range messages {
		kind, data, err := c.conn.ReadContext(ctx)
		if err != nil {
			t.Fatalf("%s: read: %v", p.name, err)
		}
		if want := p.whole(); kind != p.kind || !bytes.Equal(data, want) {
			t.Fatalf("%s: %v of %d bytes came back, %.40q; want %v, %.40q", p.name, kind, len(data), data, p.kind, want)
		}
	}
	return <-sent
}

// wantCompressed wants one side to have sent many messages compressed, and all of them in much less bytes than they
// have; half of those are random.
func wantCompressed(t *testing.T, side string, r *recording, messages []payload) {
	t.Helper()
	size, wire, compressed := 0, 0, 0
	for _, p := range messages {
		size += len(p.whole())
	}
	for _, f := range r.frames(t) {
		if f.rsv1() {
			compressed++
		}
		wire += f.length
	}
	if compressed < len(messages)/4 || wire > size*7/10 {
		t.Errorf("%s: %d of %d messages have RSV1, %d bytes became %d", side, compressed, len(messages), size, wire)
	}
}
