package load

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// A Target is a server, and what is agreed on with it.
type Target struct {
	Addr        netip.AddrPort
	PID         int
	TLS         bool
	Compression string // "", "takeover" or "none"
	Floor       bool   // it sends back what it gets, masked and all
}

const (
	// The key and the answer to it are those of RFC 6455, section 1.3.
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

	sources      = 64 // loopback addresses to dial from; each has its own ports
	dialTimeout  = 10 // seconds
	responseSize = 4096
)

var offers = map[string]string{
	"takeover": "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
	"none": "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover; " +
		"client_max_window_bits\r\n",
}

func (t Target) request() []byte {
	return []byte("GET /ws HTTP/1.1\r\nHost: " + t.Addr.String() + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		offers[t.Compression] + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n")
}

var endOfHeader = []byte("\r\n\r\n")

// checkResponse is given a response that is complete.
func (t Target) checkResponse(p []byte) error {
	head, behind, _ := bytes.Cut(p, endOfHeader)
	text := strings.ToLower(string(head))
	if !strings.HasPrefix(text, "http/1.1 101 ") || !bytes.Contains(head, []byte(accept)) {
		return fmt.Errorf("the upgrade was refused: %q", p)
	}
	if len(behind) > 0 {
		return fmt.Errorf("unexpected bytes behind the handshake: %q", behind)
	}
	if !t.agreed(text) {
		return fmt.Errorf("compression %q was not agreed on: %q", t.Compression, head)
	}
	return nil
}

func (t Target) agreed(head string) bool {
	deflate := strings.Contains(head, "permessage-deflate")
	fresh := strings.Contains(head, "server_no_context_takeover")
	switch t.Compression {
	case "takeover":
		return deflate && !fresh && !strings.Contains(head, "client_no_context_takeover")
	case "none":
		return deflate && fresh
	}
	return !deflate
}

// connect makes connection number i.
func (t Target) connect(i int) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &socket{fd: fd}
	from := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%sources)}}
	to := unix.SockaddrInet4{Addr: t.Addr.Addr().As4(), Port: int(t.Addr.Port())}
	limit := unix.Timeval{Sec: dialTimeout}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		unix.Bind(fd, &from),
	)
	if err == nil {
		err = unix.Connect(fd, &to)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return s, nil
}

// dial makes connection number i and asks for the upgrade.
func (t Target) dial(i int) (*socket, error) {
	s, err := t.connect(i)
	if err != nil {
		return nil, err
	}
	if t.TLS {
		s.tls = tls.Client(tlsWire{s}, &tls.Config{InsecureSkipVerify: true})
		err = s.tls.Handshake()
	}
	if err == nil {
		err = s.send(t.request())
	}
	if err != nil {
		s.cut()
		return nil, err
	}
	return s, nil
}

// complete waits for the answer to the upgrade; from then on s does not block.
func (t Target) complete(s *socket) error {
	if err := t.readResponse(s); err != nil {
		return err
	}
	return unix.SetNonblock(s.fd, true)
}

func (t Target) readResponse(s *socket) error {
	var buf [responseSize]byte
	for n := 0; n < len(buf); {
		m, err := s.read(buf[n:])
		if err != nil {
			return fmt.Errorf("waiting for the answer to the upgrade: %w", err)
		}
		n += m
		if bytes.Contains(buf[:n], endOfHeader) {
			return t.checkResponse(buf[:n])
		}
	}
	return errors.New("the answer to the upgrade is too long")
}
