package websocket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"hawser.example/websocket/internal/deflate"
)

// The tests in this file are those of core_rfc_test.go for compressed messages: RFC 7692, sections 6 and 7.2. The tests
// of the sending half are at the end.

var (
	takeover15   = deflateContext{bits: 15, takeover: true}
	noTakeover15 = deflateContext{bits: 15}
)

// compressed returns the same samples for a connection with compression.
func compressed(window deflateContext, samples []sample) []sample {
	samples = slices.Clone(samples)
	for i := range samples {
		samples[i].window = window
	}
	return samples
}

// A bitWriter writes DEFLATE by hand. RFC 1951, section 3.1.1: the lowest bit of a byte is the first.
type bitWriter struct {
	out  []byte
	free int // bits of the last byte
}

func (w *bitWriter) bits(v, n int) {
	for i := range n {
		if w.free == 0 {
			w.out, w.free = append(w.out, 0), 8
		}
		w.out[len(w.out)-1] |= byte(v >> i & 1 << (8 - w.free))
		w.free--
	}
}

// code writes a Huffman code, whose highest bit is the first.
func (w *bitWriter) code(v, n int) {
	for i := range n {
		w.bits(v>>(n-1-i), 1)
	}
}

// stored writes a stored block.
func (w *bitWriter) stored(text string) {
	w.bits(0, 3)
	w.free = 0
	w.out = binary.LittleEndian.AppendUint16(w.out, uint16(len(text)))
	w.out = binary.LittleEndian.AppendUint16(w.out, ^uint16(len(text)))
	w.out = append(w.out, text...)
}

// match writes a block with the fixed codes that repeats three bytes from dist before. RFC 1951, sections 3.2.5, 3.2.6.
func (w *bitWriter) match(dist int) {
	w.bits(0, 1)
	w.bits(1, 2)
	w.code(1, 7) // symbol 257: three bytes
	symbol, base, extra := dist-1, dist, 0
	if dist > 4 {
		base, extra = 5, 1
		for ; base+2<<extra <= dist; extra++ {
			base += 2 << extra
		}
		if symbol = 2 + 2*extra; dist-base >= 1<<extra {
			symbol, base = symbol+1, base+1<<extra
		}
	}
	w.code(symbol, 5)
	w.bits(dist-base, extra)
	w.code(0, 7) // symbol 256: the end of the block
}

// message ends the message and returns its payload.
func (w *bitWriter) message() string {
	w.bits(0, 3)
	return string(w.out)
}

func storedMessage(text string) string {
	var w bitWriter
	w.stored(text)
	return w.message()
}

func matchMessage(text string, dist int) string {
	var w bitWriter
	if text != "" {
		w.stored(text)
	}
	w.match(dist)
	return w.message()
}

// The examples of RFC 7692, section 7.2.3, byte for byte.
func TestRFC7692Section7_2_3_Examples(t *testing.T) {
	checkSamples(t, compressed(takeover15, []sample{
		{name: "7.2.3.1 a message", frames: []sampleFrame{fr(fin|rsv1|text, "\xf2\x48\xcd\xc9\xc9\x07\x00")}, want: `text "Hello"`},
		{name: "7.2.3.1 in two frames", frames: []sampleFrame{
			fr(rsv1|text, "\xf2\x48\xcd"), fr(fin|cont, "\xc9\xc9\x07\x00"),
		}, want: `text "Hello"`},
		{name: "7.2.3.2 sharing the window", frames: []sampleFrame{
			fr(fin|rsv1|text, "\xf2\x48\xcd\xc9\xc9\x07\x00"), fr(fin|rsv1|text, "\xf2\x00\x11\x00\x00"),
		}, want: `text "Hello"; text "Hello"`},
		{name: "7.2.3.3 a block without compression", frames: []sampleFrame{
			fr(fin|rsv1|text, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
		}, want: `text "Hello"`},
		{name: "7.2.3.4 a block with BFINAL", frames: []sampleFrame{
			fr(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
		}, want: `text "Hello"`},
		{name: "7.2.3.5 two blocks", frames: []sampleFrame{
			fr(fin|rsv1|text, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
		}, want: `text "Hello"`},
		{name: "7.2.3.6 an empty message", frames: []sampleFrame{fr(fin|rsv1|text, "\x00")}, want: `text ""`},
	}))
	e, in := deflatingEncoder(serverRole, takeover15, 0), newFlateReceiver(takeover15)
	if got, err := e.appendMessage(nil, TextMessage, []byte("Hello")); err != nil || string(got) != "\xc1\x07"+hello {
		t.Errorf("7.2.3.1: our encoder makes % x of it, %v", got, err)
	}
	if _, err := in.inflate(hello); err != nil {
		t.Error(err)
	}
	// Our encoder does not look for matches in messages as short as this one.
	got, err := e.appendMessage(nil, TextMessage, []byte("Hello"))
	if err != nil || len(got) > 2+len(hello) {
		t.Fatalf("7.2.3.2: our encoder makes % x of it, %v", got, err)
	}
	if text, err := in.inflate(string(got[2:])); err != nil || text != "Hello" {
		t.Errorf("7.2.3.2: our encoder makes % x of it, which is %q, %v", got, text, err)
	}
	if got, _ := e.appendMessage(nil, BinaryMessage, nil); string(got) != "\xc2\x01\x00" {
		t.Errorf("our encoder makes % x of an empty message", got)
	}
}

const hello, helloAgain = "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"

// RFC 7692, section 6: RSV1 says on the first frame of a data message that it is compressed, and stands nowhere else.
func TestRFC7692Section6_RSV1(t *testing.T) {
	checkSamples(t, compressed(takeover15, []sample{
		{name: "on a continuation", frames: []sampleFrame{fr(rsv1|text, hello[:3]), fr(fin|rsv1|cont, hello[3:])}, err: "1002", at: 1},
		{name: "on a continuation of a plain message", frames: []sampleFrame{fr(text, "a"), fr(fin|rsv1|cont, hello)}, err: "1002", at: 1},
		{name: "on a ping", frames: []sampleFrame{fr(fin|rsv1|ping, "")}, err: "1002", at: 1},
		{name: "on a pong", frames: []sampleFrame{fr(fin|rsv1|pong, "")}, err: "1002", at: 1},
		{name: "on a close", frames: []sampleFrame{fr(fin|rsv1|closeOp, "")}, err: "1002", at: 1},
		{name: "on a ping inside a message", frames: []sampleFrame{fr(rsv1|text, hello[:3]), fr(fin|rsv1|ping, "")}, err: "1002", at: 1},
		{name: "with RSV2", frames: []sampleFrame{fr(fin|rsv1|rsv2|text, hello)}, err: "1002", at: 1},
		{name: "RSV3 instead", frames: []sampleFrame{fr(fin|rsv3|text, hello)}, err: "1002", at: 1},
		{name: "on a reserved opcode", frames: []sampleFrame{fr(fin|rsv1|3, hello)}, err: "1002", at: 1},
		{name: "binary", frames: []sampleFrame{fr(fin|rsv1|binry, hello)}, want: `binary "Hello"`},
		{name: "plain messages need none", frames: []sampleFrame{fr(fin|text, hello[:1]+"\x82")}, err: "1007", at: -2},
		{name: "control frames are not compressed", frames: []sampleFrame{
			fr(rsv1|text, hello[:2]), fr(fin|ping, hello), fr(cont, hello[2:3]), fr(fin|pong, ""), fr(fin|cont, hello[3:]),
		}, want: fmt.Sprintf("ping %q owes pong; pong \"\"; text \"Hello\"", hello)},
		{name: "a close inside", frames: []sampleFrame{fr(rsv1|text, hello[:2]), fr(fin|closeOp, "\x03\xe8")}, want: `close 1000 "" owes close`},
		{name: "another message inside", frames: []sampleFrame{fr(rsv1|text, hello[:3]), fr(fin|rsv1|text, hello)}, err: "1002", at: 1},
	}))
	checkSamples(t, []sample{
		{name: "not negotiated", frames: []sampleFrame{fr(fin|rsv1|text, hello)}, err: "1002", at: 1},
		{name: "not negotiated, in fragments", frames: []sampleFrame{fr(rsv1|binry, hello)}, err: "1002", at: 1},
	})
}

// RFC 7692, section 6.2: a message is the blocks of all of its frames, however they are cut.
func TestRFC7692Section6_2_ReceivingMessages(t *testing.T) {
	var single []sampleFrame
	for i, b := range []byte(hello) {
		f := sampleFrame{b0: cont, payload: []byte{b}}
		switch i {
		case 0:
			f.b0 = rsv1 | text
		case len(hello) - 1:
			f.b0 = fin | cont
		}
		single = append(single, f)
	}
	long := jsonText(3000, 0)
	sender := newFlateSender(takeover15)
	checkSamples(t, compressed(takeover15, []sample{
		{name: "a byte in each fragment", frames: single, want: `text "Hello"`},
		{name: "empty fragments", frames: []sampleFrame{
			fr(rsv1|text, ""), fr(cont, hello[:4]), fr(cont, ""), fr(cont, hello[4:]), fr(fin|cont, ""),
		}, want: `text "Hello"`},
		{name: "empty first and all in the last", frames: []sampleFrame{fr(rsv1|binry, ""), fr(fin|cont, hello)}, want: `binary "Hello"`},
		{name: "the empty message in fragments", frames: []sampleFrame{fr(rsv1|text, ""), fr(cont, "\x00"), fr(fin|cont, "")}, want: `text ""`},
		{name: "the empty message as two blocks", frames: []sampleFrame{fr(fin|rsv1|text, "\x00\x00\x00\xff\xff\x00")}, want: `text ""`},
		{name: "compressed, plain, compressed", frames: []sampleFrame{
			fr(fin|rsv1|text, hello), fr(fin|text, "World, and more of it"), fr(fin|rsv1|text, helloAgain),
		}, want: `text "Hello"; text "World, and more of it"; text "Hello"`},
		{name: "plain in fragments does not enter the window", frames: []sampleFrame{
			fr(fin|rsv1|text, hello), fr(binry, "Wor"), fr(fin|cont, "ld"), fr(fin|rsv1|text, helloAgain),
		}, want: `text "Hello"; binary "World"; text "Hello"`},
		{name: "an empty one leaves the window as it is", frames: []sampleFrame{
			fr(fin|rsv1|text, hello), fr(fin|rsv1|text, "\x00"), fr(fin|rsv1|binry, helloAgain),
		}, want: `text "Hello"; text ""; binary "Hello"`},
		{name: "BFINAL and another block", frames: []sampleFrame{
			fr(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00"+hello),
		}, want: `text "HelloHello"`},
		{name: "BFINAL, and nothing behind it", frames: []sampleFrame{fr(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00")}, want: `text "Hello"`},
		{name: "BFINAL does not end the window", frames: []sampleFrame{
			fr(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), fr(fin|rsv1|text, helloAgain),
		}, want: `text "Hello"; text "Hello"`},
		{name: "BFINAL in a fragment", frames: []sampleFrame{
			fr(rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00"), fr(fin|cont, helloAgain),
		}, want: `text "HelloHello"`},
		{name: "a long one", frames: []sampleFrame{fr(fin|rsv1|text, sender.deflate(long))}, want: fmt.Sprintf("text %q", long)},
	}))
	checkSamples(t, compressed(noTakeover15, []sample{
		{name: "without takeover nothing is there to reach back to", frames: []sampleFrame{
			fr(fin|rsv1|text, hello), fr(fin|rsv1|text, helloAgain),
		}, want: `text "Hello"`, err: "1007", at: -3},
	}))
}

// RFC 7692, section 7.1.2: distances beyond the window that was agreed on are refused. With 8 bits a peer that uses zlib
// has a window of 512 bytes.
func TestRFC7692Section7_1_2_Window(t *testing.T) {
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		most := 1 << max(bits, 9)
		message := noise(most+3, uint64(bits))
		repeated := message[len(message)-most:][:3]
		for _, c := range []sample{
			{
				name:   "in one message",
				frames: []sampleFrame{fr(fin|rsv1|binry, matchMessage(message, most))},
				want:   fmt.Sprintf("binary %q", message+repeated),
			},
			{
				name:   "over two messages",
				frames: []sampleFrame{fr(fin|rsv1|binry, storedMessage(message)), fr(fin|rsv1|binry, matchMessage("", most))},
				want:   fmt.Sprintf("binary %q; binary %q", message, repeated),
			},
			{
				name:   "one byte further, in one message",
				frames: []sampleFrame{fr(fin|rsv1|binry, matchMessage(message, most+1))},
				err:    "1007",
			},
			{
				name:   "one byte further, over two messages",
				frames: []sampleFrame{fr(fin|rsv1|binry, storedMessage(message)), fr(fin|rsv1|binry, matchMessage("", most+1))},
				want:   fmt.Sprintf("binary %q", message),
				err:    "1007",
			},
		} {
			if bits == maxWindowBits && c.err != "" {
				continue // no distance is longer
			}
			for _, r := range []role{serverRole, clientRole} {
				var in []byte
				for _, f := range c.frames {
					in = f.append(in, r)
				}
				for _, room := range []int{1 << 20, 100} {
					d := &decoder{role: r, inflater: inflater{Decoder: deflate.NewDecoder(bits, true)}}
					got := feedTo(d, room, bytes.Clone(in[:most/2]), bytes.Clone(in[most/2:]))
					if strings.Join(got.events, "; ") != c.want || got.err != c.err {
						t.Errorf("%d bits, %s: %d messages, error %q, want error %q", bits, c.name, len(got.events), got.err, c.err)
					}
				}
			}
		}
	}
}

// RFC 7692, section 7.2.2: what is no complete DEFLATE stream fails the connection, at the first byte that shows it.
func TestRFC7692Section7_2_2_Corrupt(t *testing.T) {
	checkSamples(t, compressed(takeover15, []sample{
		{name: "reserved block type", frames: []sampleFrame{fr(fin|rsv1|text, "\x06\x00\x00")}, err: "1007", at: -1},
		{name: "lengths of a stored block", frames: []sampleFrame{fr(fin|rsv1|text, "\x00\x05\x00\xfb\xffHello\x00")}, err: "1007", at: -5},
		{name: "distance with nothing behind", frames: []sampleFrame{fr(fin|rsv1|text, helloAgain)}, err: "1007", at: -3},
		{name: "cut short", frames: []sampleFrame{fr(fin|rsv1|text, hello[:4])}, err: "1007", at: -4},
		{name: "without the header of the last block", frames: []sampleFrame{fr(fin|rsv1|text, hello[:6])}, err: "1007", at: -6},
		{name: "with its lengths", frames: []sampleFrame{fr(fin|rsv1|text, hello+"\x00\x00\xff\xff")}, err: "1007", at: -11},
		{name: "no byte at all", frames: []sampleFrame{fr(fin|rsv1|text, "")}, err: "1007"},
		{name: "no byte in three fragments", frames: []sampleFrame{fr(rsv1|text, ""), fr(cont, ""), fr(fin|cont, "")}, err: "1007"},
		{name: "in a fragment, before the last", frames: []sampleFrame{fr(rsv1|text, "\x06\x00")}, err: "1007", at: -1},
		{name: "cut short in fragments", frames: []sampleFrame{fr(rsv1|text, hello[:3]), fr(fin|cont, "\xc9")}, err: "1007", at: -1},
		{name: "a good message before", frames: []sampleFrame{fr(fin|rsv1|text, hello), fr(fin|rsv1|text, "\x06")}, want: `text "Hello"`, err: "1007", at: -1},
		{name: "plain data as compressed", frames: []sampleFrame{fr(fin|rsv1|text, "Hello")}, err: "1007", at: -5},
	}))
}

// RFC 6455, section 8.1: text is judged as it is inflated.
func TestInflatedTextIsUTF8(t *testing.T) {
	checkSamples(t, compressed(takeover15, []sample{
		{name: "all lengths", frames: []sampleFrame{fr(fin|rsv1|text, storedMessage("aé€😀"))}, want: `text "aé€😀"`},
		{name: "a character in two blocks", frames: []sampleFrame{
			fr(fin|rsv1|text, storedMessage("\xe2\x82")[:7]+storedMessage("\xac")),
		}, want: `text "€"`},
		{name: "a bad byte in the middle of a frame", frames: []sampleFrame{fr(fin|rsv1|text, storedMessage("ab\xffcd"))}, err: "1007", at: -8},
		{name: "in a fragment before the last", frames: []sampleFrame{fr(rsv1|text, storedMessage("ab\xffcd"))}, err: "1007", at: -8},
		{name: "ends inside a character", frames: []sampleFrame{fr(fin|rsv1|text, storedMessage("a\xe2\x82"))}, err: "1007", at: -9},
		{name: "binary may be anything", frames: []sampleFrame{fr(fin|rsv1|binry, storedMessage("\xff"))}, want: `binary "\xff"`},
		{name: "each message anew", frames: []sampleFrame{
			fr(fin|rsv1|binry, storedMessage("\xe2\x82")), fr(fin|rsv1|text, storedMessage("\xac")),
		}, want: `binary "\xe2\x82"`, err: "1007", at: -6},
		{name: "a plain one behind", frames: []sampleFrame{fr(fin|rsv1|text, hello), fr(fin|text, "\x80")}, want: `text "Hello"`, err: "1007", at: -1},
	}))
}

// RFC 6455, section 10.4: the limit counts inflated bytes, and nothing is inflated beyond it. The compressed form is
// bounded too, so that blocks which stand for nothing come to an end.
func TestInflatedLimits(t *testing.T) {
	nothing := strings.Repeat("\x00\x00\x00\xff\xff", 300)
	most := int(maxDeflated(5, 0))
	checkSamples(t, compressed(takeover15, []sample{
		{name: "exactly", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, hello)}, want: `text "Hello"`},
		{name: "one more", limit: 4, frames: []sampleFrame{fr(fin|rsv1|text, hello)}, err: "1009", at: -6},
		{name: "exactly, stored", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, storedMessage("Hello"))}, want: `text "Hello"`},
		{name: "exactly, in fragments", limit: 5, frames: []sampleFrame{fr(rsv1|text, hello[:4]), fr(fin|cont, hello[4:])}, want: `text "Hello"`},
		{name: "one more, in fragments", limit: 4, frames: []sampleFrame{fr(rsv1|text, hello[:4]), fr(fin|cont, hello[4:])}, err: "1009", at: -2},
		{name: "for each message", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, hello), fr(fin|rsv1|text, helloAgain), fr(fin|text, "World")}, want: `text "Hello"; text "Hello"; text "World"`},
		{name: "a plain one has its own", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, hello), fr(fin|text, "Worlds")}, want: `text "Hello"`, err: "1009", at: 2},
		{name: "a plain one in fragments too", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, hello), fr(text, "Wor"), fr(fin|cont, "lds")}, want: `text "Hello"`, err: "1009", at: 2},
		{name: "a form as long as may be", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, nothing[:most-most%5]+"\x00")}, want: `text ""`},
		{name: "a form that is too long", limit: 5, frames: []sampleFrame{fr(fin|rsv1|text, nothing[:most+1])}, err: "1009", at: 4},
		{name: "in fragments", limit: 5, frames: []sampleFrame{fr(rsv1|text, nothing[:most-4]), fr(fin|cont, nothing[:10])}, err: "1009", at: 2},
		{name: "2^62", limit: 1 << 20, frames: []sampleFrame{{b0: fin | rsv1 | binry, length: 1 << 62}}, err: "1009", at: 10},
	}))
	if maxDeflated(math.MaxUint64, maxFragments) != math.MaxUint64 || maxDeflated(math.MaxInt64, maxFragments) < math.MaxInt64 {
		t.Error("the bound of a compressed form wraps")
	}
}

// The compressed form of what cannot be compressed stays within its bound at every size, ours and that of others.
func TestIncompressibleMessagesKeepWithinTheLimit(t *testing.T) {
	for _, size := range []int{1, 5, 100, 1000, 70_000, 300_000} {
		message := noise(size, uint64(size))
		for name, payload := range map[string]string{
			"compress/flate": newFlateSender(takeover15).deflate(message),
			"Huffman only":   newFlateSender(deflateContext{bits: 9}).deflate(message),
			"ours":           string(deflate.NewEncoder(12, true, deflate.Fast).Append(nil, []byte(message))),
		} {
			d := &decoder{role: clientRole, limit: uint64(size), inflater: inflater{Decoder: deflate.NewDecoder(15, true)}}
			got := feedTo(d, 1<<20, fr(fin|rsv1|binry, payload).append(nil, clientRole))
			if got.err != "" || len(got.events) != 1 {
				t.Errorf("%s: %d bytes in %d: error %q", name, size, len(payload), got.err)
			}
		}
	}
}

func deflatingEncoder(r role, window deflateContext, threshold int) *encoder {
	e := &encoder{role: r, keys: func() [4]byte { return [4]byte{9, 8, 7, 6} }}
	e.deflater = &deflater{
		Encoder:   deflate.NewEncoder(window.bits, window.takeover, deflate.Fast),
		threshold: threshold,
	}
	return e
}

// splitFrames splits what an encoder of role r made.
func splitFrames(t *testing.T, r role, b []byte) (frames []rawFrame) {
	t.Helper()
	for len(b) > 0 {
		h, n := ParseHeader(b)
		if n == 0 || uint64(len(b)-n) < h.Length || h.Masked != (r == clientRole) {
			t.Fatalf("no frame: % x", b[:min(20, len(b))])
		}
		payload := bytes.Clone(b[n : n+int(h.Length)])
		if h.Masked {
			Mask(payload, h.MaskKey, 0)
		}
		frames = append(frames, rawFrame{h, string(payload)})
		b = b[n+int(h.Length):]
	}
	return frames
}

// RFC 7692, section 6.1: RSV1 on the first frame and no other, whatever the size of the header that takes.
func TestRFC7692Section6_1_SendingMessages(t *testing.T) {
	for _, r := range []role{serverRole, clientRole} {
		for _, window := range []deflateContext{takeover15, noTakeover15, {bits: 8, takeover: true}, {bits: 10}} {
			e := deflatingEncoder(r, window, 100)
			in := newFlateReceiver(window)
			for _, size := range []int{0, 99, 100, 101, 150, 1000, 20_000, 100_000, 500_000} {
				message := jsonText(size, size)
				out, err := e.appendMessage([]byte("before"), TextMessage, []byte(message))
				if err != nil {
					t.Fatal(err)
				}
				if string(out[:6]) != "before" {
					t.Fatal("what was there before has changed")
				}
				frames := splitFrames(t, r, out[6:])
				f := frames[0]
				if len(frames) != 1 || !f.Fin || f.Opcode != OpText || f.RSV1 != (size >= 100) {
					t.Fatalf("%v, %d bytes: %d frames, the first with %+v", r, size, len(frames), f.Header)
				}
				if f.RSV1 {
					if f.payload, err = in.inflate(f.payload); err != nil {
						t.Fatal(err)
					}
				}
				if f.payload != message {
					t.Fatalf("%v, %d bytes: another message", r, size)
				}
			}
		}
	}
}

// A message in fragments is compressed as a whole or not at all, also if a part of it gains nothing by that.
func TestFragmentsAreCompressedAllOrNone(t *testing.T) {
	compressible, random := jsonText(2000, 0), noise(2000, 1)
	for _, c := range []struct {
		name      string
		fragments []string
		takeover  bool
		deflated  bool
	}{
		{"all gain", []string{compressible, compressible, compressible}, false, true},
		{"the first gains nothing", []string{random, compressible, compressible}, false, false},
		{"a later one gains nothing", []string{compressible, random, compressible}, false, true},
		{"the last gains nothing", []string{compressible, random}, false, true},
		{"empty at the end", []string{compressible, ""}, false, true},
		{"only one", []string{random}, false, false},
		{"with takeover nothing can be taken back", []string{random, compressible, random, ""}, true, true},
	} {
		for _, r := range []role{serverRole, clientRole} {
			window := deflateContext{15, c.takeover}
			e := deflatingEncoder(r, window, 100)
			e.deflater.fragments = true
			in := newFlateReceiver(window)
			var out []byte
			for range 2 { // the second has what the first has left
				out = out[:0]
				if err := e.beginMessage(BinaryMessage); err != nil {
					t.Fatal(err)
				}
				for i, p := range c.fragments {
					var err error
					if out, err = e.appendFragment(out, []byte(p), i == len(c.fragments)-1); err != nil {
						t.Fatal(err)
					}
				}
				payload := ""
				frames := splitFrames(t, r, out)
				for i, f := range frames {
					payload += f.payload
					if f.RSV1 != (i == 0 && c.deflated) || f.Fin != (i == len(frames)-1) || (f.Opcode == OpContinuation) != (i > 0) {
						t.Fatalf("%s: frame %d has %+v", c.name, i, f.Header)
					}
				}
				if made := e.deflater.made; c.deflated && made != len(payload) || !c.deflated && made != 0 {
					t.Errorf("%s: %d bytes counted of %d", c.name, made, len(payload))
				}
				e.deflater.made = 0
				if c.deflated {
					var err error
					if payload, err = in.inflate(payload); err != nil {
						t.Fatalf("%s: %v", c.name, err)
					}
				}
				if payload != strings.Join(c.fragments, "") {
					t.Errorf("%s: another message", c.name)
				}
			}
		}
	}
}

// Without takeover what gains nothing goes as it is; with it the context has it already.
func TestMessagesThatGainNothing(t *testing.T) {
	for _, size := range []int{1, 3, 200, 100_000} {
		message := []byte(noise(size, 7))
		for _, window := range []deflateContext{takeover15, noTakeover15} {
			e := deflatingEncoder(serverRole, window, 0)
			out, _ := e.appendMessage(nil, BinaryMessage, message)
			f := splitFrames(t, serverRole, out)[0]
			if f.RSV1 != window.takeover {
				t.Errorf("%d bytes, takeover %v: RSV1 %v", size, window.takeover, f.RSV1)
			}
			if grown := len(f.payload) - size; grown > 6+5*(size/65536+1) || !f.RSV1 && f.payload != string(message) {
				t.Errorf("%d bytes, takeover %v: %d more", size, window.takeover, grown)
			}
			if made := e.deflater.made; window.takeover && made != len(f.payload) || !window.takeover && made != 0 {
				t.Errorf("%d bytes, takeover %v: %d compressed bytes counted", size, window.takeover, made)
			}
		}
	}
}

// What is compressed within the buffer that its owner has made room in stays there: maxGrowth is enough.
func TestCompressedMessagesStayInTheirBuffer(t *testing.T) {
	for _, r := range []role{serverRole, clientRole} {
		for _, window := range []deflateContext{{8, true}, {9, true}, {12, true}, takeover15, noTakeover15} {
			e := deflatingEncoder(r, window, 0)
			e.deflater.fragments = true
			for _, size := range []int{0, 1, 125, 126, 4000, collectLimit - 1, collectLimit} {
				for _, message := range []string{noise(size, 3), jsonText(size, 1)} {
					dst := make([]byte, 10, 10+size+maxGrowth)
					out, _ := e.appendMessage(dst, BinaryMessage, []byte(message))
					if &out[0] != &dst[0] {
						t.Errorf("%v, window %+v: %d bytes do not stay", r, window, size)
					}
					e.beginMessage(BinaryMessage)
					out, _ = e.appendFragment(dst, []byte(message), false)
					if &out[0] != &dst[0] {
						t.Errorf("%v, window %+v: a fragment of %d bytes does not stay", r, window, size)
					}
					e.appendFragment(dst, nil, true)
				}
			}
		}
	}
}
