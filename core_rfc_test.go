package websocket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hawser.example/websocket/internal/deflate"
)

// The tests in this file feed bytes to a decoder and look at what comes out, for both roles and without a socket. Every
// sample is fed whole, in every two-way split and byte by byte, and what was consumed is overwritten at once: the events
// must not change. A violation must be reported at the earliest byte that shows it.

// A sampleFrame is a frame as the test writes it, legal or not. It is encoded here, independently of the code under test.
type sampleFrame struct {
	b0      byte // FIN, RSV and opcode
	payload []byte
	length  uint64 // as declared; 0: that of payload
	form    int    // bytes of the length field: 0, 2 or 8; -1: the shortest
	unmask  bool   // the wrong way round for the role
}

func (f sampleFrame) append(dst []byte, r role) []byte {
	n := f.length
	if n == 0 {
		n = uint64(len(f.payload))
	}
	form := f.form
	if form <= 0 {
		switch {
		case n > 65535:
			form = 8
		case n > 125:
			form = 2
		default:
			form = 0
		}
	}
	mask := byte(0)
	if (r == serverRole) != f.unmask {
		mask = 0x80
	}
	switch form {
	case 0:
		dst = append(dst, f.b0, mask|byte(n))
	case 2:
		dst = binary.BigEndian.AppendUint16(append(dst, f.b0, mask|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, f.b0, mask|127), n)
	}
	if mask == 0 {
		return append(dst, f.payload...)
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, key[:]...)
	for i, b := range f.payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// headerSize is how many bytes of f come before its payload.
func (f sampleFrame) headerSize(r role) int { return len(f.append(nil, r)) - len(f.payload) }

func fr(b0 byte, payload string) sampleFrame { return sampleFrame{b0: b0, payload: []byte(payload)} }

// transcript is what a decoder made of its input.
type transcript struct {
	events []string // complete messages and control frames
	err    string   // the code of the violation, "" if none
	at     int      // how many bytes had been fed when it was reported
}

// feed gives chunks to a new decoder without compression.
func feed(r role, limit uint64, chunks ...[]byte) transcript {
	return feedTo(&decoder{role: r, limit: limit}, 0, chunks...)
}

// feedTo gives chunks to d, as a driver would: what is not used up is kept and comes again with the next. Compressed
// messages are inflated room bytes at a time.
func feedTo(d *decoder, room int, chunks ...[]byte) (out transcript) {
	var kept, message []byte
	fed := 0
	for _, chunk := range chunks {
		kept = append(kept, chunk...)
		fed += len(chunk)
		for {
			ev, n, err := d.next(kept)
			switch ev.kind {
			case eventData:
				if ev.first {
					message = message[:0]
				}
				if ev.deflated {
					message, err = inflateEvent(d, message, ev, room)
				} else {
					message = append(message, ev.payload...)
				}
				if ev.last && err == nil {
					out.events = append(out.events, fmt.Sprintf("%v %q", ev.msgType, message))
				}
			case eventPing:
				out.events = append(out.events, fmt.Sprintf("ping %q owes %v", ev.payload, ev.owed))
			case eventPong:
				out.events = append(out.events, fmt.Sprintf("pong %q", ev.payload))
			case eventClose:
				out.events = append(out.events, fmt.Sprintf("close %d %q owes %v", ev.code, ev.reason, ev.owed))
			}
			for i := range kept[:n] {
				kept[i] = 0xAA // whoever kept a slice of it gets this
			}
			kept = kept[n:]
			if err != nil {
				if _, n2, err2 := d.next([]byte{0x81}); err2 != err || n2 != 0 {
					panic("the violation does not stay")
				}
				out.err, out.at = fmt.Sprint(int(d.err.Code)), fed
				return out
			}
			if ev.kind == eventNone {
				break
			}
		}
		kept = bytes.Clone(kept)
	}
	return out
}

// inflateEvent appends to message what ev, a piece of a compressed message, stands for.
func inflateEvent(d *decoder, message []byte, ev event, room int) (_ []byte, err error) {
	p := ev.payload
	for more := true; more && err == nil; {
		var used int
		have := len(message)
		message = slices.Grow(message, min(room, 64))
		if message, used, more, err = d.inflate(message, p, ev.last, room); len(message) > have+room {
			panic("more than there is room for")
		}
		p = p[used:]
	}
	return message, err
}

// A sample is input and what has to come of it.
type sample struct {
	name   string
	frames []sampleFrame
	limit  uint64
	window deflateContext // for compressed messages; zero: no compression was agreed on
	want   string         // the events, joined by "; "
	err    string         // the code of the violation at the end
	at     int            // what of the last frame shows it: n is its n-th byte, -n the n-th of its payload, 0 the end of its header
}

// checkSamples feeds every sample to both roles in all ways.
func checkSamples(t *testing.T, samples []sample) {
	t.Helper()
	for _, s := range samples {
		for _, r := range []role{serverRole, clientRole} {
			t.Run(s.name+"/"+r.String(), func(t *testing.T) { s.check(t, r) })
		}
	}
}

func (s sample) check(t *testing.T, r role) {
	var in []byte
	begin := 0 // of the last frame
	for _, f := range s.frames {
		begin = len(in)
		in = f.append(in, r)
	}
	compare := func(how string, got transcript) {
		t.Helper()
		if events := strings.Join(got.events, "; "); events != s.want || got.err != s.err {
			t.Fatalf("%s: got %s error %q, want %s error %q", how, events, got.err, s.want, s.err)
		}
	}
	feed := func(room int, chunks ...[]byte) transcript {
		d := &decoder{role: r, limit: s.limit}
		if s.window.bits > 0 {
			d.inflater.Decoder = deflate.NewDecoder(s.window.bits, s.window.takeover)
		}
		return feedTo(d, room, chunks...)
	}
	compare("whole", feed(1<<20, bytes.Clone(in)))
	for i := 1; i < len(in); i++ {
		if len(in) > 4096 && i%509 != 0 {
			continue
		}
		compare(fmt.Sprintf("split at %d", i), feed(1+i%7, bytes.Clone(in[:i]), bytes.Clone(in[i:])))
	}
	var single [][]byte
	for i := range in {
		single = append(single, []byte{in[i]})
	}
	got := feed(1, single...)
	compare("byte by byte", got)
	at := s.at
	if at <= 0 {
		at = s.frames[len(s.frames)-1].headerSize(r) - at
	}
	if s.err != "" && got.at != begin+at {
		t.Fatalf("reported after byte %d of the last frame, want %d", got.at-begin, at)
	}
}

const (
	fin, rsv1, rsv2, rsv3 = 0x80, 0x40, 0x20, 0x10
	cont, text, binry     = 0x0, 0x1, 0x2
	closeOp, ping, pong   = 0x8, 0x9, 0xA
)

func TestSection5_2_BaseFraming(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 5000)
	checkSamples(t, []sample{
		{name: "empty text", frames: []sampleFrame{fr(fin|text, "")}, want: `text ""`},
		{name: "empty binary", frames: []sampleFrame{fr(fin|binry, "")}, want: `binary ""`},
		{name: "125 bytes", frames: []sampleFrame{fr(fin|text, long[:125])}, want: fmt.Sprintf("text %q", long[:125])},
		{name: "126 bytes", frames: []sampleFrame{fr(fin|text, long[:126])}, want: fmt.Sprintf("text %q", long[:126])},
		{name: "65535 bytes", frames: []sampleFrame{fr(fin|text, long[:65535])}, want: fmt.Sprintf("text %q", long[:65535])},
		{name: "65536 bytes", frames: []sampleFrame{fr(fin|text, long[:65536])}, want: fmt.Sprintf("text %q", long[:65536])},
		{name: "RSV1", frames: []sampleFrame{fr(fin|rsv1|text, "a")}, err: "1002", at: 1},
		{name: "RSV2", frames: []sampleFrame{fr(fin|rsv2|text, "a")}, err: "1002", at: 1},
		{name: "RSV3", frames: []sampleFrame{fr(fin|rsv3|binry, "a")}, err: "1002", at: 1},
		{name: "RSV1 on a ping", frames: []sampleFrame{fr(fin|rsv1|ping, "")}, err: "1002", at: 1},
		{name: "RSV2 on a close", frames: []sampleFrame{fr(fin|rsv2|closeOp, "")}, err: "1002", at: 1},
		{name: "RSV3 after a good message", frames: []sampleFrame{fr(fin|text, "ok"), fr(fin|rsv3|text, "a")}, want: `text "ok"`, err: "1002", at: 1},
		{name: "opcode 3", frames: []sampleFrame{fr(fin|3, "")}, err: "1002", at: 1},
		{name: "opcode 4", frames: []sampleFrame{fr(fin|4, "x")}, err: "1002", at: 1},
		{name: "opcode 5", frames: []sampleFrame{fr(fin|5, "x")}, err: "1002", at: 1},
		{name: "opcode 6", frames: []sampleFrame{fr(fin|6, "x")}, err: "1002", at: 1},
		{name: "opcode 7", frames: []sampleFrame{fr(fin|7, "x")}, err: "1002", at: 1},
		{name: "opcode 11", frames: []sampleFrame{fr(fin|11, "")}, err: "1002", at: 1},
		{name: "opcode 12", frames: []sampleFrame{fr(fin|12, "x")}, err: "1002", at: 1},
		{name: "opcode 13", frames: []sampleFrame{fr(fin|13, "x")}, err: "1002", at: 1},
		{name: "opcode 14", frames: []sampleFrame{fr(fin|14, "x")}, err: "1002", at: 1},
		{name: "opcode 15", frames: []sampleFrame{fr(fin|15, "x")}, err: "1002", at: 1},
		{name: "125 in 16 bits", frames: []sampleFrame{{b0: fin | binry, payload: make([]byte, 125), form: 2}}, err: "1002", at: 4},
		{name: "65535 in 64 bits", frames: []sampleFrame{{b0: fin | binry, payload: make([]byte, 65535), form: 8}}, err: "1002", at: 10},
		{name: "1 in 64 bits", frames: []sampleFrame{{b0: fin | binry, payload: make([]byte, 1), form: 8}}, err: "1002", at: 10},
		{name: "sign bit of the length", frames: []sampleFrame{{b0: fin | binry, payload: []byte("x"), length: 1 << 63}}, err: "1002", at: 10},
		{name: "all bits of the length", frames: []sampleFrame{{b0: fin | binry, payload: []byte("x"), length: 1<<64 - 1}}, err: "1002", at: 10},
		{name: "largest length", frames: []sampleFrame{{b0: fin | binry, payload: []byte("x"), length: 1<<63 - 1}}},
	})
}

func TestSection5_1_And_5_3_Masking(t *testing.T) {
	checkSamples(t, []sample{
		{name: "data the wrong way round", frames: []sampleFrame{{b0: fin | text, payload: []byte("a"), unmask: true}}, err: "1002", at: 2},
		{name: "ping the wrong way round", frames: []sampleFrame{{b0: fin | ping, unmask: true}}, err: "1002", at: 2},
		{name: "close the wrong way round", frames: []sampleFrame{{b0: fin | closeOp, unmask: true}}, err: "1002", at: 2},
		{name: "continuation the wrong way round", frames: []sampleFrame{fr(text, "a"), {b0: fin | cont, payload: []byte("b"), unmask: true}}, err: "1002", at: 2},
	})
}

func TestSection5_4_Fragmentation(t *testing.T) {
	checkSamples(t, []sample{
		{name: "two fragments", frames: []sampleFrame{fr(text, "Hel"), fr(fin|cont, "lo")}, want: `text "Hello"`},
		{name: "empty fragments", frames: []sampleFrame{fr(binry, ""), fr(cont, ""), fr(fin|cont, "")}, want: `binary ""`},
		{name: "empty first, after a message", frames: []sampleFrame{fr(fin|text, "a"), fr(text, ""), fr(fin|cont, "b")}, want: `text "a"; text "b"`},
		{name: "empty first and last", frames: []sampleFrame{fr(text, ""), fr(cont, "a"), fr(fin|cont, "")}, want: `text "a"`},
		{name: "control frames in between", frames: []sampleFrame{
			fr(text, "a"), fr(fin|ping, "1"), fr(cont, "b"), fr(fin|pong, "2"), fr(fin|cont, "c"),
		}, want: `ping "1" owes pong; pong "2"; text "abc"`},
		{name: "close in between", frames: []sampleFrame{fr(text, "a"), fr(fin|closeOp, "\x03\xe8"), fr(fin|cont, "b")}, want: `close 1000 "" owes close`},
		{name: "continuation of nothing", frames: []sampleFrame{fr(cont, "a")}, err: "1002", at: 1},
		{name: "last continuation of nothing", frames: []sampleFrame{fr(fin|cont, "a")}, err: "1002", at: 1},
		{name: "continuation after the last", frames: []sampleFrame{fr(text, "a"), fr(fin|cont, "b"), fr(fin|cont, "c")}, want: `text "ab"`, err: "1002", at: 1},
		{name: "text inside a message", frames: []sampleFrame{fr(text, "a"), fr(fin|text, "b")}, err: "1002", at: 1},
		{name: "binary inside a message", frames: []sampleFrame{fr(text, "a"), fr(cont, "x"), fr(fin|binry, "b")}, err: "1002", at: 1},
		{name: "two messages", frames: []sampleFrame{fr(text, "a"), fr(fin|cont, "b"), fr(fin|binry, "c")}, want: `text "ab"; binary "c"`},
	})
}

func TestSection5_5_ControlFrames(t *testing.T) {
	full := strings.Repeat("p", 125)
	checkSamples(t, []sample{
		{name: "ping", frames: []sampleFrame{fr(fin|ping, "hi")}, want: `ping "hi" owes pong`},
		{name: "empty ping", frames: []sampleFrame{fr(fin|ping, "")}, want: `ping "" owes pong`},
		{name: "ping of 125 bytes", frames: []sampleFrame{fr(fin|ping, full)}, want: fmt.Sprintf("ping %q owes pong", full)},
		{name: "binary ping", frames: []sampleFrame{fr(fin|ping, "\x00\xff\xfe")}, want: `ping "\x00\xff\xfe" owes pong`},
		{name: "unsolicited pong", frames: []sampleFrame{fr(fin|pong, "x")}, want: `pong "x"`},
		{name: "ping of 126 bytes", frames: []sampleFrame{fr(fin|ping, full+"p")}, err: "1002", at: 2},
		{name: "pong of 126 bytes", frames: []sampleFrame{fr(fin|pong, full+"p")}, err: "1002", at: 2},
		{name: "close of 126 bytes", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8"+full[1:]+"x")}, err: "1002", at: 2},
		{name: "ping with a 64-bit length", frames: []sampleFrame{{b0: fin | ping, form: 8, payload: []byte("x")}}, err: "1002", at: 2},
		{name: "ping in fragments", frames: []sampleFrame{fr(ping, "a")}, err: "1002", at: 1},
		{name: "pong in fragments", frames: []sampleFrame{fr(pong, "")}, err: "1002", at: 1},
		{name: "close in fragments", frames: []sampleFrame{fr(closeOp, "")}, err: "1002", at: 1},
	})
}

func TestSection5_5_1_Close(t *testing.T) {
	reason := strings.Repeat("r", 123)
	checkSamples(t, []sample{
		{name: "without a code", frames: []sampleFrame{fr(fin|closeOp, "")}, want: `close 1005 "" owes close`},
		{name: "with a code", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8")}, want: `close 1000 "" owes close`},
		{name: "with a reason", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe9bye €")}, want: `close 1001 "bye €" owes close`},
		{name: "with the longest reason", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8"+reason)}, want: fmt.Sprintf("close 1000 %q owes close", reason)},
		{name: "followed by data", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8"), fr(fin|text, "a")}, want: `close 1000 "" owes close`},
		{name: "followed by a ping", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8"), fr(fin|ping, "a")}, want: `close 1000 "" owes close`},
		{name: "followed by what is illegal", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8"), fr(rsv1|0xF, "a")}, want: `close 1000 "" owes close`},
		{name: "of one byte", frames: []sampleFrame{fr(fin|closeOp, "\x03")}, err: "1002", at: 2},
		{name: "reason not UTF-8", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8ab\xffcd")}, err: "1007", at: -5},
		{name: "reason ends inside a character", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8ab\xe2\x82")}, err: "1007", at: -6},
		{name: "reason with a surrogate", frames: []sampleFrame{fr(fin|closeOp, "\x03\xe8\xed\xa0\x80")}, err: "1007", at: -4},
	})
}

// RFC 6455, section 7.4: all 65536 codes, as the peer may send them.
func TestSection7_4_CloseCodes(t *testing.T) {
	for n := range 1 << 16 {
		legal := n >= 1000 && n <= 1003 || n >= 1007 && n <= 1014 || n >= 3000 && n <= 4999
		in := sampleFrame{b0: fin | closeOp, payload: binary.BigEndian.AppendUint16(nil, uint16(n))}.append(nil, serverRole)
		got := feed(serverRole, 0, in)
		want := fmt.Sprintf(`[close %d "" owes close]`, n)
		if legal != (got.err == "") || legal && fmt.Sprint(got.events) != want || !legal && got.err != "1002" {
			t.Fatalf("code %d: %v, error %q", n, got.events, got.err)
		}
		if (checkClose(CloseCode(n), "") == nil) != (legal || n == 1005) {
			t.Fatalf("code %d: may be sent: %v", n, checkClose(CloseCode(n), ""))
		}
	}
	checkSamples(t, []sample{
		{name: "judged at its second byte", frames: []sampleFrame{fr(fin|closeOp, "\x03\xed and why")}, err: "1002", at: -2},
	})
}

func TestSection8_1_UTF8(t *testing.T) {
	checkSamples(t, []sample{
		{name: "all lengths", frames: []sampleFrame{fr(fin|text, "aé€😀")}, want: `text "aé€😀"`},
		{name: "character across fragments", frames: []sampleFrame{fr(text, "\xe2"), fr(cont, "\x82"), fr(fin|cont, "\xac")}, want: `text "€"`},
		{name: "character across fragments and a ping", frames: []sampleFrame{fr(text, "\xf0\x9f"), fr(fin|ping, "\xff"), fr(fin|cont, "\x98\x80")}, want: `ping "\xff" owes pong; text "😀"`},
		{name: "binary may be anything", frames: []sampleFrame{fr(fin|binry, "\xff\xfe\xed\xa0\x80")}, want: `binary "\xff\xfe\xed\xa0\x80"`},
		{name: "byte that begins nothing", frames: []sampleFrame{fr(fin|text, "ab\xffcd")}, err: "1007", at: -3},
		{name: "overlong", frames: []sampleFrame{fr(fin|text, "\xc0\xaf")}, err: "1007", at: -1},
		{name: "overlong of three", frames: []sampleFrame{fr(fin|text, "x\xe0\x9f\xbf")}, err: "1007", at: -3},
		{name: "overlong of four", frames: []sampleFrame{fr(fin|text, "x\xf0\x8f\xbf\xbf")}, err: "1007", at: -3},
		{name: "surrogate", frames: []sampleFrame{fr(fin|text, "x\xed\xa0\x80y")}, err: "1007", at: -3},
		{name: "beyond Unicode", frames: []sampleFrame{fr(fin|text, "x\xf4\x90\x80\x80")}, err: "1007", at: -3},
		{name: "first byte beyond Unicode", frames: []sampleFrame{fr(fin|text, "x\xf5")}, err: "1007", at: -2},
		{name: "continuation byte alone", frames: []sampleFrame{fr(fin|text, "\x80")}, err: "1007", at: -1},
		{name: "in the second fragment", frames: []sampleFrame{fr(text, "\xe2\x82"), fr(fin|cont, "\x28")}, err: "1007", at: -1},
		{name: "ends inside a character", frames: []sampleFrame{fr(fin|text, "a\xe2\x82")}, err: "1007", at: -3},
		{name: "message ends inside a character, empty last fragment", frames: []sampleFrame{fr(text, "a\xe2\x82"), fr(fin|cont, "")}, err: "1007"},
	})
}

// RFC 6455, section 10.4: limits. They are judged by the declared length, before a byte of payload is there.
func TestSection10_4_Limits(t *testing.T) {
	checkSamples(t, []sample{
		{name: "exactly", limit: 5, frames: []sampleFrame{fr(fin|text, "12345")}, want: `text "12345"`},
		{name: "one more", limit: 5, frames: []sampleFrame{fr(fin|text, "123456")}, err: "1009", at: 2},
		{name: "exactly, in fragments", limit: 5, frames: []sampleFrame{fr(text, "123"), fr(fin|cont, "45")}, want: `text "12345"`},
		{name: "for each message", limit: 5, frames: []sampleFrame{fr(fin|text, "12345"), fr(fin|text, "12345")}, want: `text "12345"; text "12345"`},
		{name: "control frames do not count", limit: 2, frames: []sampleFrame{fr(text, "1"), fr(fin|ping, "123456"), fr(fin|cont, "2")}, want: `ping "123456" owes pong; text "12"`},
		{name: "2^16", limit: 65535, frames: []sampleFrame{{b0: fin | binry, length: 65536}}, err: "1009", at: 10},
		{name: "2^62", limit: 1 << 20, frames: []sampleFrame{{b0: fin | binry, length: 1 << 62}}, err: "1009", at: 10},
		{name: "sum beyond 2^63", limit: 1 << 20, frames: []sampleFrame{fr(binry, "x"), {b0: fin | cont, length: 1<<63 - 1}}, err: "1009", at: 10},
		{name: "limit and fragments", limit: 300, frames: []sampleFrame{fr(binry, "x"), {b0: fin | cont, length: 300}}, err: "1009", at: 4},
	})
}

func TestFragmentLimit(t *testing.T) {
	d := &decoder{role: clientRole, fragments: 3}
	in := append(fr(text, "").append(nil, clientRole), fr(cont, "").append(nil, clientRole)...)
	in = append(in, fr(cont, "").append(nil, clientRole)...)
	for len(in) > 0 {
		_, n, err := d.next(in)
		if err != nil {
			t.Fatal(err)
		}
		if in = in[n:]; n == 0 {
			break
		}
	}
	if _, _, err := d.next(fr(fin|cont, "").append(nil, clientRole)); err == nil || d.err.Code != ClosePolicyViolation {
		t.Fatalf("fourth fragment: %v", err)
	}
}

// The closing handshake: at most one Close from us, an echo exactly when the peer was first, and no way back.
func TestCloseTable(t *testing.T) {
	for s := range closeTable {
		for ev := range closeTable[s] {
			step := closeState(s).step(closeEvent(ev))
			switch {
			case !step.ok && (step.next != closeState(s) || step.owed):
				t.Errorf("%v: an event that is not legal changes something", closeState(s))
			case step.ok && step.next <= closeState(s):
				t.Errorf("%v: goes back to %v", closeState(s), step.next)
			}
		}
	}
	type path struct {
		events []closeEvent
		end    closeState
		sent   int
	}
	for _, p := range []path{
		{[]closeEvent{sendClose, receiveClose}, closeDone, 1},
		{[]closeEvent{sendClose, sendClose, receiveClose}, closeDone, 1},
		{[]closeEvent{receiveClose, sendClose}, closeDone, 1},
		{[]closeEvent{receiveClose, receiveClose, sendClose, sendClose}, closeDone, 1},
		{[]closeEvent{sendClose}, closeSent, 1},
		{[]closeEvent{receiveClose}, closeReceived, 0},
	} {
		s, sent := closeOpen, 0
		for _, ev := range p.events {
			step := s.step(ev)
			if ev == sendClose && step.owed {
				sent++
			}
			s = step.next
		}
		if s != p.end || sent != p.sent {
			t.Errorf("%v: ends in %v with %d sent, want %v with %d", p.events, s, sent, p.end, p.sent)
		}
	}
}
