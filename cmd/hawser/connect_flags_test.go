package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hawser.example/websocket"
)

// The tests of this file are about the flags that say what is sent, and how to connect.

// echoAsked echoes, and keeps the request in asked, which has room for it.
func echoAsked(asked chan<- *http.Request, subprotocols ...string) http.HandlerFunc {
	upgrader := websocket.Upgrader{Subprotocols: subprotocols, CheckOrigin: func(*http.Request) bool { return true }}
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r:
		default:
		}
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			defer c.CloseNow()
			echoAll(c)
		}
	}
}

// TestConnectRequest: what the flags say stands in the request.
func TestConnectRequest(t *testing.T) {
	asked := make(chan *http.Request, 1)
	url := serveHandler(t, echoAsked(asked, "second"))
	filter(t, "", "hello\n", "-m", "hello", "-n", "1",
		"-H", "X-One: 1", "-H", "x-one:\ttwo words ", "-H", "Host: other.example",
		"--origin", "https://page.example", "-s", "first", "-s", "second", "-u", "user:pass:word", url)
	r := <-asked
	user, password, ok := r.BasicAuth()
	if got := r.Header["X-One"]; !slices.Equal(got, []string{"1", "two words"}) || r.Host != "other.example" ||
		r.Header.Get("Origin") != "https://page.example" || user != "user" || password != "pass:word" || !ok ||
		r.Header.Get("Sec-WebSocket-Protocol") != "first, second" {
		t.Errorf("Host %q, header %v", r.Host, r.Header)
	}
}

// writePEM writes blocks to a file of the test and returns its path.
func writePEM(t *testing.T, name string, blocks ...*pem.Block) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var all bytes.Buffer
	for _, b := range blocks {
		pem.Encode(&all, b)
	}
	if err := os.WriteFile(path, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newCertificate returns a client's certificate, which signs itself, and its key.
func newCertificate(t *testing.T) (certificate *x509.Certificate, cert, key *pem.Block) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}
}

// TestConnectTLS: a server whose certificate nobody knows is refused, unless it is in --cacert, or -k takes any; and it
// is shown --cert. --connect changes where to, not whom.
func TestConnectTLS(t *testing.T) {
	certificate, cert, key := newCertificate(t)
	web := httptest.NewUnstartedServer(echoAsked(nil))
	web.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: x509.NewCertPool()}
	web.TLS.ClientCAs.AddCert(certificate)
	var shown atomic.Int32
	web.TLS.VerifyConnection = func(s tls.ConnectionState) error {
		shown.Add(int32(len(s.PeerCertificates)))
		return nil
	}
	web.StartTLS()
	defer web.Close()
	addr := web.Listener.Addr().String()
	ca := writePEM(t, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	certFile, keyFile := writePEM(t, "cert.pem", cert), writePEM(t, "key.pem", key)
	both := writePEM(t, "both.pem", cert, key)
	for _, tt := range []struct {
		rule string
		args []string
		code int
		says string
	}{
		{"nobody knows it", []string{"wss://" + addr}, exitConnect, "certificate"},
		{"-k", []string{"-k", "wss://" + addr}, exitOK, ""},
		{"--cacert", []string{"--cacert", ca, "wss://" + addr}, exitOK, ""},
		{"--cert and --key", []string{"--cacert", ca, "--cert", certFile, "--key", keyFile, "wss://" + addr}, exitOK, ""},
		{"--cert with the key in it", []string{"--cacert", ca, "--cert", both, "wss://" + addr}, exitOK, ""},
		{"--connect", []string{"--cacert", ca, "--connect", addr, "wss://example.com/"}, exitOK, ""},
		{"--connect, and another name", []string{"--cacert", ca, "--connect", addr, "wss://example.org/"},
			exitConnect, "example.org"},
		{"no such file", []string{"--cacert", "nowhere.pem", "wss://" + addr}, exitUsage, "--cacert: open nowhere.pem"},
		{"no certificate in it", []string{"--cacert", keyFile, "wss://" + addr}, exitUsage, "no certificate in"},
		{"no key", []string{"--cert", certFile, "wss://" + addr}, exitUsage, "--cert, --key: "},
		{"ws to a port of TLS", []string{"ws://" + addr}, exitConnect, "400"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			code, stdout, stderr := pipe(t, "", append([]string{"-m", "hello", "-n", "1"}, tt.args...)...)
			if code != tt.code || !strings.Contains(stderr, tt.says) || (stdout == "hello\n") != (code == exitOK) {
				t.Errorf("exit code %d, printed %q, said %q; want %d, %q", code, stdout, stderr, tt.code, tt.says)
			}
		})
	}
	_, _, stderr := pipe(t, "", "-v", "--cacert", ca, "-m", "hello", "-n", "1", "wss://"+addr)
	if !regexp.MustCompile(`(?m)^\* TLS 1\.3, TLS_\w+, certificate \S`).MatchString(stderr) ||
		!strings.Contains(stderr, "> frame FIN=1 RSV=000 opcode=1 (text)") {
		t.Errorf("with -v it says %q; want the version of TLS, and what is sent in it", stderr)
	}
	if n := shown.Load(); n != 2 {
		t.Errorf("%d certificates were shown; want two", n)
	}
}

// TestConnectOverUnixSockets: as the URL, and in place of what the URL says.
func TestConnectOverUnixSockets(t *testing.T) {
	asked := make(chan *http.Request, 1)
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	web := &httptest.Server{Listener: ln, Config: newHTTPServer(echoAsked(asked))}
	web.Start()
	defer web.Close()
	for _, tt := range []struct {
		args []string
		host string
		uri  string
	}{
		{[]string{"unix:" + path}, "localhost", "/"},
		{[]string{"unix:" + path + ":/chat?room=1"}, "localhost", "/chat?room=1"},
		{[]string{"ws+unix:" + path + ":/chat"}, "localhost", "/chat"},
		{[]string{"--connect", "unix:" + path, "ws://example.com/chat"}, "example.com", "/chat"},
	} {
		filter(t, "", "hello\n", append([]string{"-m", "hello", "-n", "1"}, tt.args...)...)
		if r := <-asked; r.Host != tt.host || r.RequestURI != tt.uri {
			t.Errorf("%v: asked %q for %q; want %q, %q", tt.args, r.Host, r.RequestURI, tt.host, tt.uri)
		}
	}
}

// TestConnectThroughAProxy of the environment, unless --connect says where to.
func TestConnectThroughAProxy(t *testing.T) {
	server := strings.TrimSuffix(strings.TrimPrefix(serveHandler(t, echoAsked(nil)), "ws://"), "/")
	tunnels := make(chan string, 2)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels <- r.Method + " " + r.Host
		out, err := net.Dial("tcp", server)
		if err != nil {
			t.Error(err)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(out, in)
		io.Copy(in, out)
	}))
	t.Cleanup(proxy.Close)
	for _, flags := range [][]string{nil, {"--connect", server}} {
		args := append(flags, "-m", "hello", "-n", "1", "-w", "-1s", "ws://server.example/")
		cmd := command(t, append([]string{"connect"}, args...)...)
		cmd.Env = append(cmd.Env, "HTTP_PROXY="+proxy.URL)
		p := startCommand(t, cmd)
		if code := p.wait(); code != exitOK || p.out.String() != "hello\n" {
			t.Errorf("%v: exit code %d, printed %q", flags, code, p.out)
		}
	}
	if got := <-tunnels; got != "CONNECT server.example:80" || len(tunnels) != 0 {
		t.Errorf("the proxy was asked for %q, and %d more; want server.example:80, once", got, len(tunnels))
	}
}

// TestConnectSendsFiles, in the order in which they and -m are given.
func TestConnectSendsFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "two\nlines")
	if err := os.WriteFile(file, []byte("two\nlines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(t.TempDir(), "picture")
	if err := os.WriteFile(picture, []byte("\xff\x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, echoAsked(nil))
	filter(t, "from\ninput\n", "one\ntwo\nlines\n\nfrom\ninput\n\nthree\n",
		"-m", "one", "--file", file, "--file", "-", "-m", "three", "-n", "4", url)
	filter(t, "", "\xff\x00\none", "-b", "--file", picture, "-m", "one", "-n", "2", url)
	for _, tt := range []struct{ file, says string }{
		{"nowhere", "--file: open nowhere"},
		{picture, "UTF-8 (-b sends binary ones)"},
	} {
		if code, _, stderr := pipe(t, "", "--file", tt.file, url); code != exitUsage || !strings.Contains(stderr, tt.says) {
			t.Errorf("exit code %d, said %q; want 2, %q", code, stderr, tt.says)
		}
	}
}

// TestConnectSendsBinary: -b makes binary messages of everything, and of input in a pipe what comes.
func TestConnectSendsBinary(t *testing.T) {
	for _, tt := range []struct {
		input string
		args  []string
		want  string
	}{
		{"\x00\xff\r\nno line", nil, "\x00\xff\r\nno line"},
		{"not this", []string{"-m", "\xff"}, "\xff"},
	} {
		var got []byte
		url := scripted(t, func(c *websocket.Conn) {
			for len(got) < len(tt.want) {
				mt, p, err := c.ReadMessage()
				if err != nil || mt != websocket.BinaryMessage {
					t.Errorf("%v message, error %v; want a binary one", mt, err)
					return
				}
				got = append(got, p...)
			}
			say(t, c, "over")
			wantGoodbye(t, c)
		})
		filter(t, tt.input, "over", append(tt.args, "-b", "-n", "1", url)...)
		if string(got) != tt.want {
			t.Errorf("the server got %q; want %q", got, tt.want)
		}
	}
}

// TestConnectUsageOfFlags: what cannot be is said before anything is done.
func TestConnectUsageOfFlags(t *testing.T) {
	for _, tt := range []struct {
		args string
		says string
	}{
		{"-H nothing", "'Name: value'"},
		{"-H X", "'Name: value'"},
		{"-H Sec-WebSocket-Key:x", "Sec-Websocket-Key"},
		{"-H X:\x01", "control character"},
		{"-s a,b", "not a token"},
		{"-s a -s a", "more than once"},
		{"-u user", "USER:PASSWORD"},
		{"-u a:b -H Authorization:x", "Authorization already"},
		{"--key k.pem", "--cert"},
		{"--connect nowhere", "HOST:PORT"},
		{"--connect :80", "HOST:PORT"},
		{"--connect unix:", "unix:/path"},
		{"--expect (", "missing closing"},
		{"--timeout -1s", "negative"},
		{"--timeout 5", "such as 500ms"},
		{"-i -1s", "negative"},
		{"-i 1", "such as 500ms"},
		{"--json --pretty", "only one"},
		{"--json=maybe", "true or false"},
	} {
		code, stdout, stderr := pipe(t, "", append(strings.Fields(tt.args), "ws://127.0.0.1:1/")...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: exit code %d, printed %q, said %q; want 2, nothing, %q", tt.args, code, stdout, stderr, tt.says)
		}
	}
}

// TestConnectErrorsNameFlags: what the library says of its fields is said of flags and of the environment.
func TestConnectErrorsNameFlags(t *testing.T) {
	moved := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/there", http.StatusFound)
	})
	long := scripted(t, func(c *websocket.Conn) { say(t, c, "123456"); c.ReadMessage() })
	mute := scripted(t, func(c *websocket.Conn) { io.Copy(io.Discard, c.NetConn()) })
	for _, tt := range []struct {
		args, env string
		says      string
	}{
		{"--read-limit 5 " + long, "", "(--read-limit sets it)"},
		{moved, "", `it redirects to "/there", which is not followed: name that address instead`},
		{"-w 1ms " + mute, "", "the peer did not finish the closing handshake within 5s"},
		{"ws://h.example/", "HTTP_PROXY=ftp://127.0.0.1", "names (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) cannot be used: " +
			`its URL has the scheme "ftp", which is none of http, https, socks5, socks5h`},
		{"ws://h.example/", "HTTP_PROXY=http://%zz", "the environment variable HTTP_PROXY is not the URL of a proxy"},
		{"-H Sec-WebSocket-Protocol:x ws://127.0.0.1:1/", "", "; -s offers subprotocols"},
		{"-H Sec-WebSocket-Extensions:x ws://127.0.0.1:1/", "", "; it offers compression unless there is --no-deflate"},
		{"unix:nowhere", "", "the form is unix:/path"},
	} {
		cmd := command(t, append([]string{"connect"}, strings.Fields(tt.args)...)...)
		cmd.Env = append(cmd.Env, tt.env)
		p := startCommand(t, cmd)
		if strings.HasPrefix(tt.args, "-w") {
			p.stdin.Close()
		}
		code, stderr := p.wait(), p.err.String()
		if code == exitOK || !strings.Contains(stderr, tt.says) || apiName.MatchString(stderr) {
			t.Errorf("%s %s: exit code %d, said %q; want %q", tt.env, tt.args, code, stderr, tt.says)
		}
	}
}

// apiName finds what is of the library or of how the URL is passed to it.
var apiName = regexp.MustCompile(`Dialer|Upgrader|Timeout|ReadLimit|ws\+unix`)

// TestConnectBoundsWhatItReads: a file without an end is an error, not all of the memory.
func TestConnectBoundsWhatItReads(t *testing.T) {
	for _, tt := range []struct {
		input string
		fits  bool
	}{
		{"", true},
		{strings.Repeat("x", 40), true},
		{strings.Repeat("x", 41), false},
	} {
		p, err := readAll(strings.NewReader(tt.input), 40)
		if (err == nil) != tt.fits || err == nil && string(p) != tt.input {
			t.Errorf("%.50q: all of it is %q, %v", tt.input, p, err)
		}
	}
}
