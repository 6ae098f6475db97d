package websocket

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzHeader: what ParseHeader reads, AppendHeader writes, in its shortest form; and a shorter prefix is never enough.
func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x81, 0x05})
	f.Add([]byte{0x82, 0xfe, 0x01, 0x00, 1, 2, 3, 4})
	f.Add([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, n := ParseHeader(in)
		if n == 0 {
			if len(in) >= maxHeaderSize {
				t.Fatalf("%d bytes are not enough for a header", len(in))
			}
			return
		}
		for short := range n {
			if _, m := ParseHeader(in[:short]); m != 0 {
				t.Fatalf("%d of %d bytes were enough", short, n)
			}
		}
		out := AppendHeader(nil, h)
		if checkLength(h) == nil || h.Length > 1<<63-1 && h.len7 == length64 {
			if !bytes.Equal(out, in[:n]) {
				t.Fatalf("parsed % x, appended % x", in[:n], out)
			}
		}
		again, m := ParseHeader(out)
		if again.len7 = h.len7; m != len(out) || again != h {
			t.Fatalf("%+v became %+v", h, again)
		}
	})
}

// referenceDecode is RFC 6455 as plainly as can be: it has the whole input, goes through it frame by frame, and knows
// nothing of buffers. Of an input that breaks off it decodes the complete frames, and judges what there is of the last.
func referenceDecode(r role, limit uint64, in []byte) (events []string, code CloseCode) {
	var message []byte
	var kind byte // opcode of the message that is open, 0 if none is
	for len(in) > 0 {
		op, final := in[0]&0x0F, in[0]&0x80 != 0
		control := op >= 8
		switch {
		case in[0]&0x70 != 0, op > 2 && op < 8, op > 10,
			control && !final, op == 0 && kind == 0, (op == 1 || op == 2) && kind != 0:
			return events, 1002
		}
		if len(in) < 2 {
			return events, 0
		}
		masked, short := in[1]&0x80 != 0, in[1]&0x7F
		if masked != (r == serverRole) || control && short > 125 {
			return events, 1002
		}
		head, size := 2, uint64(short)
		switch {
		case short == 126 && len(in) >= 4:
			head, size = 4, uint64(binary.BigEndian.Uint16(in[2:]))
			if size < 126 {
				return events, 1002
			}
		case short == 127 && len(in) >= 10:
			head, size = 10, binary.BigEndian.Uint64(in[2:])
			if size < 65536 || size>>63 != 0 {
				return events, 1002
			}
		case short > 125:
			return events, 0
		}
		if !control && limit > 0 && size > limit-uint64(len(message)) {
			return events, 1009
		}
		var key []byte
		if masked {
			if len(in) < head+4 {
				return events, 0
			}
			key = in[head : head+4]
			head += 4
		}
		rest := in[head:]
		complete := uint64(len(rest)) >= size
		if complete {
			rest = rest[:size]
		}
		payload := slices.Clone(rest)
		for i := range payload {
			if masked {
				payload[i] ^= key[i%4]
			}
		}
		if control {
			switch {
			case op == 8 && size == 1:
				return events, 1002
			case op == 8 && len(payload) >= 2:
				c := int(payload[0])<<8 | int(payload[1])
				if !(c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999) {
					return events, 1002
				}
				if !viable(payload[2:]) || complete && !utf8.Valid(payload[2:]) {
					return events, 1007
				}
			}
			if !complete {
				return events, 0
			}
			events = append(events, string(rune('A'+op))+string(payload))
			if op == 8 {
				return events, 0
			}
			in = in[head+len(payload):]
			continue
		}
		if op != 0 {
			kind = op
		}
		message = append(message, payload...)
		if kind == 1 && (!viable(message) || complete && final && !utf8.Valid(message)) {
			return events, 1007
		}
		if !complete {
			return events, 0
		}
		if final {
			events = append(events, string(rune('A'+kind))+string(message))
			message, kind = nil, 0
		}
		in = in[head+len(payload):]
	}
	return events, 0
}

// viable reports whether p is UTF-8, or becomes so by bytes that may still come.
func viable(p []byte) bool {
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 {
			for _, more := range []string{"\x80", "\xbf", "\xa0", "\x90", "\x8f", "\x9f"} {
				for pad := range 3 {
					tail := append(slices.Clone(p), more+strings.Repeat("\x80", pad)...)
					if len(p) < 4 && utf8.Valid(tail) {
						return true
					}
				}
			}
			return false
		}
		p = p[size:]
	}
	return true
}

// decodeAll gives chunks to a decoder and returns the events in the form of referenceDecode.
func decodeAll(t *testing.T, r role, limit uint64, chunks ...[]byte) (events []string, code CloseCode) {
	d := &decoder{role: r, limit: limit}
	var kept, message []byte
	for _, chunk := range chunks {
		kept = append(kept, chunk...)
		for {
			ev, n, err := d.next(kept)
			switch ev.kind {
			case eventData:
				message = append(message, ev.payload...)
				if ev.last {
					events = append(events, string(rune('A'+ev.msgType))+string(message))
					message = nil
				}
			case eventPing:
				events = append(events, string(rune('A'+9))+string(ev.payload))
			case eventPong:
				events = append(events, string(rune('A'+10))+string(ev.payload))
			case eventClose:
				events = append(events, string(rune('A'+8))+string(appendClosePayload(nil, ev.code, ev.reason)))
			}
			if n < 0 || n > len(kept) {
				t.Fatalf("used %d of %d bytes", n, len(kept))
			}
			kept = kept[n:]
			if err != nil {
				return events, d.err.Code
			}
			if ev.kind == eventNone {
				break
			}
		}
		if len(kept) > maxHeaderSize+maxControlPayload {
			t.Fatalf("%d bytes are left for later", len(kept))
		}
		kept = slices.Clone(kept)
	}
	return events, 0
}

// FuzzDecoder: whole, byte by byte and in chunks of any size the decoder finds the same, which is what the reference
// finds.
func FuzzDecoder(f *testing.F) {
	seed := func(frames ...sampleFrame) {
		var in []byte
		for _, f := range frames {
			in = f.append(in, serverRole)
		}
		f.Add(in, true, uint16(0), []byte{3, 1, 9})
		in = nil
		for _, f := range frames {
			in = f.append(in, clientRole)
		}
		f.Add(in, false, uint16(20), []byte{1})
	}
	seed(fr(text, "Hel"), fr(fin|ping, "x"), fr(fin|cont, "lo €"), fr(fin|closeOp, "\x03\xe8bye"))
	seed(fr(fin|binry, strings.Repeat("x", 300)), fr(fin|pong, ""), fr(fin|3, ""))
	seed(fr(fin|text, "\xf0\x9f\x98"), fr(fin|text, "a"))
	seed(sampleFrame{b0: fin | binry, length: 1 << 62})
	f.Fuzz(func(t *testing.T, in []byte, server bool, limit uint16, cuts []byte) {
		r := clientRole
		if server {
			r = serverRole
		}
		want, code := referenceDecode(r, uint64(limit), in)
		check := func(how string, chunks ...[]byte) {
			events, got := decodeAll(t, r, uint64(limit), chunks...)
			if got != code || !slices.Equal(events, want) {
				t.Fatalf("%s: %q, code %d; the reference says %q, code %d", how, events, got, want, code)
			}
		}
		check("whole", slices.Clone(in))
		var single, chunks [][]byte
		for i := range in {
			single = append(single, []byte{in[i]})
		}
		check("byte by byte", single...)
		rest := in
		for _, n := range cuts {
			n := min(int(n)+1, len(rest))
			chunks = append(chunks, slices.Clone(rest[:n]))
			rest = rest[n:]
		}
		check("in chunks", append(chunks, slices.Clone(rest))...)
	})
}

// FuzzEncoder: what an encoder writes, a decoder of the other side reads as it was meant.
func FuzzEncoder(f *testing.F) {
	f.Add([]byte("t5Hellop2hib3\xff\xfe\xfdf3abcc2bye"), true)
	f.Add([]byte("f9123456789f0t1xP0"), false)
	f.Fuzz(func(t *testing.T, script []byte, server bool) {
		e := encoder{role: serverRole, keys: func() [4]byte { return [4]byte{9, 8, 7, 6} }}
		r := clientRole
		if !server {
			e.role, r = clientRole, serverRole
		}
		var out []byte
		var want []string
		var open []byte
		for len(script) > 1 {
			op, n := script[0], min(int(script[1]), len(script)-2)
			p := script[2 : 2+n]
			script = script[2+n:]
			var err error
			before := len(out)
			switch op {
			case 't', 'b':
				mt := TextMessage
				if op == 'b' {
					mt = BinaryMessage
				}
				if out, err = e.appendMessage(out, mt, p); err == nil {
					want = append(want, string(rune('A'+mt))+string(p))
				}
			case 'f': // a fragment; an empty one is the last
				if !e.inside {
					err = e.beginMessage(BinaryMessage)
				}
				if err == nil {
					out, err = e.appendFragment(out, p, n == 0)
				}
				if err == nil {
					if open = append(open, p...); n == 0 {
						want = append(want, string(rune('A'+BinaryMessage))+string(open))
						open = nil
					}
				}
			case 'p':
				if out, err = e.appendControl(out, OpPing, p); err == nil {
					want = append(want, string(rune('A'+9))+string(p))
				}
			case 'P':
				if out, err = e.appendControl(out, OpPong, p); err == nil {
					want = append(want, string(rune('A'+10))+string(p))
				}
			case 'c':
				if out, err = e.appendClose(out, CloseGoingAway, string(p)); err == nil {
					want = append(want, string(rune('A'+8))+string(appendClosePayload(nil, CloseGoingAway, string(p))))
				}
			}
			if err != nil && len(out) != before {
				t.Fatalf("an error, and %d bytes all the same: %v", len(out)-before, err)
			}
		}
		events, code := decodeAll(t, r, 0, out)
		if code != 0 || !slices.Equal(events, want) {
			t.Fatalf("read %q, code %d; written %q", events, code, want)
		}
	})
}
