package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	websocket "hawser.example/websocket"
)

// The proxies as docs/SERVER.md has them.

// documented are the snippets, each with what a configuration has around it and what differs in a test: addresses,
// ports, certificates.
var documented = []struct {
	name  string
	start func(t *testing.T, dir, server, addr string) *process
}{
	{"nginx", func(t *testing.T, dir, server, addr string) *process {
		writeFile(t, filepath.Join(dir, "nginx.conf"), []byte(`
			daemon off; master_process off; pid nginx.pid; error_log stderr warn;
			events { worker_connections 256; }
			http {
				access_log off;
				client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
				scgi_temp_path scgi;
			`+snippet(t, "nginx", "127.0.0.1:8080", server, "listen 443", "listen "+addr,
			"/etc/ssl/push.example.com.pem", dir+"/cert.pem", "/etc/ssl/push.example.com.key", dir+"/key.pem")+`}`))
		return start(t, lookPath(t, "nginx", "/usr/sbin/nginx"), "-p", dir, "-c", "nginx.conf")
	}},
	{"HAProxy", func(t *testing.T, dir, server, addr string) *process {
		writeFile(t, filepath.Join(dir, "haproxy.cfg"), []byte("global\n  maxconn 256\n\n"+snippet(t, "haproxy",
			"127.0.0.1:8080", server, "bind :443", "bind "+addr, "/etc/haproxy/push.example.com.pem", dir+"/both.pem")))
		return start(t, lookPath(t, "haproxy", "/usr/sbin/haproxy"), "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	}},
	{"Caddy", func(t *testing.T, dir, server, addr string) *process {
		// The domain is an address here, for which Caddy makes the certificate itself.
		config := snippet(t, "caddyfile", "127.0.0.1:8080", server, "push.example.com", "https://"+addr)
		writeFile(t, filepath.Join(dir, "Caddyfile"),
			[]byte("{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"+config))
		return start(t, "env", "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir,
			lookPath(t, "caddy"), "run", "--adapter", "caddyfile", "--config", filepath.Join(dir, "Caddyfile"))
	}},
}

// eachDocumented runs a test with each of them in front of the server at an address. base is where the proxy is.
func eachDocumented(t *testing.T, test func(t *testing.T, front func(server string) (base string))) {
	for _, proxy := range documented {
		t.Run(proxy.name, func(t *testing.T) {
			test(t, func(server string) string {
				dir, addr := t.TempDir(), freeAddr(t)
				writeCertificate(t, dir)
				running := proxy.start(t, dir, server, addr)
				awaitListener(t, running, addr)
				awaitCertificate(t, addr)
				return "https://" + addr
			})
		})
	}
}

// awaitCertificate waits until a handshake of TLS succeeds: Caddy listens before it has made its certificate.
func awaitCertificate(t *testing.T, addr string) {
	t.Helper()
	for ctx := within(t); ; time.Sleep(10 * time.Millisecond) {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			c.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// ignoreCertificates prepares a page for a certificate that nobody vouches for.
func ignoreCertificates(p page) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.IgnoreCertificateErrors(ctx) })
}

// TestDocumentedProxies uses the page of --dev through them, by keyboard: that takes the page itself, WebSocket and
// publishing.
func TestDocumentedProxies(t *testing.T) {
	eachDocumented(t, func(t *testing.T, front func(string) string) {
		_, addr := startHawser(t, "serve", "--dev", "--addr", "127.0.0.1:0")
		base := front(addr)
		for _, width := range []int{1280, 390} {
			t.Run(strconv.Itoa(width), func(t *testing.T) { testByKeyboard(t, base, width, ignoreCertificates) })
		}
	})
}

// eventSource subscribes with what browsers have for server-sent events, and keeps what comes. A browser does not try
// again when a proxy answers that the server is gone: then the page has to.
const eventSource = `(() => {
	window.got = {data: [], welcomes: [], drains: 0, last: ""}
	const subscribe = () => {
		const source = new EventSource("/ws?topic=news&topic=orders.%3E&last-id=" + got.last)
		source.onmessage = event => {
			const m = JSON.parse(event.data)
			got.data.push(m.topic + " " + m.data + (m.id === event.lastEventId ? "" : ", the id " + event.lastEventId))
		}
		source.addEventListener("message", event => got.last = event.lastEventId)
		source.addEventListener("welcome", event => got.welcomes.push(JSON.parse(event.data)))
		source.addEventListener("drain", () => got.drains++)
		source.onerror = () => source.readyState === EventSource.CLOSED && setTimeout(subscribe, 100)
	}
	subscribe()
})()`

// TestDocumentedProxiesPassEvents: server-sent events come at once, and what was missed comes when the browser has
// connected again, which it does by itself.
func TestDocumentedProxiesPassEvents(t *testing.T) {
	eachDocumented(t, func(t *testing.T, front func(string) string) {
		hawser, addr := startHawser(t, "serve", "--dev", "--addr", "127.0.0.1:0", "--drain", "500ms")
		line := layCable(t, addr)
		p := openPage(t, "about:blank#")
		ignoreCertificates(p)
		base := front(line.addr)
		p.do(func(ctx context.Context) error { return p.tab.Navigate(ctx, base+"/page/page.css") }) // of the same origin
		p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, eventSource, nil) })
		wait := func(condition string) {
			t.Helper()
			p.do(func(ctx context.Context) error { return p.tab.WaitFor(ctx, condition) })
		}
		wait(`got.welcomes.length === 1`)
		curlInsecure(t, base+"/topics/news", "one")
		curlInsecure(t, base+"/topics/orders.7", "two")
		wait(`got.data.length === 2`)

		line.sever(true)
		for _, text := range []string{"missed 1", "missed 2"} {
			curlInsecure(t, "http://"+addr+"/topics/news", text)
		}
		line.mend()
		wait(`got.data.length === 4`)
		want := "news one, orders.7 two, news missed 1, news missed 2"
		if got := p.evalString(`got.data.join(", ")`); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
		told := p.evalString(`JSON.stringify(got.welcomes.map(w => [w.recovered ?? null, w.missed ?? null]))`)
		if told != "[[null,null],[true,2]]" {
			t.Errorf("the welcomes say %s", told)
		}

		hawser.terminate()
		wait(`got.drains === 1`)
		startHawser(t, "serve", "--dev", "--addr", addr)
		wait(`got.welcomes.length === 3 && got.welcomes[2].recovered === false`)
		curlInsecure(t, base+"/topics/news", "after")
		wait(`got.data.at(-1) === "news after"`)
	})
}

// TestDocumentedProxiesNameTheClient: limits for an address count the client, not the proxy, and not what the client
// makes up.
func TestDocumentedProxiesNameTheClient(t *testing.T) {
	eachDocumented(t, func(t *testing.T, front func(string) string) {
		_, addr := startPublic(t, "127.0.0.1:0", "--trusted-proxy", "127.0.0.1", "--max-connections-per-ip", "2")
		base := front(addr)
		// The client has another address than the proxy, which is trusted.
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		dialer := websocket.Dialer{TLSConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: from.DialContext}
		for i, want := range []int{101, 101, 429} {
			header := http.Header{"X-Forwarded-For": {"203.0.113." + strconv.Itoa(i)}}
			c, res, err := dialer.Dial(within(t), strings.Replace(base, "http", "ws", 1)+"/topics/news", header)
			if err == nil {
				defer c.CloseNow()
			}
			if res == nil || res.StatusCode != want {
				t.Errorf("connection %d: %v, %v; want %d", i+1, res, err, want)
			}
		}
	})
}
