package websocket

import (
	"strings"
	"testing"
)

func TestCheckOrigin(t *testing.T) {
	const host = "app.example.com"
	tests := []struct {
		rule     string
		origins  []string
		host     string // "" is app.example.com
		patterns []string
		status   int // 0 is accepted
		reason   []string
	}{
		{rule: "no origin: not a browser"},
		{rule: "no origin, with a list", patterns: []string{"https://other.example"}},

		{rule: "same host", origins: []string{"https://app.example.com"}},
		{rule: "same host, http", origins: []string{"http://app.example.com"}},
		{rule: "same host, white space", origins: []string{" https://app.example.com\t"}},
		{rule: "same host, with a list", origins: []string{"https://app.example.com"}, patterns: []string{"https://other.example"}},
		{rule: "same host, any case", origins: []string{"HTTPS://App.Example.COM"}, host: "aPP.example.com"},
		{rule: "same host, a slash behind", origins: []string{"http://app.example.com/"}},
		{rule: "same host, default port in Host", origins: []string{"https://app.example.com"}, host: "app.example.com:443"},
		{rule: "same host, default port in Origin", origins: []string{"http://app.example.com:80"}},
		{rule: "same host, empty port in Host", origins: []string{"http://app.example.com"}, host: "app.example.com:"},
		{rule: "same host and port", origins: []string{"http://app.example.com:8080"}, host: "app.example.com:8080"},
		{rule: "same host, of a client that calls itself ws", origins: []string{"ws://app.example.com:80"}},
		{rule: "same host, IPv4", origins: []string{"http://127.0.0.1:8080"}, host: "127.0.0.1:8080"},
		{rule: "same host, IPv6", origins: []string{"http://[::1]:8080"}, host: "[::1]:8080"},
		{rule: "same host, IPv6 without port", origins: []string{"http://[::1]"}, host: "[::1]"},
		{rule: "same host, IPv6 spelled out", origins: []string{"http://[2001:db8::a]"}, host: "[2001:0DB8:0:0:0:0:0:A]:80"},

		{rule: "other host", origins: []string{"https://evil.example"}, status: 403,
			reason: []string{`"https://evil.example"`, `"app.example.com"`, "proxy", "Host", "list"}},
		{rule: "other host that begins alike", origins: []string{"https://app.example.com.evil.example"}, status: 403},
		{rule: "other host that ends alike", origins: []string{"https://evilapp.example.com"}, status: 403},
		{rule: "a subdomain", origins: []string{"https://x.app.example.com"}, status: 403},
		{rule: "a dot behind is another host", origins: []string{"https://app.example.com."}, status: 403},
		{rule: "other port", origins: []string{"https://app.example.com:8443"}, status: 403},
		{rule: "other port in Host", origins: []string{"https://app.example.com"}, host: "app.example.com:8443", status: 403},
		{rule: "default port of the other scheme", origins: []string{"http://app.example.com"}, host: "app.example.com:443", status: 403},
		{rule: "an extension named like the host", origins: []string{"chrome-extension://app.example.com"}, status: 403},
		{rule: "no host and none in Host", origins: []string{"file://"}, host: " ", status: 403},
		{rule: "null", origins: []string{"null"}, status: 403, reason: []string{`"null"`}},
		{rule: "null, host of that name", origins: []string{"null"}, host: "null", status: 403},
		{rule: "Host that is none", origins: []string{"https://app.example.com"}, host: "app.example.com, x", status: 403},
		{rule: "IPv6 without brackets in Host", origins: []string{"http://[::1]"}, host: "::1", status: 403},
		{rule: "IPv6 with a zone", origins: []string{"http://[fe80::1]"}, host: "[fe80::1%25eth0]", status: 403},

		{rule: "contradicting", origins: []string{"https://app.example.com", "https://evil.example"}, status: 400,
			reason: []string{`"https://app.example.com"`, `"https://evil.example"`}},
		{rule: "contradicting, the first is wrong", origins: []string{"https://evil.example", "https://app.example.com"}, status: 400},
		{rule: "contradicting, null", origins: []string{"https://app.example.com", "null"}, status: 400},
		{rule: "contradicting, all listed", origins: []string{"https://a.example", "https://b.example"}, patterns: []string{"*"}, status: 400},
		{rule: "contradicting in the scheme", origins: []string{"https://app.example.com", "http://app.example.com"}, status: 400},
		{rule: "repeated", origins: []string{"https://app.example.com", "https://APP.example.com:443"}},

		{rule: "no origin: empty", origins: []string{""}, status: 400},
		{rule: "no origin: a host", origins: []string{"app.example.com"}, status: 400, reason: []string{`"app.example.com"`, "scheme://host:port"}},
		{rule: "no origin: two in one", origins: []string{"https://app.example.com https://evil.example"}, status: 400},
		{rule: "no origin: a list", origins: []string{"https://app.example.com, https://app.example.com"}, status: 400},
		{rule: "no origin: a path", origins: []string{"https://app.example.com/x"}, status: 400},
		{rule: "no origin: a user", origins: []string{"https://evil@app.example.com"}, status: 400},
		{rule: "no origin: a query", origins: []string{"https://app.example.com?x"}, status: 400},
		{rule: "no origin: no host", origins: []string{"https://"}, status: 400},
		{rule: "no origin: no host but a port", origins: []string{"https://:443"}, status: 400},
		{rule: "no origin: no scheme", origins: []string{"://app.example.com"}, status: 400},
		{rule: "no origin: a scheme that is none", origins: []string{"1x://app.example.com"}, status: 400},
		{rule: "no origin: port", origins: []string{"https://app.example.com:x"}, status: 400},
		{rule: "no origin: port too large", origins: []string{"https://app.example.com:65536"}, status: 400},
		{rule: "no origin: star", origins: []string{"https://*"}, patterns: []string{"https://*"}, status: 400},
		{rule: "no origin: beyond ASCII", origins: []string{"https://é.example"}, patterns: []string{"*"}, status: 400},
		{rule: "no origin: IPv6 unclosed", origins: []string{"http://[::1"}, status: 400},
		{rule: "no origin: IPv6 and more", origins: []string{"http://[::1]x"}, status: 400},
		{rule: "no origin: IPv4 in brackets", origins: []string{"http://[127.0.0.1]"}, status: 400},
		{rule: "no origin: NULL", origins: []string{"NULL"}, patterns: []string{"null"}, status: 400},

		{rule: "listed second", origins: []string{"https://b.example"}, patterns: []string{"https://a.example", "https://b.example"}},
		{rule: "not listed", origins: []string{"https://c.example"}, patterns: []string{"https://a.example", "https://b.example"}, status: 403},
		{rule: "a wrong pattern is told", origins: []string{"https://b.example"}, patterns: []string{"https://b.example/"}, status: 500, reason: []string{`"https://b.example/"`}},
	}
	for _, tt := range tests {
		if tt.host == "" {
			tt.host = host
		}
		err := checkOrigin(tt.origins, strings.TrimSpace(tt.host), tt.patterns)
		switch {
		case tt.status == 0 && err != nil:
			t.Errorf("%s: origins %q, host %q, patterns %q: refused: %v", tt.rule, tt.origins, tt.host, tt.patterns, err)
		case tt.status != 0 && err == nil:
			t.Errorf("%s: origins %q, host %q, patterns %q: accepted, want %d", tt.rule, tt.origins, tt.host, tt.patterns, tt.status)
		case err != nil:
			checkRefusal(t, tt.rule, err, "origin", tt.status, tt.reason)
		}
	}
}

func TestOriginPattern(t *testing.T) {
	tests := []struct {
		pattern string
		match   string // origins, separated by spaces
		differ  string
	}{
		{"https://app.example.com",
			"https://app.example.com https://app.example.com:443 https://APP.example.com",
			"http://app.example.com https://app.example.com:8443 https://x.app.example.com https://example.com wss://app.example.com null"},
		{"HTTPS://App.Example.com:443", "https://app.example.com", "https://app.example.com:80"},
		{"https://app.example.com:0443", "https://app.example.com", ""},
		{"http://app.example.com:8080", "http://app.example.com:8080", "http://app.example.com https://app.example.com:8080"},
		{"http://app.example.com:443", "http://app.example.com:443", "http://app.example.com https://app.example.com"},
		{"https://*.example.com",
			"https://a.example.com https://a.b.example.com https://a.example.com:443",
			"https://example.com https://aexample.com https://.example.com https://a.example.com.evil.example http://a.example.com https://a.example.com:8443"},
		{"https://*.example.com:8443", "https://a.example.com:8443", "https://a.example.com"},
		{"https://*.example.com:*", "https://a.example.com:8443 https://a.example.com", "https://example.com:8443"},
		{"https://localhost:*", "https://localhost https://localhost:1 https://localhost:65535", "http://localhost https://localhost.evil.example"},
		{"https://*", "https://a https://a.b https://[::1]", "http://a https://a:8443 null"},
		{"https://*:*", "https://a https://a:8443", "http://a null"},
		{"app.example.com",
			"https://app.example.com http://app.example.com http://app.example.com:80 custom://app.example.com",
			"http://app.example.com:443 https://app.example.com:8443 https://example.com null"},
		{"localhost:8080", "http://localhost:8080 https://localhost:8080 custom://localhost:8080", "http://localhost http://localhost:8081"},
		{"localhost:443", "https://localhost http://localhost:443", "http://localhost"},
		{"localhost:*", "http://localhost https://localhost:8443 custom://localhost", "http://localhosts null"},
		{"*.example.com", "http://a.example.com https://a.example.com", "https://example.com https://a.example.com:8443"},
		{"*:8443", "https://a:8443 http://b.example:8443", "https://a"},
		{"http://127.0.0.1:*", "http://127.0.0.1:8080", "http://localhost:8080 http://[::1]:8080"},
		{"http://[::1]:8080", "http://[::1]:8080 http://[0:0:0:0:0:0:0:1]:8080", "http://[::1] http://[::2]:8080 http://127.0.0.1:8080"},
		{"[::1]:*", "http://[::1] https://[::1]:8443", "http://localhost"},
		{"[::1]", "http://[::1]", "http://[::1]:8080"},
		{"http://xn--bcher-kva.example", "http://xn--bcher-kva.example", "http://bcher.example"},
		{"chrome-extension://abcdefgh", "chrome-extension://abcdefgh", "chrome-extension://other https://abcdefgh"},
		{"file://", "file://", "null https://file other://"},
		{"*", "https://a http://a:8080 custom://x https://[::1]:1", "null file://"},
		{"null", "null", "https://null file:// https://a"},
	}
	for _, tt := range tests {
		p, err := parseOriginPattern(tt.pattern)
		if err != nil || CheckOriginPattern(tt.pattern) != nil {
			t.Errorf("pattern %q: %v", tt.pattern, err)
			continue
		}
		for text := range strings.FieldsSeq(tt.match) {
			if o, ok := parseOrigin(text); !ok || !p.match(o) {
				t.Errorf("pattern %q does not match %q", tt.pattern, text)
			}
		}
		for text := range strings.FieldsSeq(tt.differ) {
			if o, ok := parseOrigin(text); !ok || p.match(o) {
				t.Errorf("pattern %q matches %q, or that is no origin", tt.pattern, text)
			}
		}
	}
}

func TestOriginPatternMalformed(t *testing.T) {
	for _, pattern := range []string{
		"", " ", "https://", "https://app.example.com/", "https://app.example.com/x", "https://app.example.com ", "https:app.example.com",
		"https//app.example.com", "://app.example.com", "*://app.example.com", "https://u@app.example.com", "https://*example.com",
		"https://app.*.com", "https://app.*", "https://**", "https://*.", "https://*.*.com", "https://app:*:*", "https://app:8080:*",
		"https://app:80*", "https://app:99999", "https://app:-1", "https://app:http", ":8080", ":*", "::1", "[::1", "[::1%eth0]", "*.[::1]",
		"https://bücher.example", "https://app.example.com,https://b.example", ".*\\.example\\.com", "file:///",
	} {
		if err := CheckOriginPattern(pattern); err == nil {
			t.Errorf("CheckOriginPattern(%q) = nil, want an error", pattern)
		} else if pattern != "" && !strings.Contains(err.Error(), quote(pattern)) {
			t.Errorf("CheckOriginPattern(%q) does not name the pattern: %v", pattern, err)
		}
	}
}
