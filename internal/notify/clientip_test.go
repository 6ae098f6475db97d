package notify

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientIP(t *testing.T) {
	trusted := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("2001:db8:1::/48"),
	}
	for _, row := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:4000", nil, "203.0.113.7"},
		{"a client that claims to be another", "203.0.113.7:4000", []string{"198.51.100.1"}, "203.0.113.7"},
		{"a client that claims to be a proxy", "203.0.113.7:4000", []string{"10.0.0.1"}, "203.0.113.7"},
		{"one proxy", "10.0.0.1:4000", []string{"203.0.113.7"}, "203.0.113.7"},
		{"one proxy, a client that claims to be another", "10.0.0.1:4000", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"one proxy, a client that claims to be a proxy", "10.0.0.1:4000", []string{"10.9.9.9, 203.0.113.7"}, "203.0.113.7"},
		{"in fields of their own", "10.0.0.1:4000", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		{"two proxies", "127.0.0.1:4000", []string{"203.0.113.7, 10.0.0.1"}, "203.0.113.7"},
		{"two proxies, a forged beginning", "127.0.0.1:4000", []string{"127.0.0.1, 198.51.100.1, 203.0.113.7,10.0.0.1"}, "203.0.113.7"},
		{"a proxy between that is not trusted", "10.0.0.1:4000", []string{"203.0.113.7, 192.0.2.1"}, "192.0.2.1"},
		{"clients among the proxies", "10.0.0.1:4000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"a proxy that says nothing", "10.0.0.1:4000", nil, "10.0.0.1"},
		{"a proxy that says nothing, in a field", "10.0.0.1:4000", []string{""}, "10.0.0.1"},
		{"rubbish from the client", "10.0.0.1:4000", []string{"<script>, 203.0.113.7"}, "203.0.113.7"},
		{"rubbish from the proxy", "10.0.0.1:4000", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"rubbish from the proxy behind", "127.0.0.1:4000", []string{"203.0.113.7, unknown, 10.0.0.1"}, "10.0.0.1"},
		{"a port", "10.0.0.1:4000", []string{"203.0.113.7:5000"}, "203.0.113.7"},
		{"IPv6", "[2001:db8:1::1]:4000", []string{"2001:db8:2::7"}, "2001:db8:2::7"},
		{"IPv6 in brackets", "[2001:db8:1::1]:4000", []string{"[2001:db8:2::7]"}, "2001:db8:2::7"},
		{"IPv6 with a port", "[2001:db8:1::1]:4000", []string{"[2001:db8:2::7]:5000"}, "2001:db8:2::7"},
		{"IPv6 with a zone", "[fe80::1%eth0]:4000", nil, "fe80::1"},
		{"a proxy seen as IPv4 in IPv6", "[::ffff:10.0.0.1]:4000", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"a connection that has no address", "@", []string{"203.0.113.7"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: row.peer, Header: http.Header{"X-Forwarded-For": row.forwarded}}
		if got := clientIP(r, trusted).String(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	r := &http.Request{RemoteAddr: "10.0.0.1:4000", Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
	if got := clientIP(r, nil).String(); got != "10.0.0.1" {
		t.Errorf("nobody is trusted: %s", got)
	}
}

func TestOneClient(t *testing.T) {
	for addr, want := range map[string]string{
		"203.0.113.7":        "203.0.113.7/32",
		"2001:db8:1:2:3::4":  "2001:db8:1:2::/64",
		"2001:db8:1:2:ff::4": "2001:db8:1:2::/64",
	} {
		if got := oneClient(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if oneClient(netip.Addr{}).IsValid() {
		t.Error("no address is a client's")
	}
}

// FuzzClientIP: whatever the header says, only what a trusted proxy has added counts, and that is an address.
func FuzzClientIP(f *testing.F) {
	f.Add("198.51.100.1")
	f.Add("10.0.0.1, ,")
	f.Add("[::1")
	f.Add("fe80::1%eth0, 1.2.3.4:99999")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded string) {
		h := http.Header{"X-Forwarded-For": {forwarded, "203.0.113.7"}}
		if got := clientIP(&http.Request{RemoteAddr: "10.0.0.1:1", Header: h}, trusted); got.String() != "203.0.113.7" {
			t.Errorf("%q: %v", forwarded, got)
		}
		h = http.Header{"X-Forwarded-For": {forwarded}}
		got := clientIP(&http.Request{RemoteAddr: "10.0.0.1:1", Header: h}, trusted)
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%q: %v", forwarded, got)
		}
		if got := clientIP(&http.Request{RemoteAddr: "203.0.113.9:1", Header: h}, trusted); got.String() != "203.0.113.9" {
			t.Errorf("%q is believed from anybody: %v", forwarded, got)
		}
	})
}
