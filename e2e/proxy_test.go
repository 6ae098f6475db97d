package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	websocket "hawser.example/websocket"
)

const publishKey = "a key for the tests"

// reverseProxies are the programs that stand in front of the server. Each configuration has the same four listeners.
var reverseProxies = []struct {
	name   string
	config string // in testdata
	run    func(t *testing.T, dir string) *process
}{
	{"nginx", "nginx.conf", func(t *testing.T, dir string) *process {
		return start(t, lookPath(t, "nginx", "/usr/sbin/nginx"), "-p", dir, "-c", "nginx.conf")
	}},
	{"HAProxy", "haproxy.cfg", func(t *testing.T, dir string) *process {
		return start(t, lookPath(t, "haproxy", "/usr/sbin/haproxy"), "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	}},
	{"Caddy", "Caddyfile", func(t *testing.T, dir string) *process {
		return start(t, "env", "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, // else it writes into the home directory
			lookPath(t, "caddy"), "run", "--adapter", "caddyfile", "--config", filepath.Join(dir, "Caddyfile"))
	}},
}

// eachProxy runs a test with every proxy. front starts the proxy in front of a server.
func eachProxy(t *testing.T, test func(t *testing.T, front func(t *testing.T, server string) proxied)) {
	for _, proxy := range reverseProxies {
		t.Run(proxy.name, func(t *testing.T) {
			test(t, func(t *testing.T, server string) proxied {
				t.Helper()
				p := proxied{passing: freeAddr(t), secure: freeAddr(t), forgetful: freeAddr(t), hasty: freeAddr(t)}
				dir := t.TempDir()
				p.roots = writeCertificate(t, dir)
				writeConfig(t, proxy.config, dir, map[string]string{
					"Dir": dir, "Hawser": server, "Idle": proxyIdle.String(),
					"Passing": p.passing, "Secure": p.secure, "Forgetful": p.forgetful, "Hasty": p.hasty,
				})
				running := proxy.run(t, dir)
				for _, addr := range []string{p.passing, p.secure, p.forgetful, p.hasty} {
					awaitListener(t, running, addr)
				}
				return p
			})
		})
	}
}

// proxied is a proxy in front of a server.
type proxied struct {
	passing   string // address of the listener that passes Host on
	secure    string // the same with TLS
	forgetful string // address of the listener that does not pass Host on
	hasty     string // address of the listener that cuts connections which are idle for proxyIdle
	roots     *x509.CertPool
}

// proxyIdle is long enough for keepalive to be in time on a busy machine.
const proxyIdle = 2 * time.Second

// startServe runs hawser serve.
func startServe(t *testing.T) (hawser *process, addr string) {
	t.Helper()
	return startHawser(t, "serve", "--addr", "127.0.0.1:0", "--publish-key", publishKey)
}

// freeAddr returns an address that nobody listens on: proxies cannot be asked for a port of their own choice.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// writeConfig fills in a template of testdata.
func writeConfig(t *testing.T, name, dir string, values map[string]string) {
	t.Helper()
	var config bytes.Buffer
	if err := template.Must(template.ParseFiles(filepath.Join("testdata", name))).Execute(&config, values); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, name), config.Bytes())
}

// awaitListener returns when a connection to addr succeeds.
func awaitListener(t *testing.T, p *process, addr string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-p.exited:
			t.Fatalf("%s ended before it listened on %s", p.cmd, addr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s: %v", p.cmd, addr, err)
		}
	}
}

// subscribe dials a topic through the proxy at addr as a browser would whose page came from there.
func subscribe(ctx context.Context, addr, topic string) (*websocket.Conn, error) {
	origin := http.Header{"Origin": {"http://" + addr}}
	conn, _, err := new(websocket.Dialer).Dial(ctx, "ws://"+addr+"/topics/"+topic, origin)
	return conn, err
}

// awaitSubscription returns when conn, the only subscriber to builds, is one: a moment after its handshake.
func awaitSubscription(t *testing.T, addr string, conn *websocket.Conn) {
	t.Helper()
	publishTo(t, addr, "builds", probe, 1)
	wantText(t, conn, probe)
}

// publish posts to a topic and returns the status and the body of the answer.
func publish(t *testing.T, addr, topic, contentType string, body []byte) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), "POST", "http://"+addr+"/topics/"+topic, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+publishKey)
	r.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestProxy(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		_, addr := startServe(t)
		p := front(t, addr)
		conn, err := subscribe(within(t), p.passing, "builds")
		if err != nil {
			t.Fatalf("subscribe through the proxy: %v", err)
		}
		defer conn.CloseNow()
		awaitSubscription(t, p.passing, conn)
		messages := []struct {
			name, contentType string
			kind              websocket.MessageType
			body              []byte
		}{
			{"text", "text/plain", websocket.TextMessage, []byte("grüße durch den Proxy")},
			{"binary", "application/octet-stream", websocket.BinaryMessage, []byte{0xff, 0, 0x80}},
			{"empty", "text/plain", websocket.TextMessage, nil},
			{"1 MiB text", "text/plain", websocket.TextMessage, bytes.Repeat([]byte("hawser ü"), 1<<20/9)},
			{"1 MiB binary", "application/octet-stream", websocket.BinaryMessage, bytes.Repeat([]byte{0xff, 0}, 1<<19)},
		}
		for _, m := range messages {
			status, answer := publish(t, p.passing, "builds", m.contentType, m.body)
			if status != http.StatusOK || !strings.Contains(answer, `"subscribers":1`) {
				t.Fatalf("%s: publish: %d %s", m.name, status, answer)
			}
			kind, data, err := conn.ReadContext(within(t))
			if err != nil {
				t.Fatalf("%s: read: %v", m.name, err)
			}
			if kind != m.kind || !bytes.Equal(data, m.body) {
				t.Errorf("%s: received %v of %d bytes, %.40q", m.name, kind, len(data), data)
			}
		}
		if status, answer := publish(t, p.passing, "builds", "text/plain", make([]byte, 1<<20+1)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("publish 1 MiB and one byte: %d %s; want 413", status, answer)
		}
	})
}

// TestProxyWithTLS dials wss: the other end of TLS is OpenSSL, or Go with Caddy; the other end of WebSocket is hawser.
func TestProxyWithTLS(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		_, addr := startServe(t)
		p := front(t, addr)
		url, origin := "wss://"+p.secure+"/topics/builds", http.Header{"Origin": {"https://" + p.secure}}
		dialer := websocket.Dialer{TLSConfig: &tls.Config{RootCAs: p.roots}}
		conn, _, err := dialer.Dial(within(t), url, origin)
		if err != nil {
			t.Fatal(err)
		}
		awaitSubscription(t, p.passing, conn)
		body := bytes.Repeat([]byte("hawser ü"), 1<<20/9)
		if status, answer := publish(t, p.passing, "builds", "text/plain", body); status != http.StatusOK {
			t.Fatalf("publish: %d %s", status, answer)
		}
		if kind, data, err := conn.ReadContext(within(t)); err != nil || kind != websocket.TextMessage || !bytes.Equal(data, body) {
			t.Errorf("received %v of %d bytes, %v", kind, len(data), err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}

		var unknown x509.UnknownAuthorityError
		if _, _, err := new(websocket.Dialer).Dial(within(t), url, origin); !errors.As(err, &unknown) {
			t.Errorf("dial without knowing the authority: %v; want x509.UnknownAuthorityError", err)
		}
	})
}

// TestProxyPassesClose has each side close with a code of its own.
func TestProxyPassesClose(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		hawser, addr := startServe(t)
		p := front(t, addr)
		conn, err := subscribe(within(t), p.passing, "builds")
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWith(4321, "enough"); err != nil {
			t.Errorf("CloseWith: %v; want the server's echo through the proxy", err)
		}

		conn, err = subscribe(within(t), p.passing, "builds")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		awaitSubscription(t, addr, conn)
		read := make(chan error, 1)
		go func() {
			_, _, err := conn.ReadContext(within(t))
			read <- err
		}()
		if code := hawser.terminate(); code != 0 {
			t.Errorf("hawser's exit code after SIGTERM is %d; want 0", code)
		}
		var closed *websocket.CloseError
		if err := <-read; !errors.As(err, &closed) || closed.Code != websocket.CloseServiceRestart {
			t.Errorf("read while the server drains: %v; want close 1012", err)
		}
	})
}

func TestProxyThatForgetsHost(t *testing.T) {
	eachProxy(t, func(t *testing.T, front func(t *testing.T, server string) proxied) {
		_, addr := startServe(t)
		p := front(t, addr)
		_, err := subscribe(within(t), p.forgetful, "builds")
		var refused *websocket.HandshakeError
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
			t.Fatalf("error %v; want a refusal with 403", err)
		}
		for _, hint := range []string{"proxy", "Host", p.forgetful} {
			if !bytes.Contains(refused.Body, []byte(hint)) {
				t.Errorf("the refusal does not name %q: %s", hint, refused.Body)
			}
		}

		// The same proxy is right for whoever is no browser: without an Origin there is nothing to compare.
		conn, _, err := new(websocket.Dialer).Dial(within(t), "ws://"+p.forgetful+"/topics/builds", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
