package websocket

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"}

// clearProxyEnv unsets for t what ProxyFromEnvironment reads.
func clearProxyEnv(t *testing.T) {
	t.Helper()
	for _, name := range proxyVariables {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
}

func setEnv(t *testing.T, env string) {
	t.Helper()
	clearProxyEnv(t)
	for pair := range strings.FieldsSeq(env) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// ask returns what a function for Dialer.Proxy says to a URL.
func ask(t *testing.T, proxy func(*http.Request) (*url.URL, error), to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	switch p, err := proxy(&http.Request{URL: u}); {
	case err != nil:
		return "error"
	case p == nil:
		return "none"
	default:
		return p.String()
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	tests := []struct{ env, to, want string }{
		{"", "ws://h/", "none"},
		{"HTTP_PROXY=http://p", "ws://h/", "http://p"},
		{"HTTP_PROXY=http://p", "http://h/", "http://p"},
		{"HTTP_PROXY=http://p", "wss://h/", "none"},
		{"HTTPS_PROXY=http://p", "wss://h/", "http://p"},
		{"HTTPS_PROXY=http://p", "ws://h/", "none"},
		{"HTTPS_PROXY=http://p", "ftp://h/", "none"},
		{"ALL_PROXY=socks5://p", "ws://h/", "socks5://p"},
		{"ALL_PROXY=socks5://p", "wss://h/", "socks5://p"},
		{"all_proxy=socks5://p", "wss://h/", "socks5://p"},
		{"ALL_PROXY=socks5://p HTTP_PROXY=q", "ws://h/", "http://q"},
		{"ALL_PROXY=socks5://p http_proxy=q", "ws://h/", "http://q"},
		{"ALL_PROXY=socks5://p HTTP_PROXY=q", "wss://h/", "socks5://p"},
		{"ALL_PROXY=socks5://p NO_PROXY=h", "ws://h/", "none"},
		{"ALL_PROXY=socks5://p HTTP_PROXY=q NO_PROXY=h", "ws://h/", "none"},
		{"ALL_PROXY=socks5://p", "ws://127.0.0.1/", "none"},
		{"ALL_PROXY=p:1080 REQUEST_METHOD=GET", "ws://h/", "http://p:1080"},
		{"HTTP_PROXY=p REQUEST_METHOD=GET", "ws://h/", "error"},
		{"http_proxy=p REQUEST_METHOD=GET", "ws://h/", "error"},
		{"HTTPS_PROXY=p REQUEST_METHOD=GET", "wss://h/", "http://p"},
		{"HTTP_PROXY=http://u:secret@p:x", "ws://h/", "error"},
		{"HTTP_PROXY=:", "ws://h/", "http://:"},
		{"HTTP_PROXY=http://p NO_PROXY=h:443", "ws://h/", "http://p"},
		{"HTTP_PROXY=http://p NO_PROXY=h:80", "ws://h/", "none"},
		{"HTTPS_PROXY=http://p NO_PROXY=h:443", "wss://h/", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.env+" "+tt.to, func(t *testing.T) {
			setEnv(t, tt.env)
			if got := ask(t, ProxyFromEnvironment, tt.to); got != tt.want {
				t.Errorf("ProxyFromEnvironment(%q) = %s, want %s", tt.to, got, tt.want)
			}
		})
	}
	setEnv(t, "HTTP_PROXY=http://u:secret@p:x")
	u, _ := url.Parse("ws://h/")
	if _, err := ProxyFromEnvironment(&http.Request{URL: u}); err == nil || !strings.Contains(err.Error(), "HTTP_PROXY") || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error does not name the variable, or tells the password: %v", err)
	}
}

// netHTTP is set in the process that is asked what net/http says: that one reads the environment once.
const netHTTP = "HAWSER_ASK_NET_HTTP"

// Wherever net/http has an opinion, ours is the same.
func TestProxyFromEnvironmentAgreesWithNetHTTP(t *testing.T) {
	var urls []string
	for _, host := range []string{
		"h", "a.h", "a.b.h", "xh", "H", "example.com", "www.example.com", "www.example.com:8080", "EXAMPLE.com:443", "localhost",
		"localhost:8080", "127.0.0.1", "127.9.9.9:80", "[::1]", "192.0.2.1", "192.0.2.1:8080", "192.0.3.1", "10.1.2.3", "[2001:db8::1]",
		"[2001:db8::1]:8080", "[::ffff:192.0.2.1]", "1.2.3.4.example.com", "localhost.example",
	} {
		urls = append(urls, "http://"+host+"/", "https://"+host+"/")
	}
	if os.Getenv(netHTTP) != "" {
		for _, u := range urls {
			fmt.Println("ANSWER", ask(t, http.ProxyFromEnvironment, u))
		}
		return
	}
	for _, noProxy := range []string{
		"", "*", "h", ".h", "*.h", "h:80", "H", "example.com:8080,h", " , h ,,", ".example.com:443", "www.example.com", "com",
		"192.0.2.1", "192.0.2.1:8080", "192.0.2.0/24", "10.0.0.0/8,h", "2001:db8::1", "[2001:db8::1]:8080", "[2001:db8::1]",
		"2001:db8::/32", "::ffff:192.0.2.1", "example.com,*", ":80", "h:", ".1", "2.1", "*h", "**.h", "localhost",
	} {
		clearProxyEnv(t)
		t.Setenv("HTTP_PROXY", "p:3128")
		t.Setenv("https_proxy", "socks5://u:p@p:1080")
		t.Setenv("no_proxy", noProxy)
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), netHTTP+"=1", "GORACE=atexit_sleep_ms=0") // or it takes a second under -race
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var answers []string
		for line := range bytes.Lines(out) {
			if answer, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "ANSWER "); ok {
				answers = append(answers, answer)
			}
		}
		if len(answers) != len(urls) {
			t.Fatalf("net/http gave %d answers to %d questions", len(answers), len(urls))
		}
		for i, u := range urls {
			if got := ask(t, ProxyFromEnvironment, u); got != answers[i] {
				t.Errorf("NO_PROXY=%q, %s: %s; net/http says %s", noProxy, u, got, answers[i])
			}
		}
	}
}
