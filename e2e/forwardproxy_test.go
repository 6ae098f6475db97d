package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	websocket "hawser.example/websocket"
)

// Who may use the proxies that ask. The hash is what crypt(3) makes of the password, for Dante.
const (
	proxyUser     = "hawser"
	proxyPassword = "open-sesame"
	proxyHash     = "$6$hawser$Sz25nDFLbvg9oSnyergaYXl5KZsO8Y9HF7dtGw4PX5MCAoZ7lzwZjLH1FscDVqlE1YOFZl8i0VcOxz6XrLbKP0"
)

// forwardProxies are the programs that stand in front of the client.
var forwardProxies = []struct {
	name, scheme, config string
	run                  func(t *testing.T, dir string) *process
	uses                 string // what it logs of a connection, with %s for the port of the server
}{
	{"tinyproxy", "http", "tinyproxy.conf", runTinyproxy, `CONNECT [a-z0-9.]+:%s\b`},
	{"Dante", "socks5", "danted.conf", runDante, `pass\(1\): tcp/connect.*\.%s\b`},
}

func runTinyproxy(t *testing.T, dir string) *process {
	return start(t, lookPath(t, "tinyproxy"), "-d", "-c", filepath.Join(dir, "tinyproxy.conf"))
}

// runDante has it see a user that the system does not have: in a mount namespace of its own.
func runDante(t *testing.T, dir string) *process {
	files := map[string]string{
		"passwd": proxyUser + ":x:65533:65534::/nonexistent:/usr/sbin/nologin\n",
		"shadow": proxyUser + ":" + proxyHash + ":19000:0:99999:7:::\n",
	}
	for name, line := range files {
		system, err := os.ReadFile("/etc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), slices.Concat(system, []byte(line)))
	}
	const script = `chmod 644 "$1/passwd" && mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow &&
		exec "$2" -f "$1/danted.conf" -p "$1/danted.pid"`
	danted := lookPath(t, "danted", "/usr/sbin/danted")
	return start(t, lookPath(t, "unshare"), "--mount", "sh", "-c", script, "sh", dir, danted)
}

// forward is a running proxy.
type forward struct {
	*process
	url  string
	uses string // as in forwardProxies
}

// eachForwardProxy runs a test with every proxy, once with a user that it asks for and once without.
func eachForwardProxy(t *testing.T, test func(t *testing.T, p forward, user *url.Userinfo)) {
	for _, proxy := range forwardProxies {
		for _, asks := range []bool{false, true} {
			name, user := proxy.name, (*url.Userinfo)(nil)
			values := map[string]string{}
			if asks {
				name, user = proxy.name+" with a user", url.UserPassword(proxyUser, proxyPassword)
				values = map[string]string{"User": proxyUser, "Password": proxyPassword}
			}
			t.Run(name, func(t *testing.T) {
				addr, dir := freeAddr(t), t.TempDir()
				values["Port"] = port(addr)
				writeConfig(t, proxy.config, dir, values)
				running := proxy.run(t, dir)
				awaitListener(t, running, addr)
				test(t, forward{running, proxy.scheme + "://" + addr, proxy.uses}, user)
			})
		}
	}
}

// port returns the port of host:port.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// dialer is one that goes through the proxy as user.
func (p forward) dialer(t *testing.T, user *url.Userinfo) *websocket.Dialer {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = user
	return &websocket.Dialer{Proxy: http.ProxyURL(u)}
}

// TestForwardProxy: a connection through a proxy is one like any other, with and without TLS, whether the proxy has to
// look the server's name up or not.
func TestForwardProxy(t *testing.T) {
	handler := new(websocket.Upgrader).Handler(func(*websocket.Conn, *http.Request) websocket.Handler {
		return websocket.HandlerFuncs{OnMessage: echoOrClose}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	plainPort, securePort := port(plain.URL), port(secure.URL)
	targets := []struct{ url, port string }{
		{"ws://127.0.0.1:" + plainPort, plainPort},
		{"ws://localhost:" + plainPort, plainPort},
		{"wss://127.0.0.1:" + securePort, securePort},
	}
	eachForwardProxy(t, func(t *testing.T, p forward, user *url.Userinfo) {
		for _, target := range targets {
			dialer := p.dialer(t, user)
			dialer.TLSConfig = &tls.Config{RootCAs: roots}
			conn, _, err := dialer.Dial(within(t), target.url, nil)
			if err != nil {
				t.Errorf("%s: %v", target.url, err)
				continue
			}
			defer conn.CloseNow()
			for _, payload := range payloads {
				wantEcho(t, conn, payload)
			}
			p.says(fmt.Sprintf(p.uses, target.port))
			if err := conn.CloseWith(4999, "bye"); err != nil {
				t.Errorf("%s: close: %v", target.url, err)
			}
		}
	})
}

// TestForwardProxyRefuses: the error says what the proxy has against the user, or against the server.
func TestForwardProxyRefuses(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	open := "ws" + strings.TrimPrefix(server.URL, "http")
	nobody := "ws://" + freeAddr(t)
	eachForwardProxy(t, func(t *testing.T, p forward, user *url.Userinfo) {
		p.wantRefusal(t, user, nobody, proxyPassword, "made no connection|answered 5[0-9][0-9] [A-Z]")
		if user == nil {
			return
		}
		const guess, unaccepted = "guess-me", "did not accept the user and password of its URL"
		p.wantRefusal(t, nil, open, proxyPassword, "user and password,? (which )?belong in its URL")
		p.wantRefusal(t, url.UserPassword(proxyUser, guess), open, guess, unaccepted)
		p.wantRefusal(t, url.UserPassword("stranger", proxyPassword), open, proxyPassword, unaccepted)
	})
}

// wantRefusal dials and wants the proxy to be to blame, in an error that matches and does not tell the secret.
func (p forward) wantRefusal(t *testing.T, user *url.Userinfo, target, secret, pattern string) {
	t.Helper()
	conn, _, err := p.dialer(t, user).Dial(within(t), target, nil)
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) || refused.Check != "proxy" || !regexp.MustCompile(pattern).MatchString(refused.Reason) {
		t.Errorf("Dial %s through %s: %v, %v; want a refusal that says %q", target, p.url, conn, err, pattern)
		return
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error tells the password: %v", err)
	}
}
