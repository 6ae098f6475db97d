package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/e2e/peers"
)

// TestEcho has the peers talk to the real binary.
func TestEcho(t *testing.T) {
	_, addr := startHawser(t, "echo", "--addr", "127.0.0.1:0")
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			peer := language.Client(t, "ws://"+addr+"/any/path?and=query")
			peer.Want("open")
			for _, p := range payloads {
				peer.Send(p.kind.String(), p.parts[0], p.parts[1:]...)
				peer.WantMessage(p.kind.String(), p.whole())
			}
			peer.Ping([]byte("are you there?"))
			if got := peer.Want("pong").Data; string(got) != "are you there?" {
				t.Errorf("the pong has %q", got)
			}
			peer.Close(4999, "bye")
			peer.WantClose(4999, "")
		})
	}
}

// converse is what a page does with an echo server: send, compare, close, and tell how it went.
const converse = `new Promise(resolve => {
	const socket = new WebSocket(url)
	socket.binaryType = "arraybuffer"
	const sent = ["grüße, 世界", "", "x".repeat(1 << 20), new Uint8Array([0, 255, 128]), new Uint8Array(0), new Uint8Array(1 << 20).fill(0xff)]
	const bytes = data => typeof data === "string" ? data : "binary " + new Uint8Array(data).toString()
	let right = 0
	socket.onopen = () => sent.forEach(data => socket.send(data))
	socket.onmessage = event => {
		if (bytes(event.data) === bytes(sent[right])) right++
		if (right === sent.length) socket.close(4999, "bye")
	}
	socket.onclose = event => resolve({Right: right, Code: event.code, Reason: event.reason, Clean: event.wasClean})
})`

// TestBrowserEcho has Chromium's own WebSocket talk to the real binary, from a page of another origin.
func TestBrowserEcho(t *testing.T) {
	_, addr := startHawser(t, "echo", "--addr", "127.0.0.1:0")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>echo</title><link rel=icon href=data:,>")
	}))
	defer site.Close()
	page := openPage(t, site.URL)
	type outcome struct {
		Right, Code int
		Reason      string
		Clean       bool
	}
	var got outcome
	expression := `(url => ` + converse + `)(` + strconv.Quote("ws://"+addr+"/") + `)`
	page.do(func(ctx context.Context) error { return page.tab.Eval(ctx, expression, &got) })
	if want := (outcome{Right: 6, Code: 4999, Clean: true}); got != want {
		t.Errorf("the page reports %+v; want %+v; its problems: %v", got, want, page.tab.Problems())
	}
}

// TestEchoTakesEveryOrigin: it is for conformance tools, whose pages come from anywhere, even from files.
func TestEchoTakesEveryOrigin(t *testing.T) {
	_, addr := startHawser(t, "echo", "--addr", "127.0.0.1:0")
	for _, origin := range []string{"https://tools.example", "http://localhost:1", "null"} {
		conn, _, err := new(websocket.Dialer).Dial(within(t), "ws://"+addr+"/", http.Header{"Origin": {origin}})
		if err != nil {
			t.Errorf("origin %s: %v", origin, err)
			continue
		}
		if err := conn.Close(); err != nil {
			t.Errorf("origin %s: close: %v", origin, err)
		}
	}
}

// TestConnect runs hawser connect as a filter in a pipe, with servers of other languages.
func TestConnect(t *testing.T) {
	hawser, err := builds["hawser"]()
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			server, url := language.Server(t)
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(within(t), hawser, "connect", "-n", "3", url)
			cmd.Stdin = strings.NewReader("one\ntwo\nzwölf\n")
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			server.Want("open")
			for _, line := range []string{"one", "two", "zwölf"} {
				server.WantMessage("text", []byte(line))
				server.Send("text", []byte("got "), []byte(line))
			}
			server.WantClose(1000, "")
			if err := cmd.Wait(); err != nil {
				t.Errorf("hawser connect: %v\n%s", err, &stderr)
			}
			if want := "got one\ngot two\ngot zwölf\n"; stdout.String() != want {
				t.Errorf("hawser connect wrote %q; want %q", &stdout, want)
			}
		})
	}
}
