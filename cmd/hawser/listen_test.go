package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// startListen runs "hawser listen FLAGS" on a free port and returns where.
func startListen(t *testing.T, flags ...string) (p *process, url string) {
	t.Helper()
	p = start(t, append(append([]string{"listen"}, flags...), "127.0.0.1:0")...)
	return p, "ws://" + p.address() + "/"
}

// prints waits until the standard output of p matches pattern.
func prints(t *testing.T, p *process, pattern string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.out.await(ctx, regexp.MustCompile(pattern), p.exited); err != nil {
		t.Fatal(err)
	}
}

// send sends a message.
func (p *peer) send(mt websocket.MessageType, text string) {
	p.t.Helper()
	if err := p.WriteMessage(mt, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// typeLine writes a line to the standard input of p.
func typeLine(t *testing.T, p *process, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// wantEnd waits for the end of p and checks its exit code and what it has printed.
func wantEnd(t *testing.T, p *process, code int, stdout string) {
	t.Helper()
	if got := p.wait(); got != code || p.out.String() != stdout {
		t.Errorf("exit code %d, printed %.100q; want %d, %.100q", got, p.out, code, stdout)
	}
}

// TestListenPrintsPayloadAndNewlineOnly: of all clients, on every path; the rest goes to standard error.
func TestListenPrintsPayloadAndNewlineOnly(t *testing.T) {
	wstest.NoLeaks(t)
	p, url := startListen(t)
	long := strings.Repeat("x", 1<<21)
	one, other := dial(t, url, nil), dial(t, url+"a/b?c=d", nil)
	one.send(websocket.TextMessage, "one\x1b[31m\nline")
	prints(t, p, "line\n$")
	other.send(websocket.BinaryMessage, "\xff\x00")
	other.send(websocket.TextMessage, "")
	other.send(websocket.TextMessage, long)
	prints(t, p, "x\n$")
	one.Close()
	p.signal(os.Interrupt)
	other.wantClose(websocket.CloseGoingAway)
	wantEnd(t, p, exitOK, "one\x1b[31m\nline\n\xff\x00\n\n"+long+"\n")
	said := regexp.MustCompile(`^hawser listen: listening on \S+\nhawser listen: stopping\n$`)
	if !said.MatchString(p.err.String()) {
		t.Errorf("said %q", p.err)
	}
}

// TestListenSendsLines: to all who are there, and none before somebody is.
func TestListenSendsLines(t *testing.T) {
	p, url := startListen(t)
	typeLine(t, p, "first")
	typeLine(t, p, "grüße\r")
	one := dial(t, url, nil)
	one.wantMessage(websocket.TextMessage, "first")
	one.wantMessage(websocket.TextMessage, "grüße")
	other := dial(t, url, nil)
	typeLine(t, p, "to all")
	io.WriteString(p.stdin, "the last")
	p.stdin.Close()
	for _, c := range []*peer{one, other} {
		c.wantMessage(websocket.TextMessage, "to all")
		c.wantMessage(websocket.TextMessage, "the last")
	}
	one.send(websocket.TextMessage, "still there?") // after the end of its input
	prints(t, p, "^still there\\?\n$")
	p.signal(syscall.SIGTERM)
	wantEnd(t, p, exitOK, "still there?\n")
}

// TestListenLineThatCannotBeSent: the others are sent, and the exit code says that one was not.
func TestListenLineThatCannotBeSent(t *testing.T) {
	p, url := startListen(t)
	c := dial(t, url, nil)
	io.WriteString(p.stdin, "one\n\xff\nthree\n")
	c.wantMessage(websocket.TextMessage, "one")
	c.wantMessage(websocket.TextMessage, "three")
	p.says(`(?m)^hawser listen: standard input, line 2 was not sent: .*UTF-8`)
	p.signal(os.Interrupt)
	wantEnd(t, p, exitFailed, "")
}

// TestListenBinary: with -b bytes go in and out as they are.
func TestListenBinary(t *testing.T) {
	p, url := startListen(t, "-b", "-n", "2")
	io.WriteString(p.stdin, "a\n\xff")
	p.stdin.Close()
	c := dial(t, url, nil)
	var got string
	for len(got) < 3 { // one message, or more if it came in pieces
		m := c.receive()
		if m.err != nil || m.t != websocket.BinaryMessage {
			t.Fatalf("got %+v; want binary messages", m)
		}
		got += m.p
	}
	if got != "a\n\xff" {
		t.Errorf("got %q", got)
	}
	c.send(websocket.BinaryMessage, "\x00\xff")
	c.send(websocket.TextMessage, "text")
	c.wantClose(websocket.CloseNormal)
	wantEnd(t, p, exitOK, "\x00\xfftext")
}

func TestListenEcho(t *testing.T) {
	p, url := startListen(t, "--echo", "-n", "3")
	one, other := dial(t, url, nil), dial(t, url, nil)
	one.send(websocket.TextMessage, "hello")
	one.wantMessage(websocket.TextMessage, "hello")
	one.send(websocket.BinaryMessage, "\xff")
	one.wantMessage(websocket.BinaryMessage, "\xff")
	other.send(websocket.TextMessage, "last")
	other.wantMessage(websocket.TextMessage, "last")
	for _, c := range []*peer{one, other} {
		c.wantClose(websocket.CloseNormal)
	}
	wantEnd(t, p, exitOK, "")
}

// TestListenBroadcast: all get all messages, in the same order, also those of their own.
func TestListenBroadcast(t *testing.T) {
	p, url := startListen(t, "--broadcast")
	clients := []*peer{dial(t, url, nil), dial(t, url, nil), dial(t, url, nil)}
	const each = 100
	for i, c := range clients {
		go func() {
			for n := range each {
				c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%d %d", i, n))
			}
		}()
	}
	var orders [][]string
	for _, c := range clients {
		var order []string
		for range each * len(clients) {
			order = append(order, c.receive().p)
		}
		orders = append(orders, order)
	}
	for _, order := range orders {
		if !slices.Equal(order, orders[0]) {
			t.Error("clients got the messages in different orders")
		}
	}
	slices.Sort(orders[0])
	if n := len(slices.Compact(orders[0])); n != each*len(clients) {
		t.Errorf("%d different messages came; want %d", n, each*len(clients))
	}
	clients[0].send(websocket.BinaryMessage, "\xff")
	clients[2].wantMessage(websocket.BinaryMessage, "\xff")
	p.signal(os.Interrupt)
	wantEnd(t, p, exitOK, "")
}

// TestListenEndsAfterNMessages: exactly so many are printed, whoever sends them.
func TestListenEndsAfterNMessages(t *testing.T) {
	p, url := startListen(t, "-n", "3")
	c := dial(t, url, nil)
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		c.send(websocket.TextMessage, text)
	}
	c.wantClose(websocket.CloseNormal)
	wantEnd(t, p, exitOK, "1\n2\n3\n")
}

// TestListenWithoutTheMessagesItWaitsFor: whoever stops it before learns how many did not come.
func TestListenWithoutTheMessagesItWaitsFor(t *testing.T) {
	p, url := startListen(t, "-n", "3")
	dial(t, url, nil).send(websocket.TextMessage, "1")
	prints(t, p, "1\n")
	p.signal(os.Interrupt)
	wantEnd(t, p, exitUnmet, "1\n")
	p.says(`2 of the messages that -n asks for did not come`)
}

// TestListenJSON: an object for each event, in every mode.
func TestListenJSON(t *testing.T) {
	for _, mode := range []string{"", "--echo", "--broadcast"} {
		t.Run(mode, func(t *testing.T) {
			flags := []string{"--json", "-s", "chat", "-n", "3"}
			if mode != "" {
				flags = append(flags, mode)
			}
			p, url := startListen(t, flags...)
			d := websocket.Dialer{Subprotocols: []string{"other", "chat"}, Compression: new(websocket.Compression)}
			c := dialWith(t, &d, url+"a?b=<c>", nil)
			remote, extension := c.LocalAddr().String(), c.Extension()
			repeated := strings.Repeat("a <b> ", 166) + "end."
			c.send(websocket.TextMessage, repeated)
			c.send(websocket.BinaryMessage, "\xff\x00")
			prints(t, p, `base64.*\n$`)
			c.CloseWith(4000, "enough\n")
			prints(t, p, `close.*\n$`)
			dial(t, url, nil).send(websocket.TextMessage, "")
			p.wait()
			want := []string{
				fmt.Sprintf(`"event":"open","conn":1,"remote":%q,"path":"/a?b=<c>","subprotocol":"chat","extension":%q}`,
					remote, extension),
				fmt.Sprintf(`"event":"message","conn":1,"type":"text","text":%q,"size":1000,"compressed":\d+}`, repeated),
				`"event":"message","conn":1,"type":"binary","base64":"/wA=","size":2}`,
				`"event":"close","conn":1,"by":"client","code":4000,"reason":"enough\\n"}`,
				`"event":"open","conn":2,"remote":"127.0.0.1:\d+","path":"/"}`,
				`"event":"message","conn":2,"type":"text","text":"","size":0}`,
				`"event":"close","conn":2,"by":"server"}`,
			}
			got := strings.Split(strings.TrimSuffix(p.out.String(), "\n"), "\n")
			if len(got) != len(want) {
				t.Fatalf("printed %q", got)
			}
			for i, line := range got {
				pattern := strings.NewReplacer(`?`, `\?`, `[`, `\[`).Replace(want[i])
				if !regexp.MustCompile(`^{"time":"20\d\d-[^"]*",` + pattern + `$`).MatchString(line) {
					t.Errorf("line %d is %s; want %s", i, line, want[i])
				}
				if !json.Valid([]byte(line)) {
					t.Errorf("line %d is no JSON: %s", i, line)
				}
			}
		})
	}
}

// TestListenTellsMore: with -v who comes and goes, and how large messages are.
func TestListenTellsMore(t *testing.T) {
	p, url := startListen(t, "-v", "--echo", "-s", "chat")
	d := websocket.Dialer{Subprotocols: []string{"chat"}, Compression: new(websocket.Compression)}
	c := dialWith(t, &d, url+"a", nil)
	p.says(`(?m)^#1 connected from 127\.0\.0\.1:\d+, path "/a", subprotocol chat, extension permessage-deflate`)
	c.send(websocket.TextMessage, strings.Repeat("x", 1000))
	c.wantMessage(websocket.TextMessage, strings.Repeat("x", 1000))
	p.says(`(?m)^#1 < text, 1000 bytes, RSV1: \d+ bytes compressed\n#1 > text, 1000 bytes$`)
	c.send(websocket.BinaryMessage, "\x00")
	p.says(`(?m)^#1 < binary, 1 bytes`)
	c.CloseWith(4001, "bye")
	p.says(`(?m)^#1 .*4001.*bye`)
	dial(t, url, nil)
	p.says(`(?m)^#2 connected`)
}

// TestListenTellsAFileNothing of connections and messages without -v.
func TestListenTellsAFileNothing(t *testing.T) {
	p, url := startListen(t, "--echo")
	c := dial(t, url, nil)
	c.send(websocket.TextMessage, "hello")
	c.wantMessage(websocket.TextMessage, "hello")
	c.CloseWith(4001, "bye")
	p.signal(os.Interrupt)
	wantEnd(t, p, exitOK, "")
	if strings.Contains(p.err.String(), "#1") {
		t.Errorf("said %q", p.err)
	}
}

// TestListenNoDeflate: compression is agreed on, unless it is not to be.
func TestListenNoDeflate(t *testing.T) {
	d := websocket.Dialer{Compression: new(websocket.Compression)}
	for flag, want := range map[string]bool{"-v": true, "--no-deflate": false} {
		_, url := startListen(t, flag)
		if got := dialWith(t, &d, url, nil).Extension(); (got != "") != want {
			t.Errorf("%s: extension %q", flag, got)
		}
	}
}

// TestListenOrigin: pages of the same host, and of an --origin.
func TestListenOrigin(t *testing.T) {
	_, url := startListen(t, "--origin", "https://app.example.com", "--origin", "https://*.example.org")
	wantRefused(t, url, http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden)
	own := "http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/")
	for _, origin := range []string{"https://app.example.com", "https://a.example.org", own} {
		dial(t, url, http.Header{"Origin": {origin}})
	}
}

func TestListenReadLimit(t *testing.T) {
	p, url := startListen(t, "--read-limit", "5")
	c := dial(t, url, nil)
	c.send(websocket.TextMessage, "12345")
	c.send(websocket.TextMessage, "123456")
	c.wantClose(websocket.CloseMessageTooBig)
	p.signal(os.Interrupt)
	wantEnd(t, p, exitOK, "12345\n")
}

// TestListenTLS: with a certificate it is wss; its key may be in the same file.
func TestListenTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	pair := web.TLS.Certificates[0]
	keyDER, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := &pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}
	key := &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}
	both := writePEM(t, "both.pem", key, cert)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	for _, flags := range [][]string{
		{"--cert", writePEM(t, "cert.pem", cert), "--key", writePEM(t, "key.pem", key)},
		{"--cert", both},
		{"--cert", both, "--key", both},
	} {
		p, url := startListen(t, append(flags, "--echo")...)
		if !strings.Contains(p.err.String(), " wss://") {
			t.Errorf("said %q", p.err)
		}
		d := websocket.Dialer{TLSConfig: &tls.Config{RootCAs: roots}}
		c := dialWith(t, &d, "wss"+strings.TrimPrefix(url, "ws"), nil)
		c.send(websocket.TextMessage, "hello")
		c.wantMessage(websocket.TextMessage, "hello")
		if _, _, err := new(websocket.Dialer).Dial(t.Context(), "wss"+strings.TrimPrefix(url, "ws"), nil); err == nil {
			t.Error("an unknown certificate is taken")
		}
		p.says(`(?m)^hawser listen: http: TLS handshake error from `)
	}
}

// TestListenUsage: what makes no sense is refused before anything listens.
func TestListenUsage(t *testing.T) {
	here := "127.0.0.1:0"
	_, cert, _ := newCertificate(t)
	onlyCert := writePEM(t, "cert.pem", cert)
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no address":           {nil, `the address is missing`},
		"no host":              {[]string{"9000"}, `"9000" is not of the form HOST:PORT`},
		"two addresses":        {[]string{here, here}, `unexpected argument`},
		"two modes":            {[]string{"--echo", "--broadcast", here}, `exclude each other`},
		"two other modes":      {[]string{"--echo", "--exec", "cat", here}, `exclude each other`},
		"no command":           {[]string{"--exec", " ", here}, `the command is empty`},
		"max without exec":     {[]string{"--max", "3", here}, `--max goes with --exec`},
		"no process":           {[]string{"--max", "0", "--exec", "cat", here}, `--max 0`},
		"-b with echo":         {[]string{"-b", "--echo", here}, `-b goes with`},
		"-n negative":          {[]string{"-n", "-1", here}, `-n -1`},
		"-n with exec":         {[]string{"-n", "1", "--exec", "cat", here}, `-n does not go with --exec`},
		"no message":           {[]string{"--read-limit", "0", here}, `--read-limit 0`},
		"certificate only":     {[]string{"--cert", onlyCert, here}, `--cert, --key: .*key`},
		"key only":             {[]string{"--key", "x", here}, `--key: the certificate is missing`},
		"no such certificate":  {[]string{"--cert", "/none", "--key", "/none", here}, `/none`},
		"origin with a path":   {[]string{"--origin", "https://a.example/b", here}, `--origin: `},
		"subprotocol of words": {[]string{"-s", "a b", here}, `-s: a subprotocol is a word`},
		"subprotocol empty":    {[]string{"-s", "", here}, `-s: a subprotocol is a word of .*%&'\*`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := hawser(t, append([]string{"listen"}, row.args...)...)
			if code != exitUsage || stdout != "" || !regexp.MustCompile(`^hawser listen: .*`+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, printed %q, said %q; want 2, nothing, %q", code, stdout, stderr, row.says)
			}
		})
	}
}

func TestListenWhereSomebodyElseDoes(t *testing.T) {
	code, stdout, stderr := hawser(t, "listen", occupied(t))
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "choose another address") {
		t.Errorf("exit code %d, printed %q, said %q", code, stdout, stderr)
	}
}

// listenInto runs "hawser listen" with out as standard output, and sends it a message.
func listenInto(t *testing.T, out *os.File) (code int, stderr string) {
	t.Helper()
	cmd := command(t, "listen", "127.0.0.1:0")
	said := newOutput()
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	c := dial(t, awaitListening(t, said), nil)
	c.send(websocket.TextMessage, "nobody sees this")
	c.wantClose(websocket.CloseGoingAway)
	return waitCommand(t, cmd), said.String()
}

// awaitListening waits until a listener says where it listens.
func awaitListening(t *testing.T, said *output) (url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	at, err := said.await(ctx, regexp.MustCompile(`listening on (ws://\S+)\n`), nil)
	if err != nil {
		t.Fatal(err)
	}
	return at[1]
}

// TestListenEndsWhenNobodyReadsItsOutput: whoever read has seen enough, which is no failure; a full disk is one.
func TestListenEndsWhenNobodyReadsItsOutput(t *testing.T) {
	r, w := osPipe(t)
	r.Close()
	if code, stderr := listenInto(t, w); code != exitOK || strings.Contains(stderr, "standard output") {
		t.Errorf("exit code %d, said %q; want 0, nothing of it", code, stderr)
	}
	full := fullDisk(t)
	if full == nil {
		return
	}
	code, stderr := listenInto(t, full)
	if code != exitFailed || !strings.Contains(stderr, "hawser listen: standard output: ") {
		t.Errorf("exit code %d, said %q; want 1, what is wrong", code, stderr)
	}
}

// TestListenSecondSignalEndsAtOnce: a client that does not answer the Close holds up the first signal, not the second.
func TestListenSecondSignalEndsAtOnce(t *testing.T) {
	wstest.NoLeaks(t)
	p, url := startListen(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	silent, _, err := new(websocket.Dialer).Dial(ctx, url, nil) // nobody reads from it
	if err != nil {
		t.Fatal(err)
	}
	defer silent.CloseNow()
	p.signal(syscall.SIGTERM)
	p.says(`(?m)^hawser listen: stopping$`)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != -1 {
		t.Errorf("exit code %d; want the signal to have ended it", code)
	}
}

// tempFile is a file's name in a directory of the test's.
func tempFile(t *testing.T, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), name)
}
