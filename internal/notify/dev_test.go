package notify_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

// handshakeHeader is what makes a GET a handshake.
const handshakeHeader = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// TestDevAnswersThisMachineOnly crosses all kinds of Host with all kinds of Origin.
func TestDevAnswersThisMachineOnly(t *testing.T) {
	hosts := []struct {
		host string
		here bool
	}{
		{"localhost", true},
		{"LocalHost", true},
		{"localhost:8080", true},
		{"127.0.0.1", true},
		{"127.0.0.1:8080", true},
		{"127.1.2.3:8080", true},
		{"[::1]", true},
		{"[::1]:8080", true},
		{"", false},
		{":8080", false},
		{"evil.example", false},
		{"evil.example:8080", false},
		{"localhost.evil.example", false},
		{"localhost.evil.example:8080", false},
		{"127.0.0.1.evil.example", false},
		{"evil-localhost", false},
		{"10.0.0.1:8080", false},
		{"0.0.0.0:8080", false},
		{"[::]:8080", false},
		{"[2001:db8::1]:8080", false},
		{"null", false},
	}
	origins := []struct {
		origin string // "" is none, SELF that of the Host
		here   bool
		self   bool // of the very host and port that is asked
	}{
		{"", true, true},
		{"http://SELF", true, true},
		{"http://localhost:3000", true, false},
		{"http://127.0.0.1:3000", true, false},
		{"https://[::1]:3000", true, false},
		{"null", false, false},
		{"https://evil.example", false, false},
		{"https://localhost.evil.example", false, false},
		{"http://localhost@evil.example", false, false},
		{"file://", false, false},
		{"chrome-extension://localhost", false, false},
		{"http://localhost:3000\r\nOrigin: https://evil.example", false, false},
	}
	s := serve(t, notify.Config{Dev: true})
	for _, h := range hosts {
		for _, o := range origins {
			header := "Host: " + h.host + "\r\n"
			if o.origin != "" {
				header += "Origin: " + strings.ReplaceAll(o.origin, "SELF", h.host) + "\r\n"
			}
			t.Run(fmt.Sprintf("Host %q Origin %q", h.host, o.origin), func(t *testing.T) {
				got := s.raw(t, "GET / HTTP/1.1\r\nConnection: close\r\n"+header+"\r\n")
				wantAllowed(t, "the page", got, 200, h.here && o.here)
				got = s.raw(t, "GET /topics/news HTTP/1.1\r\n"+handshakeHeader+header+"\r\n")
				wantAllowed(t, "subscribing", got, 101, h.here && o.here)
				got = s.raw(t, "POST /topics/news HTTP/1.1\r\nConnection: close\r\n"+header+"\r\n")
				wantAllowed(t, "publishing", got, 200, h.here && o.here && o.self)
			})
		}
	}
}

// wantAllowed checks that an answer has the status of what is allowed, or is a refusal.
func wantAllowed(t *testing.T, what string, got answer, status int, allowed bool) {
	t.Helper()
	switch {
	case allowed && got.status != status:
		t.Errorf("%s: status %d, %s; want %d", what, got.status, got.body, status)
	case !allowed:
		t.Log(what)
		wantRefusal(t, got, 403, "")
	}
}

func TestDevPublishingFromOtherSites(t *testing.T) {
	tests := []struct {
		site    string // what the browser says in Sec-Fetch-Site
		allowed bool
	}{
		{"same-origin", true},
		{"none", true}, // typed in by the user
		{"same-site", false},
		{"cross-site", false},
	}
	s := serve(t, notify.Config{Dev: true})
	for _, tt := range tests {
		t.Run(tt.site, func(t *testing.T) {
			got := s.do(t, "POST", "/topics/news", strings.NewReader("x"), "Sec-Fetch-Site", tt.site)
			wantAllowed(t, "publishing", got, 200, tt.allowed)
		})
	}
}

func TestDevNeedsNoKey(t *testing.T) {
	s := serve(t, notify.Config{Dev: true})
	c := s.subscribe(t, "news")
	wantPublished(t, s.do(t, "POST", "/topics/news", strings.NewReader("hello")), 1)
	wantMessage(t, c, websocket.TextMessage, "hello")
}

func TestDevPage(t *testing.T) {
	tests := []struct {
		method, path string
		status       int
		file         string // in page/
		contentType  string
	}{
		{"GET", "/", 200, "index.html", "text/html; charset=utf-8"},
		{"GET", "/?topic=news", 200, "index.html", "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "", "text/html; charset=utf-8"},
		{"GET", "/page/page.js", 200, "page.js", "text/javascript; charset=utf-8"},
		{"GET", "/page/page.css", 200, "page.css", "text/css; charset=utf-8"},
		{"GET", "/index.html", 404, "", ""},
		{"GET", "/page", 404, "", ""},
		{"GET", "/page/", 404, "", ""},
		{"GET", "/page/index.html", 404, "", ""},
		{"GET", "/page/other.js", 404, "", ""},
		{"GET", "/page/hawser.js", 404, "", ""}, // it is at /hawser.js
		{"GET", "/page/../dev.go", 404, "", ""},
		{"GET", "/page/%2e%2e/dev.go", 404, "", ""},
		{"GET", "/favicon.ico", 404, "", ""},
		{"GET", "//", 404, "", ""},
		{"POST", "/", 405, "", ""},
		{"POST", "/page/page.js", 405, "", ""},
	}
	s := serve(t, notify.Config{Dev: true})
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := s.raw(t, tt.method+" "+tt.path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			switch tt.status {
			case 404:
				wantRefusal(t, got, 404, "nothing here")
				return
			case 405:
				wantRefusal(t, got, 405, "GET")
				if allow := got.header.Get("Allow"); allow != "GET, HEAD" {
					t.Errorf("Allow: %q; want GET, HEAD", allow)
				}
				return
			}
			if got.status != 200 {
				t.Fatalf("status %d, %s; want 200", got.status, got.body)
			}
			if tt.file != "" {
				if want := pageFile(t, tt.file); got.body != want {
					t.Errorf("the body is %.80q…; want %.80q…", got.body, want)
				}
			}
			wantPageHeader(t, got, tt.contentType)
		})
	}
}

// wantPageHeader checks the header of what a browser shows or runs.
func wantPageHeader(t *testing.T, got answer, contentType string) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":           contentType,
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-store",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: %q; want %q", name, value, want)
		}
	}
	policy := map[string]string{}
	for directive := range strings.SplitSeq(got.header.Get("Content-Security-Policy"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
		policy[name] = value
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
		"base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
	} {
		if policy[name] != want {
			t.Errorf("Content-Security-Policy: %s %s; want %s", name, policy[name], want)
		}
	}
}

// foreign finds addresses of other servers.
var foreign = regexp.MustCompile(`(?:https?:|wss?:)?//[a-z0-9-]+\.[a-z0-9./-]+`)

// TestDevPageHasWhatItRefersTo looks at what its policy lets a browser load.
func TestDevPageHasWhatItRefersTo(t *testing.T) {
	html := pageFile(t, "index.html")
	parts, err := fs.ReadDir(os.DirFS("page"), ".")
	if err != nil {
		t.Fatal(err)
	}
	used := html + strings.ReplaceAll(pageFile(t, "page.js"), `from "/`, `"/page/`)
	for _, p := range parts {
		if p.Name() != "index.html" && !strings.Contains(used, `"/page/`+p.Name()+`"`) {
			t.Errorf("the page does not use its part %s", p.Name())
		}
	}
	for _, inline := range []string{"<style", " style=", "<script>", " onclick=", "javascript:"} {
		if strings.Contains(html, inline) {
			t.Errorf("the page has %q in it, which its policy forbids", inline)
		}
	}
	for _, name := range []string{"index.html", "page.css", "page.js", "hawser.js"} {
		for _, address := range foreign.FindAllString(pageFile(t, name), -1) {
			if !strings.HasSuffix(address, ".example.com/hawser.js") { // in the module's head
				t.Errorf("%s names %s; the page has to do with its own server alone", name, address)
			}
		}
	}
}

// pageFile returns a file of the page.
func pageFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("page/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
