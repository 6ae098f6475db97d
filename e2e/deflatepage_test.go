package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/e2e/peers"
)

// This file is permessage-deflate with Chromium, with all peers of a Hub at once, and through proxies.

// mixedSite is a site with an empty page, from which the page can fetch the mixed messages: /index has the type and the
// size of each, /bytes all of them, one behind the other.
func mixedSite(t *testing.T) (url string) {
	t.Helper()
	type entry struct {
		Text bool
		Size int
	}
	var index []entry
	var all bytes.Buffer
	for _, p := range mixed {
		data := p.whole()
		index = append(index, entry{p.kind == websocket.TextMessage, len(data)})
		all.Write(data)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<!doctype html><title>deflate</title><link rel=icon href=data:,>"))
	})
	mux.HandleFunc("/index", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(index) })
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) { w.Write(all.Bytes()) })
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL
}

// echoMixed has a page send the mixed messages and compare what comes back. It tells how far it came.
const echoMixed = `(async url => {
	const index = await (await fetch("/index")).json()
	const all = new Uint8Array(await (await fetch("/bytes")).arrayBuffer())
	const decoder = new TextDecoder("utf-8", {ignoreBOM: true, fatal: true}), encoder = new TextEncoder()
	let at = 0
	const messages = index.map(({Text, Size}) => ({Text, bytes: all.subarray(at, at += Size)}))
	const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i])
	const socket = new WebSocket(url)
	socket.binaryType = "arraybuffer"
	let right = 0, extensions
	return new Promise(resolve => {
		socket.onopen = () => {
			extensions = socket.extensions
			for (const {Text, bytes} of messages) socket.send(Text ? decoder.decode(bytes) : bytes)
		}
		socket.onmessage = ({data}) => {
			const {Text, bytes} = messages[right]
			const back = typeof data === "string" ? encoder.encode(data) : new Uint8Array(data)
			if (Text !== (typeof data === "string") || !same(back, bytes)) socket.close(4000)
			else if (++right === messages.length) socket.close(4999)
		}
		socket.onclose = ({code, wasClean}) => resolve({Right: right, Extensions: extensions, Code: code, Clean: wasClean})
	})
})`

// TestBrowserDeflate has Chromium compress, with the real binary at the other end, and with a server that asks for the
// smallest windows. Like Node, Chromium takes zlib's 2^9 for a window of 2^8 and looks back no further than 250.
func TestBrowserDeflate(t *testing.T) {
	page := openPage(t, mixedSite(t)+"/")
	hawser := func(t *testing.T, flags ...string) string {
		_, addr := startHawser(t, append([]string{"echo", "--addr", "127.0.0.1:0"}, flags...)...)
		return addr
	}
	smallest := websocket.CompressionContext{WindowBits: 8}
	for _, row := range []struct {
		name      string
		start     func(t *testing.T) (addr string)
		extension string
	}{
		{"takeover", func(t *testing.T) string { return hawser(t, "--compress") }, "permessage-deflate"},
		{"no takeover", func(t *testing.T) string { return hawser(t, "--compress", "--no-takeover") },
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"windows of 256 bytes", func(t *testing.T) string {
			addr, _ := startEcho(t, &websocket.Upgrader{
				Origins:     []string{"*"},
				Compression: &websocket.Compression{Send: smallest, Receive: smallest, Threshold: -1},
			})
			return addr
		}, "permessage-deflate; client_max_window_bits=8"},
	} {
		t.Run(row.name, func(t *testing.T) {
			wire := startTap(t, row.start(t))
			type outcome struct {
				Right, Code int
				Extensions  string
				Clean       bool
			}
			var got outcome
			page.do(func(ctx context.Context) error {
				return page.tab.Eval(ctx, echoMixed+`(`+strconv.Quote("ws://"+wire.addr+"/")+`)`, &got)
			})
			if want := (outcome{Right: len(mixed), Code: 4999, Extensions: row.extension, Clean: true}); got != want {
				t.Errorf("the page reports %+v; want %+v; its problems: %v", got, want, page.tab.Problems())
			}
			wantCompressed(t, "Chromium", &wire.conn(t, 0).client, mixed)
			wantCompressed(t, "the server", &wire.conn(t, 0).server, mixed)
		})
	}
}

// subscribeMixed has a page collect the digests of what it receives, each with its type.
const subscribeMixed = `(url => new Promise((resolve, reject) => {
	window.received = []
	const socket = new WebSocket(url)
	socket.binaryType = "arraybuffer"
	socket.onmessage = ({data}) => window.received.push(data)
	socket.onopen = () => resolve(socket.extensions)
	socket.onclose = ({code}) => { window.ended = code; reject(code) }
}))`

// digestReceived waits for the digests of what a page has received.
const digestReceived = `Promise.all(received.map(async data => {
	const text = typeof data === "string"
	const digest = await crypto.subtle.digest("SHA-256", text ? new TextEncoder().encode(data) : data)
	const hex = [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, "0"))
	return (text ? "text " : "binary ") + hex.join("")
}))`

// audience is subscribers of each kind to one topic. What they have agreed on differs, so there are several variants of
// each message, and one of them is not compressed.
type audience struct {
	size      int
	peers     []*peers.Peer
	page      page
	terminals []*terminal
}

func subscribeAll(t *testing.T, site, url string) *audience {
	t.Helper()
	node, python := peers.Languages[0], peers.Languages[1]
	a := &audience{
		peers: []*peers.Peer{
			node.With(peers.Deflate{}).Client(t, url),
			node.With(peers.Deflate{ServerBits: 8}).Client(t, url),
			python.With(peers.Deflate{}).Client(t, url),
			python.With(peers.Deflate{ServerBits: 12, ServerNoTakeover: true}).Client(t, url),
		},
		page:      openPage(t, site+"/"),
		terminals: []*terminal{startTerminal(t, "-v", "-w", "-1s", url), startTerminal(t, "--no-deflate", "-w", "-1s", url)},
	}
	a.size = len(a.peers) + 1 + len(a.terminals)
	for i, peer := range a.peers {
		if got := peer.Want("open").Extension; got != "permessage-deflate" {
			t.Errorf("peer %d knows the extension %q", i, got)
		}
	}
	var extensions string
	a.page.do(func(ctx context.Context) error {
		return a.page.tab.Eval(ctx, subscribeMixed+`(`+strconv.Quote(url)+`)`, &extensions)
	})
	if !strings.HasPrefix(extensions, "permessage-deflate") {
		t.Errorf("the page knows the extension %q", extensions)
	}
	return a
}

// A terminal is a "hawser connect" in a pipe, with nothing to read.
type terminal struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func startTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	hawser, err := builds["hawser"]()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{cmd: exec.CommandContext(t.Context(), hawser, append([]string{"connect"}, args...)...)}
	term.cmd.Stdout, term.cmd.Stderr = &term.stdout, &term.stderr
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return term
}

// probe is published until everybody is there.
const probe = "is everybody there?"

// gather returns when all have subscribed. The peers have got all probes then.
func (a *audience) gather(t *testing.T, addr string) {
	t.Helper()
	want := fmt.Sprintf(`"subscribers":%d}`, a.size)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, answer := publish(t, addr, "all", "text/plain", []byte(probe))
		if strings.Contains(answer, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the answer is %s; want %s", answer, want)
		}
	}
	publish(t, addr, "all", "text/plain", []byte("everybody is"))
	for _, peer := range a.peers {
		for string(peer.Want("message").Data) == probe {
		}
	}
}

// wantMixed publishes the mixed messages, one after the other, and wants the peers to get each.
func (a *audience) wantMixed(t *testing.T, addr string) {
	t.Helper()
	for _, p := range mixed {
		contentType, data := "text/plain", p.whole()
		if p.kind == websocket.BinaryMessage {
			contentType = "application/octet-stream"
		}
		if status, answer := publish(t, addr, "all", contentType, data); status != http.StatusOK {
			t.Fatalf("%s: publish: %d %s", p.name, status, answer)
		}
		for _, peer := range a.peers {
			peer.WantMessage(p.kind.String(), data)
		}
	}
}

// wantPage wants the page to have got the mixed messages, as the last ones.
func (a *audience) wantPage(t *testing.T) {
	t.Helper()
	var want, got []string
	for _, p := range mixed {
		digest := sha256.Sum256(p.whole())
		want = append(want, p.kind.String()+" "+hex.EncodeToString(digest[:]))
	}
	a.page.do(func(ctx context.Context) error {
		if err := a.page.tab.WaitFor(ctx, `window.ended`); err != nil {
			return err
		}
		return a.page.tab.Eval(ctx, digestReceived, &got)
	})
	if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("the page has got %d messages, which do not end with the %d that were published", len(got), len(want))
	}
}

// wantTerminals wants the terminals to have printed the mixed messages, and returns what they said.
func (a *audience) wantTerminals(t *testing.T) (said []string) {
	t.Helper()
	var want bytes.Buffer
	for _, p := range mixed {
		want.Write(append(p.whole(), '\n'))
	}
	for i, term := range a.terminals {
		term.cmd.Wait()
		if code := term.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(term.stderr.String(), "1012") {
			t.Errorf("terminal %d: exit code %d, said %.200q; want 1, that the server restarts", i, code, &term.stderr)
		}
		if !bytes.HasSuffix(term.stdout.Bytes(), want.Bytes()) {
			t.Errorf("terminal %d printed %d bytes, which do not end with the messages", i, term.stdout.Len())
		}
		said = append(said, term.stderr.String())
	}
	return said
}

// TestHubDeflate publishes to a subscriber of each kind at once.
func TestHubDeflate(t *testing.T) {
	site := mixedSite(t)
	hawser, addr := startHawser(t, "serve", "--addr", "127.0.0.1:0", "--publish-key", publishKey, "--origin", site)
	wire := startTap(t, addr)
	everybody := subscribeAll(t, site, "ws://"+wire.addr+"/topics/all")
	everybody.gather(t, addr)
	everybody.wantMixed(t, addr)
	if code := hawser.terminate(); code != 0 {
		t.Errorf("hawser's exit code after SIGTERM is %d; want 0", code)
	}
	for _, peer := range everybody.peers {
		if got := peer.Want("close").Code; got != int(websocket.CloseServiceRestart) {
			t.Errorf("a peer was closed with %d; want 1012", got)
		}
	}
	everybody.wantPage(t)
	said := everybody.wantTerminals(t)
	if n := strings.Count(said[0], "RSV1: "); n < len(mixed)/4 || strings.Contains(said[1], "RSV1") {
		t.Errorf("hawser connect -v says of %d messages that they came compressed", n)
	}

	compressed := 0
	for i := range everybody.size {
		frames := &wire.conn(t, i).server
		if slices.ContainsFunc(frames.frames(t), frame.rsv1) {
			compressed++
			wantCompressed(t, "a subscriber's server", frames, mixed)
		}
	}
	if compressed != everybody.size-1 {
		t.Errorf("%d of %d connections had compressed messages; want all but one", compressed, everybody.size)
	}
}

// TestProxyPassesCompression: with the defaults of both sides, and everything that the proxies pass otherwise.
func TestProxyPassesCompression(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		addr, _ := startEcho(t, &websocket.Upgrader{Compression: new(websocket.Compression)})
		behind := startTap(t, addr)
		dialer := &websocket.Dialer{Compression: &websocket.Compression{Fragments: true}}
		conn := dialEcho(t, dialer, front(t, behind.addr).passing)
		if got, want := conn.Extension(), "permessage-deflate; client_max_window_bits=12"; got != want {
			t.Errorf("the extension is %q; want %q", got, want)
		}
		for _, p := range append(payloads, splitRunes) {
			wantEcho(t, conn, p)
		}
		connected{conn: conn}.exchange(t, mixed)
		both := behind.conn(t, 0)
		wantCompressed(t, "the proxy", &both.client, mixed)
		wantCompressed(t, "the server", &both.server, mixed)
	})
}
