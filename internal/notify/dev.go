package notify

import (
	"embed"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// This file is for --dev, where no key protects the server. Its listener takes connections of this machine only, but so
// can any web page that a browser on this machine shows. Therefore the Host has to be a loopback name (a page that
// rebinds its own name to 127.0.0.1 still sends that name), an Origin has to be a loopback origin, and what changes
// something has to pass http.CrossOriginProtection.

//go:embed page
var embedded embed.FS

// mustEmbed returns a file that is part of the binary.
func mustEmbed(name string) []byte {
	b, err := embedded.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}

// pageFiles are the parts of the page by their paths.
var pageFiles = map[string]string{
	"/":              "page/index.html",
	"/page/page.css": "page/page.css",
	"/page/page.js":  "page/page.js",
}

// pagePolicy lets the page load its own parts and talk to its own server, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// servePage answers with a part of the page.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, file string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.refuse(w, r, getOnly("the page"))
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	http.ServeFileFS(w, r, embedded, file)
}

// loopbackOnly refuses requests that were not meant for this machine or come from a page that is not of this machine.
func (s *Server) loopbackOnly(next http.Handler) http.Handler {
	refuse := func(w http.ResponseWriter, r *http.Request, code, reason string) {
		s.refuse(w, r, &Refusal{Status: http.StatusForbidden, Code: code, Reason: reason})
	}
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, "origin",
			"with --dev only the server's own page may publish, and this request comes from another one")
	}))
	next = protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !IsLoopback(r.Host):
			refuse(w, r, "host",
				"with --dev the server answers to 127.0.0.1, [::1] and localhost only, and the Host header names something else")
		case !fromLoopback(r):
			refuse(w, r, "origin",
				"with --dev only pages of this machine may talk to the server, and the Origin header names something else")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// fromLoopback reports whether the request's Origin is of this machine, or absent: then it does not come from a page.
func fromLoopback(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !IsLoopback(u.Host) {
			return false
		}
	}
	return true
}

// IsLoopback reports whether hostport, with or without a port, is a loopback address or localhost.
func IsLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
		if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
			host = host[1 : n-1]
		}
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
