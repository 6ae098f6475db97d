package notify

import (
	"embed"
	"io/fs"
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
var pageFiles embed.FS

// page serves the embedded page: index.html at /, its parts under /page/.
var page = servePage()

func servePage() http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "index.html") })
	mux.Handle("/page/", http.StripPrefix("/page/", http.FileServerFS(files)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// loopbackOnly refuses requests that were not meant for this machine or come from a page that is not of this machine.
func loopbackOnly(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isLoopbackHost(r.Host):
			answerError(w, http.StatusForbidden, "with --dev the server answers to 127.0.0.1, [::1] and localhost only, and the Host header names something else")
		case !fromLoopback(r):
			answerError(w, http.StatusForbidden, "with --dev only pages of this machine may talk to the server, and the Origin header names something else")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// fromLoopback reports whether the request's Origin is of this machine, or absent: then it does not come from a page.
func fromLoopback(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isLoopbackHost(u.Host) {
			return false
		}
	}
	return true
}

// isLoopbackHost reports whether hostport, with or without a port, is a loopback address or localhost.
func isLoopbackHost(hostport string) bool {
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
