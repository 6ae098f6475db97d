package notify

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientIP returns the address of the client behind r: of the connection, or what the trusted proxies in front say of
// it. Each proxy appends to X-Forwarded-For who has connected to it. So the rightmost address that is not a trusted
// proxy's is one that a trusted proxy has seen, and everything to the left of it is what the client likes to claim.
// The result is not valid if the connection has no IP address.
func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client := parseHop(r.RemoteAddr)
	if !isTrusted(client, trusted) {
		return client
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr := parseHop(strings.TrimSpace(hop))
		if !addr.IsValid() {
			return client // what this proxy has seen cannot be known
		}
		client = addr
		if !isTrusted(client, trusted) {
			break
		}
	}
	return client
}

// parseHop reads an address with or without a port. IPv4 inside IPv6 is IPv4.
func parseHop(s string) netip.Addr {
	if hop, err := netip.ParseAddrPort(s); err == nil {
		return hop.Addr().Unmap().WithZone("")
	}
	addr, _ := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return addr.Unmap().WithZone("")
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// oneClient returns the addresses that count as one client's: of IPv6 a /64, since that is what one gets from a
// provider and may choose from.
func oneClient(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero Prefix for a connection that has no address
	return prefix
}
