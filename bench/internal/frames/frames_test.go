package frames

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// The examples of RFC 6455, section 5.7.
func TestExamples(t *testing.T) {
	hello := []byte("Hello")
	text := Kind{Opcode: Text}
	if got := AppendServer(nil, text, hello); string(got) != "\x81\x05Hello" {
		t.Errorf("unmasked: %x", got)
	}
	want := "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	if got := AppendClient(nil, text, hello, [4]byte{0x37, 0xfa, 0x21, 0x3d}); string(got) != want {
		t.Errorf("masked: %x", got)
	}
	if got := AppendServer(nil, Kind{Opcode: Binary}, make([]byte, 256)); string(got[:4]) != "\x82\x7e\x01\x00" {
		t.Errorf("256 bytes: %x", got[:4])
	}
	got := AppendServer(nil, Kind{Opcode: Binary}, make([]byte, 65536))
	if string(got[:10]) != "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" {
		t.Errorf("64 KiB: %x", got[:10])
	}
}

func TestHeader(t *testing.T) {
	for _, length := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		for _, k := range []Kind{{Text, false}, {Binary, true}} {
			frame := AppendServer(nil, k, make([]byte, length))
			size := len(frame) - length
			want := Header{Fin: true, RSV1: k.Compressed, Opcode: k.Opcode, Length: length}
			if h, n := ParseHeader(frame); h != want || n != size {
				t.Errorf("%d bytes: %+v of %d bytes, want %+v of %d", length, h, n, want, size)
			}
			for short := range size {
				if _, n := ParseHeader(frame[:short]); n != 0 {
					t.Errorf("%d bytes: %d of %d bytes of a header are taken for a whole one", length, short, size)
				}
			}
		}
	}
	if h, _ := ParseHeader(CloseFrame); h != (Header{Fin: true, Masked: true, Opcode: Close, Length: 2}) {
		t.Errorf("the Close is %+v", h)
	}
}

// feed gives p to c in pieces of n bytes, and returns whether c was done at the end and not before.
func feed(c Checker, p []byte, n int) (done bool, err error) {
	for len(p) > 0 && err == nil {
		piece := p[:min(n, len(p))]
		p = p[len(piece):]
		done, err = c.Feed(piece)
		if done && len(p) > 0 {
			return false, io.ErrNoProgress
		}
	}
	return done, err
}

func TestExact(t *testing.T) {
	want := []byte("two frames, or one")
	for n := 1; n <= len(want); n++ {
		c := &Exact{Want: want}
		for turn := range 3 {
			c.Expect(turn)
			if done, err := feed(c, want, n); !done || err != nil {
				t.Fatalf("pieces of %d: done %v, %v", n, done, err)
			}
		}
		for i := range want {
			bad := bytes.Clone(want)
			bad[i] ^= 1
			c.Expect(0)
			if _, err := feed(c, bad, n); err == nil {
				t.Errorf("pieces of %d: a wrong byte %d went unnoticed", n, i)
			}
		}
	}
	c := &Exact{Want: want}
	c.Expect(0)
	if _, err := c.Feed(append(bytes.Clone(want), 'x')); err == nil {
		t.Error("a byte too much went unnoticed")
	}
	c.Expect(0)
	if done, err := c.Feed(want[:5]); done || err != nil {
		t.Errorf("a part is done: %v, %v", done, err)
	}
}

// A deflater compresses as a server does.
type deflater struct {
	b bytes.Buffer
	w *flate.Writer
}

func (d *deflater) message(p []byte, takeover bool) []byte {
	d.b.Reset()
	if d.w == nil || !takeover {
		d.w, _ = flate.NewWriter(&d.b, flate.BestSpeed)
	}
	d.w.Write(p)
	d.w.Flush()
	return bytes.TrimSuffix(d.b.Bytes(), tail)
}

func TestCompressed(t *testing.T) {
	payloads := [][]byte{JSON(3000, 0), JSON(3000, 1), JSON(3000, 2)}
	for _, takeover := range []bool{false, true} {
		for _, n := range []int{1, 2, 7, 1000, 1 << 20} {
			c := &Compressed{Payloads: payloads, Opcode: Text, Takeover: takeover, Verify: true}
			d := &deflater{}
			for turn := range 50 {
				c.Expect(turn)
				p := d.message(payloads[turn%3], takeover)
				frame := AppendServer(nil, Kind{Text, true}, p)
				if done, err := feed(c, frame, n); !done || err != nil {
					t.Fatalf("takeover %v, pieces of %d, turn %d: done %v, %v", takeover, n, turn, done, err)
				}
			}
		}
	}
}

func TestCompressedFragments(t *testing.T) {
	payload := JSON(3000, 0)
	p := Deflate(payload)
	first := AppendServer(nil, Kind{Text, true}, p[:100])
	first[0] &^= fin
	frames := AppendServer(first, Kind{Opcode: 0}, p[100:])
	c := &Compressed{Payloads: [][]byte{payload}, Opcode: Text, Verify: true}
	c.Expect(0)
	if done, err := feed(c, frames, 33); !done || err != nil {
		t.Errorf("done %v, %v", done, err)
	}
}

func TestCompressedRefusals(t *testing.T) {
	payloads := [][]byte{JSON(500, 0), JSON(500, 1)}
	good := Deflate(payloads[0])
	plain := Kind{Opcode: Text}
	compressed := Kind{Text, true}
	bad := map[string][]byte{
		"not compressed":     AppendServer(nil, plain, payloads[0]),
		"another opcode":     AppendServer(nil, Kind{Binary, true}, good),
		"masked":             AppendClient(nil, compressed, good, Key),
		"another message":    AppendServer(nil, compressed, Deflate(payloads[1])),
		"cut":                AppendServer(nil, compressed, good[:len(good)/2]),
		"a byte too much":    AppendServer(nil, compressed, Deflate(append(bytes.Clone(payloads[0]), 'x'))),
		"a frame too much":   AppendServer(AppendServer(nil, compressed, good), compressed, good),
		"a Close in between": AppendServer(nil, Kind{Opcode: Close}, nil),
	}
	for name, frames := range bad {
		c := &Compressed{Payloads: payloads, Opcode: Text, Verify: true}
		c.Expect(0)
		if _, err := c.Feed(frames); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPayloads(t *testing.T) {
	for _, n := range []int{1, 16, 100, 1024, 16384} {
		if p := UTF8(n); len(p) != n || !utf8.Valid(p) {
			t.Errorf("UTF8(%d) is %d bytes, valid %v", n, len(p), utf8.Valid(p))
		}
		if len(Bytes(n)) != n || len(JSON(n, 3)) != n {
			t.Errorf("%d bytes of random or JSON are not so many", n)
		}
		if !bytes.Equal(Bytes(n), Bytes(n)) || !bytes.Equal(JSON(n, 3), JSON(n, 3)) {
			t.Errorf("%d bytes are not the same every time", n)
		}
	}
	if bytes.Equal(JSON(1024, 0), JSON(1024, 1)) {
		t.Error("two seeds give the same JSON")
	}
	if ascii := strings.Map(func(r rune) rune { return min(r, 0x7f) }, string(UTF8(1024))); ascii == string(UTF8(1024)) {
		t.Error("the text has no character outside ASCII")
	}
}

// FuzzCompressed: whatever a server sends, in whatever pieces, is an error or not, and never a panic.
func FuzzCompressed(f *testing.F) {
	payloads := [][]byte{JSON(500, 0)}
	f.Add(AppendServer(nil, Kind{Text, true}, Deflate(payloads[0])), uint8(9))
	f.Add([]byte{0xc1, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint8(3))
	f.Fuzz(func(t *testing.T, p []byte, n uint8) {
		c := &Compressed{Payloads: payloads, Opcode: Text, Verify: true}
		c.Expect(0)
		feed(c, p, int(n)+1)
	})
}

// TestRandomPieces splits a good reply at random.
func TestRandomPieces(t *testing.T) {
	payload := JSON(2000, 0)
	frame := AppendServer(nil, Kind{Text, true}, Deflate(payload))
	for range 200 {
		c := &Compressed{Payloads: [][]byte{payload}, Opcode: Text, Verify: true}
		c.Expect(0)
		done := false
		for rest := frame; len(rest) > 0; {
			n := 1 + rand.IntN(len(rest))
			var err error
			if done, err = c.Feed(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if !done {
			t.Fatal("not done")
		}
	}
}
