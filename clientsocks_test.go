package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// RFC 1928, section 4: the request as it stands on the wire.
func TestSocksRequest(t *testing.T) {
	for _, tt := range []struct{ host, port, want string }{
		{"example.com", "80", "\x05\x01\x00\x03\x0bexample.com\x00\x50"},
		{"192.0.2.1", "443", "\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"},
		{"2001:db8::1", "65535", "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff"},
		{"::ffff:192.0.2.1", "1", "\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x01"},
		{strings.Repeat("a", 255), "80", "\x05\x01\x00\x03\xff" + strings.Repeat("a", 255) + "\x00\x50"},
	} {
		if got := appendSocksRequest([]byte("x"), tt.host, tt.port); string(got) != "x"+tt.want {
			t.Errorf("appendSocksRequest(%q, %q) = %q, want %q", tt.host, tt.port, got, "x"+tt.want)
		}
	}
}

// What a SOCKS5 proxy may answer, and what Dial makes of it: the answers to the greeting, the user and the request.
func TestSocksAnswers(t *testing.T) {
	granted := "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	tests := []struct {
		name, url string
		answers   []string
		names     string // "" is accepted
	}{
		{"no authentication", "socks5://p", []string{"\x05\x00", granted}, ""},
		{"no authentication although there is a user", "socks5://u:secret@p", []string{"\x05\x00", granted}, ""},
		{"user", "socks5://u:secret@p", []string{"\x05\x02", "\x01\x00", granted}, ""},
		{"user without password", "socks5://u@p", []string{"\x05\x02", "\x01\x00", granted}, ""},
		{"reply with a name", "socks5://p", []string{"\x05\x00", "\x05\x00\x00\x03\x03abc\x00\x50"}, ""},
		{"reply with no name", "socks5://p", []string{"\x05\x00", "\x05\x00\x00\x03\x00\x00\x50"}, ""},
		{"reply with IPv6", "socks5://p", []string{"\x05\x00", "\x05\x00\x00\x04" + strings.Repeat("x", 18)}, ""},
		{"nothing", "socks5://p", []string{""}, "greeting"},
		{"half of the method", "socks5://p", []string{"\x05"}, "greeting"},
		{"SOCKS4", "socks5://p", []string{"\x04\x00"}, "does not speak SOCKS5"},
		{"HTTP", "socks5://p", []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}, "0x48"},
		{"no method", "socks5://p", []string{"\x05\xff"}, "without authentication"},
		{"no method for a user", "socks5://u:secret@p", []string{"\x05\xff"}, "neither"},
		{"a user where none was offered", "socks5://p", []string{"\x05\x02"}, "not offered"},
		{"GSSAPI", "socks5://u:secret@p", []string{"\x05\x01"}, "authentication 1, which was not offered"},
		{"user not accepted", "socks5://u:secret@p", []string{"\x05\x02", "\x01\x05"}, "did not accept the user and password of its URL (status 5)"},
		{"another version of it", "socks5://u:secret@p", []string{"\x05\x02", "\x05\x00"}, "RFC 1929"},
		{"nothing to the user", "socks5://u:secret@p", []string{"\x05\x02", ""}, "did not answer the user"},
		{"general failure", "socks5://p", []string{"\x05\x00", "\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"}, "replied 1, general"},
		{"rules, cut short", "socks5://p", []string{"\x05\x00", "\x05\x02"}, "2, not allowed by its rules"},
		{"network", "socks5://p", []string{"\x05\x00", "\x05\x03"}, "3, network unreachable"},
		{"host", "socks5://p", []string{"\x05\x00", "\x05\x04"}, "4, host unreachable"},
		{"refused", "socks5://p", []string{"\x05\x00", "\x05\x05"}, "no connection to h:80: it replied 5, connection refused"},
		{"TTL", "socks5://p", []string{"\x05\x00", "\x05\x06"}, "6, TTL"},
		{"command", "socks5://p", []string{"\x05\x00", "\x05\x07"}, "7, command"},
		{"address type", "socks5://p", []string{"\x05\x00", "\x05\x08"}, "8, address"},
		{"unknown code", "socks5://p", []string{"\x05\x00", "\x05\x09"}, "9, which has no meaning"},
		{"unknown type", "socks5://p", []string{"\x05\x00", "\x05\x00\x00\x02\x00"}, "unknown type 2"},
		{"wrong version of the reply", "socks5://p", []string{"\x05\x00", "\x00\x5a"}, "begins with the byte 0x00"},
		{"no reply", "socks5://p", []string{"\x05\x00", ""}, "no connection to h:80: unexpected EOF"},
		{"half a reply", "socks5://p", []string{"\x05\x00", granted[:9]}, "no connection to h:80: unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wstest.NoLeaks(t)
			d := &Dialer{Proxy: fixedProxy(t, tt.url), DialContext: scripted(func(nc *memconn.Conn) {
				buf := make([]byte, 1000)
				for _, answer := range tt.answers {
					nc.Read(buf)
					io.WriteString(nc, answer)
				}
				if tt.names == "" {
					io.WriteString(nc, accepting(readHead(nc)))
				}
			})}
			c, res, err := d.Dial(testContext(t), "ws://h/", nil)
			if tt.names == "" {
				if err != nil {
					t.Fatal(err)
				}
				c.CloseNow()
				return
			}
			he := wantHandshakeError(t, c, err, "proxy")
			checkPresentable(t, tt.name, he)
			if res != nil || !strings.Contains(err.Error(), tt.names) || !strings.Contains(he.Reason, "socks5://p:1080 ") || strings.Contains(err.Error(), "secret") {
				t.Errorf("Dial = %v, %v; want one that names the proxy and %q, without the password", res, err, tt.names)
			}
		})
	}
}

// naiveSocksReply judges all of b at once: how long the reply at its beginning is, and whether it grants the
// connection. More is an error that says that b is too short.
func naiveSocksReply(b []byte) (length int, granted bool, more error) {
	at := func(i int) int {
		if i >= len(b) {
			more = io.ErrUnexpectedEOF
			return 0
		}
		return int(b[i])
	}
	if v := at(0); more == nil && v != 5 {
		return 0, false, nil
	}
	if code := at(1); more == nil && code != 0 {
		return 0, false, nil
	}
	address, known := map[int]int{1: 4, 3: 1, 4: 16}[at(3)]
	if more != nil || !known {
		return 0, false, more
	}
	if at(3) == 3 {
		address += at(4)
	}
	length = 4 + address + 2
	at(length - 1)
	return length, more == nil, more
}

// FuzzSocksReply reads a reply from a stream. What it says has to follow from a slow reading of the same bytes; of the
// stream it takes the reply and not a byte more, however the bytes arrive, and it takes no more than a reply can have.
func FuzzSocksReply(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50HTTP/1.1"))
	f.Add([]byte("\x05\x00\x00\x03\x0bexample.com\x00\x50"))
	f.Add([]byte("\x05\x00\x00\x04" + "0123456789abcdef" + "\x00\x50x"))
	f.Add([]byte("\x05\x02"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		length, granted, more := naiveSocksReply(raw)
		for name, r := range map[string]io.Reader{"at once": bytes.NewReader(raw), "byte by byte": &stingyReader{b: raw}} {
			err := readSocksReply(r)
			if (err == nil) != granted || errors.Is(err, io.ErrUnexpectedEOF) != (more != nil) {
				t.Fatalf("%s: readSocksReply(%q) = %v; the slow reading says %v, %v", name, raw, err, granted, more)
			}
			rest, _ := io.ReadAll(r)
			if took := len(raw) - len(rest); granted && took != length || took > socksMaxReply {
				t.Fatalf("%s: readSocksReply(%q) took %d bytes of a reply of %d", name, raw, took, length)
			}
			if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%s: the text is not presentable: %q", name, err)
			}
		}
		// A verdict over a part of the reply stands for the whole.
		for n := range min(len(raw), socksMaxReply) {
			if _, err := socksReply(raw[:n]); err != nil && fmt.Sprint(err) != fmt.Sprint(readSocksReply(bytes.NewReader(raw))) {
				t.Fatalf("socksReply(%q) = %v, but another error for %q", raw[:n], err, raw)
			}
		}
	})
}

// A stingyReader reads a byte at a time.
type stingyReader struct{ b []byte }

func (r *stingyReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b[:1])
	r.b = r.b[n:]
	return n, nil
}
