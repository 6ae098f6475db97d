package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// SOCKS5, RFC 1928, with user and password, RFC 1929: the client names its methods of authentication, the proxy picks
// one, the client authenticates and asks for a connection. Every answer says how long it is, so that no byte behind it
// is read: that would be the server's.

const (
	socksVersion     = 5
	socksAuthVersion = 1 // of RFC 1929

	socksNoAuth   = 0
	socksPassword = 2
	socksNoMethod = 0xFF

	socksConnect = 1

	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4

	socksSucceeded = 0
)

// socksReplies are the meanings of a reply. RFC 1928, section 6.
var socksReplies = [...]string{
	1: "general failure",
	2: "not allowed by its rules",
	3: "network unreachable",
	4: "host unreachable",
	5: "connection refused",
	6: "TTL expired",
	7: "command not supported",
	8: "address type not supported",
}

// checkSocksUser judges the user and password of a SOCKS5 proxy's URL. RFC 1929, section 2.
func checkSocksUser(user *url.Userinfo) error {
	if user == nil {
		return nil
	}
	if password, _ := user.Password(); user.Username() == "" || len(user.Username()) > 255 || len(password) > 255 {
		return errors.New("its URL has a user or password that SOCKS5 cannot carry: 1 to 255 bytes, a password 255 at most")
	}
	return nil
}

// openSocks asks the proxy for a connection to t.
func (p *proxy) openSocks(ctx context.Context, nc net.Conn, t *target) *HandshakeError {
	method, herr := p.socksGreet(ctx, nc)
	if herr != nil {
		return herr
	}
	if method == socksPassword {
		if herr := p.socksLogin(ctx, nc); herr != nil {
			return herr
		}
	}
	if _, err := nc.Write(appendSocksRequest(nil, t.serverName, t.port)); err != nil {
		return p.fail(ctx, "did not take the SOCKS5 request", err)
	}
	if err := readSocksReply(nc); err != nil {
		return p.fail(ctx, "made no connection to "+t.proxied(), err)
	}
	return nil
}

// socksGreet agrees on a method of authentication. RFC 1928, section 3.
func (p *proxy) socksGreet(ctx context.Context, nc net.Conn) (method byte, herr *HandshakeError) {
	methods := []byte{socksNoAuth}
	if p.user != nil {
		methods = append(methods, socksPassword)
	}
	answer, err := socksAsk(nc, append([]byte{socksVersion, byte(len(methods))}, methods...))
	method = answer[1]
	switch {
	case err != nil:
		return 0, p.fail(ctx, "did not answer the SOCKS5 greeting", err)
	case answer[0] != socksVersion:
		return 0, p.fail(ctx, fmt.Sprintf("does not speak SOCKS5: its answer begins with the byte %#02x", answer[0]), nil)
	case method == socksNoAuth, method == socksPassword && p.user != nil:
		return method, nil
	case method == socksNoMethod && p.user == nil:
		return 0, p.fail(ctx, "does not let anyone in without authentication: a user and password belong in its URL", nil)
	case method == socksNoMethod:
		return 0, p.fail(ctx, "authenticates neither by user and password nor not at all", nil)
	}
	return 0, p.fail(ctx, fmt.Sprintf("chose the method of authentication %d, which was not offered", method), nil)
}

// socksLogin sends user and password. RFC 1929.
func (p *proxy) socksLogin(ctx context.Context, nc net.Conn) *HandshakeError {
	name := p.user.Username()
	password, _ := p.user.Password()
	b := append([]byte{socksAuthVersion, byte(len(name))}, name...)
	b = append(append(b, byte(len(password))), password...)
	answer, err := socksAsk(nc, b)
	switch {
	case err != nil:
		return p.fail(ctx, "did not answer the user and password", err)
	case answer[0] != socksAuthVersion:
		return p.fail(ctx, fmt.Sprintf("did not answer the user and password as RFC 1929 says: the version is %d", answer[0]), nil)
	case answer[1] != socksSucceeded:
		return p.fail(ctx, fmt.Sprintf("did not accept the user and password of its URL (status %d)", answer[1]), nil)
	}
	return nil
}

// socksAsk sends b and reads an answer of two bytes.
func socksAsk(nc net.Conn, b []byte) (answer [2]byte, err error) {
	if _, err := nc.Write(b); err != nil {
		return answer, err
	}
	return answer, readFull(nc, answer[:])
}

// readFull is io.ReadFull for bytes that the peer owes, where the end of the stream is never in place.
func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendSocksRequest appends a request for a connection to host, a name or an address, and port. RFC 1928, section 4. A
// name is left to the proxy to look up, and has at most 255 bytes.
func appendSocksRequest(b []byte, host, port string) []byte {
	b = append(b, socksVersion, socksConnect, 0)
	if ip, err := netip.ParseAddr(host); err != nil {
		b = append(append(b, socksName, byte(len(host))), host...)
	} else if ip = ip.Unmap(); ip.Is4() {
		b = append(append(b, socksIPv4), ip.AsSlice()...)
	} else {
		b = append(append(b, socksIPv6), ip.AsSlice()...)
	}
	n, _ := strconv.ParseUint(port, 10, 16) // parseTCP has judged it
	return append(b, byte(n>>8), byte(n))
}

// readSocksReply reads the reply to a request and no byte more.
func readSocksReply(r io.Reader) error {
	var b [socksMaxReply]byte
	have := 0
	for {
		need, err := socksReply(b[:have])
		if err != nil || need <= have {
			return err
		}
		n, err := r.Read(b[have:need])
		if have += n; n == 0 && err == io.EOF {
			return io.ErrUnexpectedEOF
		} else if n == 0 && err != nil {
			return err
		}
	}
}

// socksMaxReply is the length of the longest reply, which has a name of 255 bytes.
const socksMaxReply = 4 + 1 + 255 + 2

// socksReply judges the beginning of a reply. It returns how long the reply is at least: with the b[:need] of one call
// as the b of the next, need stops growing when the reply is complete. RFC 1928, section 6.
//
// The code is judged before the address behind it, which some proxies leave out of a refusal. The address itself is of
// no use and not looked at.
func socksReply(b []byte) (need int, err error) {
	const code, kind, length = 1, 3, 4
	if len(b) > 0 && b[0] != socksVersion {
		return 0, fmt.Errorf("its SOCKS5 reply begins with the byte %#02x", b[0])
	}
	if len(b) <= code {
		return code + 1, nil
	}
	if c := b[code]; c != socksSucceeded {
		if int(c) < len(socksReplies) {
			return 0, fmt.Errorf("it replied %d, %s", c, socksReplies[c])
		}
		return 0, fmt.Errorf("it replied %d, which has no meaning", c)
	}
	if len(b) <= kind {
		return length + 1, nil // every address has a byte
	}
	switch b[kind] {
	case socksIPv4:
		return length + 4 + 2, nil
	case socksIPv6:
		return length + 16 + 2, nil
	case socksName:
		if len(b) <= length {
			return length + 1, nil
		}
		return length + 1 + int(b[length]) + 2, nil
	}
	return 0, fmt.Errorf("its SOCKS5 reply has an address of the unknown type %d", b[kind])
}
