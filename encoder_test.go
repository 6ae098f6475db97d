package websocket

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func testEncoder(r role) *encoder {
	return &encoder{role: r, keys: func() [4]byte { return [4]byte{0x37, 0xfa, 0x21, 0x3d} }}
}

// RFC 6455, section 5.7: the examples, byte for byte.
func TestSection5_7_Examples(t *testing.T) {
	for _, c := range []struct {
		name   string
		role   role
		append func(e *encoder) ([]byte, error)
		want   string
	}{
		{"unmasked text", serverRole, func(e *encoder) ([]byte, error) { return e.appendMessage(nil, TextMessage, []byte("Hello")) },
			"\x81\x05Hello"},
		{"masked text", clientRole, func(e *encoder) ([]byte, error) { return e.appendMessage(nil, TextMessage, []byte("Hello")) },
			"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"fragmented text", serverRole, func(e *encoder) ([]byte, error) {
			e.beginMessage(TextMessage)
			b, _ := e.appendFragment(nil, []byte("Hel"), false)
			return e.appendFragment(b, []byte("lo"), true)
		}, "\x01\x03Hel\x80\x02lo"},
		{"three fragments", serverRole, func(e *encoder) ([]byte, error) {
			e.beginMessage(BinaryMessage)
			b, _ := e.appendFragment(nil, nil, false)
			b, _ = e.appendFragment(b, []byte("a"), false)
			return e.appendFragment(b, []byte("b"), true)
		}, "\x02\x00\x00\x01a\x80\x01b"},
		{"ping", serverRole, func(e *encoder) ([]byte, error) { return e.appendControl(nil, OpPing, []byte("Hello")) }, "\x89\x05Hello"},
		{"masked pong", clientRole, func(e *encoder) ([]byte, error) { return e.appendControl(nil, OpPong, []byte("Hello")) },
			"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"256 bytes", serverRole, func(e *encoder) ([]byte, error) { return e.appendMessage(nil, BinaryMessage, make([]byte, 256)) },
			"\x82\x7e\x01\x00" + strings.Repeat("\x00", 256)},
		{"64 KiB", serverRole, func(e *encoder) ([]byte, error) { return e.appendMessage(nil, BinaryMessage, make([]byte, 65536)) },
			"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("\x00", 65536)},
		{"close", serverRole, func(e *encoder) ([]byte, error) { return e.appendClose(nil, CloseNormal, "bye") }, "\x88\x05\x03\xe8bye"},
		{"close without a code", serverRole, func(e *encoder) ([]byte, error) { return e.appendClose(nil, CloseNoStatus, "ignored") }, "\x88\x00"},
	} {
		got, err := c.append(testEncoder(c.role))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: % x, %v; want % x", c.name, got, err, c.want)
		}
	}
}

// RFC 6455, section 5.2: lengths take as few bytes as they can.
func TestSection5_2_ShortestLength(t *testing.T) {
	for _, c := range []struct {
		length uint64
		size   int
	}{{0, 2}, {125, 2}, {126, 4}, {127, 4}, {65535, 4}, {65536, 10}, {1<<63 - 1, 10}} {
		for _, masked := range []bool{false, true} {
			want := Header{Fin: true, Opcode: OpBinary, Length: c.length, Masked: masked}
			size := c.size
			if masked {
				want.MaskKey = [4]byte{1, 2, 3, 4}
				size += 4
			}
			b := AppendHeader(nil, want)
			got, n := ParseHeader(b)
			got.len7 = 0
			if len(b) != size || n != size || got != want {
				t.Errorf("%d, masked %v: % x reads %+v", c.length, masked, b, got)
			}
		}
	}
}

func TestEncoderRefuses(t *testing.T) {
	long := make([]byte, 126)
	for _, c := range []struct {
		name string
		do   func(e *encoder) ([]byte, error)
		want error
	}{
		{"text that is not UTF-8 (section 5.6)", func(e *encoder) ([]byte, error) { return e.appendMessage(nil, TextMessage, []byte("\xff")) }, ErrInvalidUTF8},
		{"a type that does not exist", func(e *encoder) ([]byte, error) { return e.appendMessage(nil, 8, nil) }, ErrMessageType},
		{"a ping of 126 bytes (section 5.5)", func(e *encoder) ([]byte, error) { return e.appendControl(nil, OpPing, long) }, errControlSize},
		{"a pong of 126 bytes (section 5.5)", func(e *encoder) ([]byte, error) { return e.appendControl(nil, OpPong, long) }, errControlSize},
		{"a close code that must not be sent (section 7.4)", func(e *encoder) ([]byte, error) { return e.appendClose(nil, 1006, "") }, errCloseCode},
		{"a close reason that is not UTF-8 (section 5.5.1)", func(e *encoder) ([]byte, error) { return e.appendClose(nil, 1000, "\xff") }, errCloseReason},
		{"a message after the Close (section 5.5.1)", func(e *encoder) ([]byte, error) {
			e.appendClose(nil, CloseNormal, "")
			return e.appendMessage(nil, TextMessage, nil)
		}, ErrCloseSent},
		{"a ping after the Close", func(e *encoder) ([]byte, error) {
			e.appendClose(nil, CloseNormal, "")
			return e.appendControl(nil, OpPing, nil)
		}, ErrCloseSent},
		{"a fragment after the Close", func(e *encoder) ([]byte, error) {
			e.beginMessage(TextMessage)
			e.appendClose(nil, CloseNormal, "")
			return e.appendFragment(nil, nil, true)
		}, ErrCloseSent},
		{"a second Close", func(e *encoder) ([]byte, error) {
			e.appendClose(nil, CloseNormal, "")
			return e.appendClose(nil, CloseNormal, "")
		}, ErrCloseSent},
		{"a message inside a message (section 5.4)", func(e *encoder) ([]byte, error) {
			e.beginMessage(TextMessage)
			return e.appendMessage(nil, TextMessage, nil)
		}, errMessageOpen},
		{"a fragment of no message (section 5.4)", func(e *encoder) ([]byte, error) { return e.appendFragment(nil, nil, true) }, errNoMessageOpen},
		{"a fragment that is not UTF-8", func(e *encoder) ([]byte, error) {
			e.beginMessage(TextMessage)
			return e.appendFragment(nil, []byte("\xe2\x28"), false)
		}, ErrInvalidUTF8},
		{"text that ends inside a character", func(e *encoder) ([]byte, error) {
			e.beginMessage(TextMessage)
			e.appendFragment(nil, []byte("\xe2\x82"), false)
			return e.appendFragment(nil, nil, true)
		}, ErrInvalidUTF8},
	} {
		if out, err := c.do(testEncoder(clientRole)); !errors.Is(err, c.want) || len(out) != 0 {
			t.Errorf("%s: %v and %d bytes, want %v", c.name, err, len(out), c.want)
		}
	}
}

// A reason is cut so that the frame stays within 125 bytes and no character is split. RFC 6455, section 5.5.1.
func TestCloseReasonIsCut(t *testing.T) {
	for _, c := range []struct {
		reason string
		want   int
	}{
		{strings.Repeat("x", 123), 123},
		{strings.Repeat("x", 124), 123},
		{strings.Repeat("€", 41), 123},
		{strings.Repeat("€", 42), 123},
		{"x" + strings.Repeat("€", 41), 121},
		{"xx" + strings.Repeat("😀", 31), 122},
	} {
		out, err := testEncoder(serverRole).appendClose(nil, CloseNormal, c.reason)
		if err != nil || len(out) != 4+c.want || !strings.HasPrefix(c.reason, string(out[4:])) {
			t.Errorf("%d bytes of reason: % x, %v", len(c.reason), out, err)
		}
	}
}

// RFC 6455, section 5.3: each frame has a key of its own, and the caller's payload is not changed.
func TestClientMasksWithFreshKeys(t *testing.T) {
	e := &encoder{role: clientRole, keys: nextMaskKey}
	p := []byte("the same payload")
	seen := make(map[[4]byte]bool)
	for range 1000 {
		out, err := e.appendMessage(nil, TextMessage, p)
		if err != nil {
			t.Fatal(err)
		}
		h, n := ParseHeader(out)
		seen[h.MaskKey] = true
		Mask(out[n:], h.MaskKey, 0)
		if !h.Masked || !bytes.Equal(out[n:], p) || string(p) != "the same payload" {
			t.Fatalf("%+v %q %q", h, out[n:], p)
		}
	}
	if len(seen) < 990 {
		t.Errorf("%d different keys in 1000 frames", len(seen))
	}
}

func TestPreparedMessage(t *testing.T) {
	p := []byte("prepared")
	m, err := NewPreparedMessage(TextMessage, p)
	if err != nil {
		t.Fatal(err)
	}
	p[0] = 'X'
	if string(m.plain.frame) != "\x81\x08prepared" || string(m.plain.message) != "prepared" || m.Type() != TextMessage || m.Len() != 8 {
		t.Errorf("%+v", m)
	}
	if _, err := NewPreparedMessage(TextMessage, []byte("\xff")); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("not UTF-8: %v", err)
	}
	if _, err := NewPreparedMessage(9, nil); !errors.Is(err, ErrMessageType) {
		t.Errorf("no type: %v", err)
	}
}

func TestCoreDoesNotAllocate(t *testing.T) {
	e := testEncoder(clientRole)
	e.keys = nextMaskKey
	out := make([]byte, 0, 1024)
	payload := []byte(strings.Repeat("grün ", 20))
	d := &decoder{role: serverRole}
	if n := testing.AllocsPerRun(1000, func() {
		b, _ := e.appendMessage(out[:0], TextMessage, payload)
		b, _ = e.appendControl(b, OpPing, payload[:10])
		for len(b) > 0 {
			_, n, err := d.next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
