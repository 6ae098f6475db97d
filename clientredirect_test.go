package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// A web is all servers of a small world in memory: those on the ports 443 and 8443 speak TLS. answer says what one of
// them answers.
type web struct {
	t       *testing.T
	servers *tls.Config
	clients *tls.Config
	answer  func(at string, r *http.Request) string
	visits  []string // "address path" of each request, in order
	open    atomic.Int32
}

func newWeb(t *testing.T, answer func(at string, r *http.Request) string) *web {
	t.Helper()
	servers, clients := testTLS(t)
	clients.InsecureSkipVerify = true // any name will do
	return &web{t: t, servers: servers, clients: clients, answer: answer}
}

// dialer returns a Dialer for this world.
func (w *web) dialer(maxRedirects int) *Dialer {
	return &Dialer{TLSConfig: w.clients, MaxRedirects: maxRedirects, DialContext: w.dial}
}

func (w *web) dial(_ context.Context, _, addr string) (net.Conn, error) {
	if n := w.open.Load(); n != 0 {
		w.t.Errorf("%d connections are still open as another is made", n)
	}
	client, server := memconn.Pair(0)
	w.open.Add(1)
	served := make(chan string, 1)
	go func() {
		defer server.Close()
		nc := net.Conn(server)
		if strings.HasSuffix(addr, "443") {
			nc = tls.Server(server, w.servers)
		}
		if r := readHead(nc); r != nil {
			served <- addr + " " + r.RequestURI
			io.WriteString(nc, w.answer(addr, r))
		}
		close(served)
		io.Copy(io.Discard, nc)
	}()
	return &webConn{Conn: client, w: w, served: served}, nil
}

// A webConn is counted until it is closed.
type webConn struct {
	net.Conn
	w      *web
	served chan string
	closed atomic.Bool
}

func (c *webConn) Close() error {
	if !c.closed.Swap(true) {
		c.w.open.Add(-1)
		if visit, ok := <-c.served; ok {
			c.w.visits = append(c.w.visits, visit)
		}
	}
	return c.Conn.Close()
}

func redirectTo(status int, location string, lines ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: %s\r\nContent-Length: 0\r\n%s\r\n", status, location, strings.Join(append(lines, ""), "\r\n"))
}

// Where redirects lead.
func TestRedirectsLeadSomewhere(t *testing.T) {
	tests := []struct{ url, location, at string }{
		{"ws://a/x/y?q", "z", "a:80 /x/z"},
		{"ws://a/x/y?q", "/z?r=%20", "a:80 /z?r=%20"},
		{"ws://a/x/y?q", "?r", "a:80 /x/y?r"},
		{"ws://a/x/y", "//b/z", "b:80 /z"},
		{"ws://a/x", "ws://b:8080/y", "b:8080 /y"},
		{"ws://a/x", "http://b/y#fragment", "b:80 /y"},
		{"ws://a/x", "wss://b", "b:443 /"},
		{"ws://a/x", "https://b:8443/y", "b:8443 /y"},
		{"wss://a/x", "https://b/y", "b:443 /y"},
		{"wss://a/x", "y", "a:443 /y"},
		{"https://a/x", "wss://b/y", "b:443 /y"},
		{"ws://a/x", "ws://[::1]:81/y", "[::1]:81 /y"},
		{"ws+unix://h/run/a%3Ab.sock:/x/y", "z?q", "/run/a:b.sock /x/z?q"},
		{"ws+unix:/run/a.sock:/x/y", "http://localhost/z", "/run/a.sock /z"},
		{"ws+unix:/run/a.sock", "/", "/run/a.sock /?"}, // a circle, see below
		{"ws+unix://h/run/a.sock:/x", "ws://b/z", "b:80 /z"},
	}
	for i, tt := range tests {
		t.Run(tt.url+" "+tt.location, func(t *testing.T) {
			wstest.NoLeaks(t)
			status := []int{301, 302, 303, 307, 308}[i%5]
			first := true
			w := newWeb(t, func(at string, r *http.Request) string {
				if first {
					first = false
					return redirectTo(status, tt.location)
				}
				return accepting(r)
			})
			c, res, err := w.dialer(1).Dial(testContext(t), tt.url, nil)
			if strings.HasSuffix(tt.at, "?") {
				if wantHandshakeError(t, c, err, "redirect"); !strings.Contains(err.Error(), "circle") {
					t.Errorf("Dial = %v, want one that speaks of a circle", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			before := res.Request.Response
			if res.StatusCode != 101 || before == nil || before.StatusCode != status || before.Request.Response != nil {
				t.Errorf("the response is %v, before it came %v", res, before)
			}
			c.CloseNow()
			if len(w.visits) != 2 || w.visits[1] != tt.at {
				t.Errorf("visited %q, want %q last", w.visits, tt.at)
			}
		})
	}
}

// Which redirects are not followed, and what the error says.
func TestRedirectsNotFollowed(t *testing.T) {
	tests := []struct {
		name, url    string
		max          int
		answer       string
		check, names string
		status       int
	}{
		{"by default", "ws://a/", 0, redirectTo(302, "/b"), "status", "MaxRedirects", 302},
		{"switched off", "ws://a/", -1, redirectTo(302, "/b"), "status", "MaxRedirects", 302},
		{"300", "ws://a/", 5, redirectTo(300, "/b"), "status", "300", 300},
		{"304", "ws://a/", 5, "HTTP/1.1 304 x\r\nLocation: /b\r\n\r\n", "status", "304", 304},
		{"200 with a Location", "ws://a/", 5, redirectTo(200, "/b"), "status", "200", 200},
		{"201 with a Location", "ws://a/", 5, redirectTo(201, "/b"), "status", "201", 201},
		{"no Location", "ws://a/", 5, "HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n", "status", "302", 302},
		{"wss to ws", "wss://a/", 5, redirectTo(302, "ws://a/b"), "redirect", "without TLS", 302},
		{"wss to http", "wss://a/", 5, redirectTo(307, "http://a:443/b"), "redirect", "without TLS", 307},
		{"https to http", "https://a/", 5, redirectTo(307, "http://a/b"), "redirect", "without TLS", 307},
		{"to a Unix socket", "ws://a/", 5, redirectTo(302, "ws+unix:/run/docker.sock:/b"), "redirect", "scheme", 302},
		{"from one Unix socket to another", "ws+unix:/a.sock", 5, redirectTo(302, "ws+unix:/b.sock"), "redirect", "scheme", 302},
		{"to a file", "ws://a/", 5, redirectTo(302, "file:///etc/passwd"), "redirect", "scheme", 302},
		{"to nowhere", "ws://a/", 5, redirectTo(302, "ws://:80/"), "redirect", "no host", 302},
		{"to a bad port", "ws://a/", 5, redirectTo(302, "ws://b:0/"), "redirect", "port", 302},
		{"no URL", "ws://a/", 5, redirectTo(302, "http://[::1"), "redirect", "of the form", 302},
		{"to itself", "ws://a/x", 5, redirectTo(302, "/x"), "redirect", "circle", 302},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			w := newWeb(t, func(string, *http.Request) string { return tt.answer })
			c, res, err := w.dialer(tt.max).Dial(testContext(t), tt.url, nil)
			he := wantHandshakeError(t, c, err, tt.check)
			checkPresentable(t, tt.name, he)
			if res == nil || res.StatusCode != tt.status || he.Status != tt.status || !strings.Contains(err.Error(), tt.names) {
				t.Errorf("Dial = %v, %v; want status %d and %q in the text", res, err, tt.status, tt.names)
			}
			if len(w.visits) != 1 {
				t.Errorf("visited %q, want one", w.visits)
			}
		})
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	w := newWeb(t, func(_ string, r *http.Request) string {
		if r.URL.Path == "/xxxx" {
			return accepting(r)
		}
		return redirectTo(302, r.URL.Path+"x")
	})
	for limit := range 6 {
		w.visits = nil
		c, _, err := w.dialer(limit).Dial(testContext(t), "ws://a/", nil)
		switch {
		case limit >= 4:
			if err != nil {
				t.Fatalf("MaxRedirects %d: %v", limit, err)
			}
			c.CloseNow()
		case limit > 0:
			he := wantHandshakeError(t, c, err, "redirect")
			if !strings.Contains(he.Reason, fmt.Sprintf("%d redirects", limit)) || !strings.Contains(he.Reason, "MaxRedirects") {
				t.Errorf("MaxRedirects %d: the text does not say so: %v", limit, err)
			}
		default:
			wantHandshakeError(t, c, err, "status")
		}
		if want := min(limit, 4) + 1; len(w.visits) != want {
			t.Errorf("MaxRedirects %d: %d requests, want %d", limit, len(w.visits), want)
		}
	}
}

func TestRedirectsInACircle(t *testing.T) {
	w := newWeb(t, func(_ string, r *http.Request) string {
		return redirectTo(302, map[string]string{"/a": "/b", "/b": "/c", "/c": "/b"}[r.URL.Path])
	})
	c, res, err := w.dialer(100).Dial(testContext(t), "ws://h/a", nil)
	he := wantHandshakeError(t, c, err, "redirect")
	if !strings.Contains(he.Reason, "circle") || !strings.Contains(he.Reason, "/b") || he.Status != 302 || res.Request.URL.Path != "/c" {
		t.Errorf("Dial = %v, %v", res, err)
	}
	if want := []string{"h:80 /a", "h:80 /b", "h:80 /c"}; !slices.Equal(w.visits, want) {
		t.Errorf("visited %q, want %q", w.visits, want)
	}
}

// What was meant for one server goes to no other, and is not picked up again on the way back.
func TestCredentialsAcrossHosts(t *testing.T) {
	header := http.Header{
		"authorization": {"Bearer secret"}, "Cookie": {"secret=1"}, "Proxy-Authorization": {"secret"}, "X-Own": {"kept"},
	}
	const all, none = "authorization cookie proxy-authorization", ""
	tests := []struct {
		name, url string
		header    http.Header
		locations []string
		want      string // the credentials in the last request
	}{
		{"same host", "ws://a/", header, []string{"/1"}, all},
		{"same host, as a whole URL", "ws://a/", header, []string{"ws://A:80/1"}, all},
		{"TLS comes in", "ws://a/", header, []string{"wss://a/1"}, all},
		{"TLS comes in, other port", "ws://a/", header, []string{"wss://a:8443/1"}, none},
		{"TLS comes in, from another port", "ws://a:8080/", header, []string{"wss://a/1"}, none},
		{"other host", "ws://a/", header, []string{"ws://b/1"}, none},
		{"other port", "ws://a/", header, []string{"ws://a:81/1"}, none},
		{"a host below", "ws://a/", header, []string{"ws://b.a/1"}, none},
		{"other host with TLS", "ws://a/", header, []string{"wss://b/1"}, none},
		{"there and back", "ws://a/", header, []string{"ws://b/1", "ws://a/2"}, none},
		{"from a socket to the network", "ws+unix://a/s", header, []string{"ws://a:80/1", "ws://a:81/1"}, none},
		{"user of the URL, same host", "ws://u:p@a/", nil, []string{"/1"}, "authorization"},
		{"user of the URL, same host, as a whole URL", "ws://u:p@a/", nil, []string{"wss://a/1"}, "authorization"},
		{"user of the URL, other host", "ws://u:p@a/", nil, []string{"ws://b/1"}, none},
		{"user of the URL, there and back", "ws://u:p@a/", nil, []string{"ws://b/1", "ws://a/2"}, none},
		{"user that the redirect names", "ws://a/", nil, []string{"ws://u:p@b/1"}, "authorization"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			locations := tt.locations
			last := "no request"
			w := newWeb(t, func(at string, r *http.Request) string {
				var got []string
				for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
					if r.Header.Get(name) != "" {
						got = append(got, strings.ToLower(name))
					}
				}
				last = strings.Join(got, " ")
				if tt.header != nil && r.Header.Get("X-Own") != "kept" {
					t.Errorf("%s: X-Own is missing", at)
				}
				if len(locations) == 0 {
					return accepting(r)
				}
				next := locations[0]
				locations = locations[1:]
				return redirectTo(302, next)
			})
			before := tt.header.Clone()
			c, _, err := w.dialer(5).Dial(testContext(t), tt.url, tt.header)
			if err != nil {
				t.Fatal(err)
			}
			c.CloseNow()
			if last != tt.want {
				t.Errorf("the last request has %q, want %q", last, tt.want)
			}
			if fmt.Sprint(before) != fmt.Sprint(tt.header) {
				t.Errorf("the caller's header was changed to %q", tt.header)
			}
		})
	}
}

// A Host of the caller's stays with the server that it was meant for.
func TestOwnHostAcrossHosts(t *testing.T) {
	for location, want := range map[string]string{"/1": "own.example", "ws://b/1": "b"} {
		got := ""
		w := newWeb(t, func(_ string, r *http.Request) string {
			if got = r.Host; r.URL.Path == "/" {
				return redirectTo(302, location)
			}
			return accepting(r)
		})
		c, _, err := w.dialer(1).Dial(testContext(t), "ws://a/", http.Header{"Host": {"own.example"}})
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
		if got != want {
			t.Errorf("after a redirect to %s Host is %q, want %q", location, got, want)
		}
	}
}

// The proxy is chosen anew for every redirect.
func TestRedirectsAskForTheProxy(t *testing.T) {
	var asked []string
	w := newWeb(t, func(_ string, r *http.Request) string {
		if r.URL.Path == "/" {
			return redirectTo(302, "wss://b/1")
		}
		return accepting(r)
	})
	d := w.dialer(1)
	d.Proxy = func(r *http.Request) (*url.URL, error) {
		asked = append(asked, r.URL.String())
		return nil, nil
	}
	c, _, err := d.Dial(testContext(t), "ws://a/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if want := []string{"http://a/", "https://b/1"}; !slices.Equal(asked, want) {
		t.Errorf("Proxy was asked for %q, want %q", asked, want)
	}
}

func newJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

// Cookies go both ways: with every answer into the Jar, with every request out of it.
func TestJar(t *testing.T) {
	wstest.NoLeaks(t)
	var sent []string
	w := newWeb(t, func(at string, r *http.Request) string {
		sent = append(sent, at+" "+strings.Join(r.Header["Cookie"], "|"))
		switch r.URL.Path {
		case "/accept":
			return accepting(r, "Set-Cookie: accepted=1")
		case "/refuse":
			return "HTTP/1.1 403 x\r\nSet-Cookie: refused=1\r\nContent-Length: 0\r\n\r\n"
		case "/mismatch":
			return accepting(r, "Set-Cookie: mismatched=1; Path=/accept", "Sec-WebSocket-Accept: x")
		case "/secure":
			return redirectTo(302, "wss://b/accept", "Set-Cookie: a=1; Path=/", "Set-Cookie: hidden=1; Secure; HttpOnly")
		}
		return redirectTo(302, "/accept", "Set-Cookie: visited=1; Path=/", "Set-Cookie: elsewhere=1; Path=/elsewhere")
	})
	d := w.dialer(2)
	d.Jar = newJar(t)
	for _, tt := range []struct {
		url    string
		header http.Header
		want   []string
	}{
		{"ws://a/accept", nil, []string{"a:80 "}},
		{"ws://a/accept", nil, []string{"a:80 accepted=1"}},
		{"ws://a:81/accept", nil, []string{"a:81 accepted=1"}}, // RFC 6265, section 8.5: no isolation by port
		{"ws://b/accept", http.Header{"cookie": {"own=1", "more=2"}}, []string{"b:80 own=1|more=2"}},
		{"ws://b/accept", http.Header{"cookie": {"own=1; accepted=0", "more=2"}}, []string{"b:80 own=1; more=2; accepted=1"}},
		{"ws://c/refuse", nil, []string{"c:80 "}},
		{"wss://c/mismatch", nil, []string{"c:443 refused=1"}},
		{"wss://c/accept", nil, []string{"c:443 mismatched=1; refused=1"}},
		{"ws://d/redirect", nil, []string{"d:80 ", "d:80 visited=1"}},
		{"wss://e/secure", nil, []string{"e:443 ", "b:443 accepted=1"}},
		{"wss://e/accept", nil, []string{"e:443 a=1; hidden=1"}},
		{"ws://e/accept", nil, []string{"e:80 a=1; accepted=1"}},
		{"ws://127.0.0.1/accept", http.Header{"Host": {"d"}}, []string{"127.0.0.1:80 visited=1; accepted=1"}},
		{"ws+unix://d/run/a.sock:/accept", nil, []string{"/run/a.sock accepted=1; visited=1"}},
	} {
		sent = nil
		before := tt.header.Clone()
		c, _, err := d.Dial(testContext(t), tt.url, tt.header)
		if err == nil {
			c.CloseNow()
		}
		if !slices.EqualFunc(sent, tt.want, sameCookies) {
			t.Errorf("Dial(%q) sent %q, want %q", tt.url, sent, tt.want)
		}
		if fmt.Sprint(before) != fmt.Sprint(tt.header) {
			t.Errorf("Dial(%q) changed the caller's header to %q", tt.url, tt.header)
		}
	}
}

// sameCookies compares what was sent; a Jar orders cookies of the same path by when it got them, which can be at the
// same time.
func sameCookies(a, b string) bool {
	split := func(s string) []string {
		s, cookies, _ := strings.Cut(s, " ")
		return append(slices.Sorted(slices.Values(strings.Split(cookies, "; "))), s)
	}
	return slices.Equal(split(a), split(b))
}

// A server that redirects to the same URL with a cookie gets another request: that is no circle.
func TestRedirectThatSetsACookie(t *testing.T) {
	w := newWeb(t, func(_ string, r *http.Request) string {
		if r.Header.Get("Cookie") == "seen=1" {
			return accepting(r)
		}
		return redirectTo(302, "/", "Set-Cookie: seen=1")
	})
	d := w.dialer(5)
	c, _, err := d.Dial(testContext(t), "ws://a/", nil)
	if wantHandshakeError(t, c, err, "redirect"); len(w.visits) != 1 {
		t.Errorf("without a Jar: visited %q, want one", w.visits)
	}
	d.Jar = newJar(t)
	c, _, err = d.Dial(testContext(t), "ws://a/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}

// The cookies of a Jar that does not keep to the rules break no line and write no log.
// Unix sockets whose URL has no host have no name that cookies could be kept under: another socket's would be sent.
func TestNoJarForUnixSocketsWithoutAHost(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(&url.URL{Scheme: "http", Host: "localhost"}, []*http.Cookie{{Name: "a", Value: "1"}})
	d := &Dialer{Jar: jar}
	for raw, want := range map[string]string{"ws+unix:/a.sock": "", "ws+unix://localhost/a.sock": "a=1", "ws://localhost/": "a=1"} {
		at, err := parseTarget(raw)
		if err != nil {
			t.Fatal(err)
		}
		if header, _ := d.addCookies(at, http.Header{}); header.Get("Cookie") != want {
			t.Errorf("%s: sends %q, want %q", raw, header.Get("Cookie"), want)
		}
	}
}

func TestJarOfBadCookies(t *testing.T) {
	bad := []*http.Cookie{{Name: "a\r\nX", Value: "1"}, {Name: "", Value: "1"}, {Name: "b", Value: "1\r\nX: y"}, {Name: "c", Value: "1", Path: "/"}}
	if got := mergeCookies([]string{"; own=1;; c=0"}, bad); got != "own=1; c=1" {
		t.Errorf("mergeCookies = %q, want own=1; c=1", got)
	}
}

// A redirect is not followed once the context has ended.
func TestRedirectAfterTheEnd(t *testing.T) {
	wstest.NoLeaks(t)
	ctx, cancel := context.WithCancel(testContext(t))
	w := newWeb(t, func(string, *http.Request) string {
		cancel()
		return redirectTo(302, "/b")
	})
	c, _, err := w.dialer(5).Dial(ctx, "ws://a/", nil)
	var he *HandshakeError
	if c != nil || !errors.As(err, &he) || !errors.Is(err, context.Canceled) || len(w.visits) != 1 {
		t.Errorf("Dial = %v, %v after %q; want one visit and context.Canceled", c, err, w.visits)
	}
}
