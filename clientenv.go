package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// ProxyFromEnvironment is a [Dialer.Proxy] that reads the environment: HTTPS_PROXY for wss and HTTP_PROXY for ws; if
// that is not set ALL_PROXY for both; and NO_PROXY for what needs none. Names in lower case do as well, those in upper
// case come first. It agrees with [http.ProxyFromEnvironment], but for three things: that one does not know ALL_PROXY,
// passes over a proxy that is not a URL instead of returning an error, and keeps what it read when it was first called.
//
// A proxy is a URL as [Dialer.Proxy] has them, or host:port for an HTTP proxy. NO_PROXY is a list with commas between,
// of which each element is one of
//
//	example.com     this host and all below it
//	.example.com    all hosts below it, not itself; *.example.com is the same
//	192.0.2.1       an address
//	192.0.2.0/24    the addresses of a network
//	*               everything
//
// and the first three may have a :port (an IPv6 address is in brackets then). localhost and loopback addresses never
// need a proxy.
//
// Where REQUEST_METHOD is set, as in a CGI program, HTTP_PROXY can come from a header field of a request, and having it
// is an error.
func ProxyFromEnvironment(r *http.Request) (*url.URL, error) {
	var names []string
	port := r.URL.Port()
	switch r.URL.Scheme {
	case "https", "wss":
		names = []string{"HTTPS_PROXY", "https_proxy"}
		if port == "" {
			port = "443"
		}
	case "http", "ws":
		names = []string{"HTTP_PROXY", "http_proxy"}
		if port == "" {
			port = "80"
		}
	default:
		return nil, nil
	}
	name, value := firstEnv(append(names, "ALL_PROXY", "all_proxy"))
	if strings.EqualFold(name, "HTTP_PROXY") && os.Getenv("REQUEST_METHOD") != "" {
		return nil, errors.New("websocket: " + name + " is not used in a CGI program (REQUEST_METHOD is set), where a client can set it")
	}
	_, exempt := firstEnv([]string{"NO_PROXY", "no_proxy"})
	if value == "" || needsNoProxy(strings.ToLower(r.URL.Hostname()), port, exempt) {
		return nil, nil
	}
	u := parseProxyValue(value)
	if u == nil {
		// The value can hold a password.
		return nil, fmt.Errorf("websocket: the environment variable %s is not the URL of a proxy", name)
	}
	return u, nil
}

// firstEnv returns the first variable that has a value.
func firstEnv(names []string) (name, value string) {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// parseProxyValue reads a URL or host:port. It returns nil if value is neither.
func parseProxyValue(value string) *url.URL {
	if u, err := url.Parse(value); err == nil && u.Scheme != "" && u.Host != "" {
		return u
	}
	if strings.Contains(value, "://") {
		return nil
	}
	u, err := url.Parse("http://" + value)
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

// needsNoProxy tells whether NO_PROXY lists host, which is in lower case, or it is this machine.
func needsNoProxy(host, port, list string) bool {
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return true
	}
	for element := range strings.SplitSeq(list, ",") {
		element = strings.ToLower(strings.TrimSpace(element))
		if element == "*" || element != "" && matchesNoProxy(host, port, ip, element) {
			return true
		}
	}
	return false
}

// matchesNoProxy tells whether an element of NO_PROXY is about a host, which has an ip if it is an address.
func matchesNoProxy(host, port string, ip net.IP, element string) bool {
	if _, network, err := net.ParseCIDR(element); err == nil {
		return ip != nil && network.Contains(ip)
	}
	if name, p, err := net.SplitHostPort(element); err == nil {
		if p != "" && p != port {
			return false
		}
		element = name
	}
	if address := net.ParseIP(element); address != nil || ip != nil {
		return address.Equal(ip)
	}
	if strings.HasPrefix(element, "*.") {
		element = element[1:]
	}
	if below, ok := strings.CutPrefix(element, "."); ok {
		return strings.HasSuffix(host, "."+below)
	}
	return element != "" && (host == element || strings.HasSuffix(host, "."+element))
}
