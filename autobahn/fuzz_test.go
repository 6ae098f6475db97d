package autobahn

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"unicode/utf8"
)

// FuzzHeader parses headers, writes them again, and wants the same bytes.
func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4})
	f.Add([]byte{0xF8, 0x7E, 0, 1})
	f.Add([]byte{0x02, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n := parseHeader(b)
		if n == 0 {
			if len(b) >= maxHeader {
				t.Fatal("14 bytes are always a header")
			}
			return
		}
		if got := h.append(nil); !bytes.Equal(got, b[:n]) {
			t.Fatalf("% x became %+v became % x", b[:n], h, got)
		}
		if _, m := parseHeader(b[:n-1]); m != 0 {
			t.Fatalf("a header of %d bytes was found in %d", n, n-1)
		}
	})
}

// FuzzUTF8Check compares with unicode/utf8, wherever the text is cut.
func FuzzUTF8Check(f *testing.F) {
	f.Add([]byte("κόσμε\xf4\x90"), uint16(3))
	f.Add([]byte("\xed\xa0\x80"), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		cut := min(int(at), len(b))
		var u utf8Check
		ok := u.feed(b[:cut])
		if !ok && validPrefix(b[:cut]) || ok && !validPrefix(b[:cut]) {
			t.Fatalf("%q: %t", b[:cut], ok)
		}
		if ok = ok && u.feed(b[cut:]) && u.whole(); ok != utf8.Valid(b) {
			t.Fatalf("%q cut at %d: %t", b, cut, ok)
		}
	})
}

// validPrefix tells whether text can begin with b.
func validPrefix(b []byte) bool { return utf8.Valid(b[:len(b)-incomplete(b)]) }

// deflated is one message as a peer sends it.
func deflated(level int, p []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, level)
	w.Write(p)
	w.Flush()
	return out.Bytes()[:out.Len()-len(tail)]
}

// before is what another message leaves in the window.
var before = sync.OnceValue(func() []byte { return corpusData()["prose"][:40000] })

// FuzzInflate compares with compress/flate, in an empty window and in a full one.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\x4b\x4c\x04\x02\x00"), true)
	f.Add([]byte("\x00"), true)
	f.Add([]byte("\x00\x01\x00\xfe\xffa\x00"), true)
	f.Add([]byte("\x4b\x04\x00\x4b\x04\x00"), false)
	for _, level := range []int{flate.HuffmanOnly, flate.BestSpeed, 6} {
		f.Add(deflated(level, corpusData()["json"][:3000]), true)
		d := &deflater{}
		d.w, _ = flate.NewWriter(&d.out, level)
		d.compress(before())
		f.Add(bytes.Clone(d.compress(before()[20000:])), false)
	}
	first := deflated(flate.BestSpeed, before())
	f.Fuzz(func(t *testing.T, b []byte, fresh bool) {
		i := newInflater(fresh)
		var window []byte
		if !fresh {
			window = before()
			if p, err := i.inflate(bytes.Clone(first)); err != nil || !bytes.Equal(p, window) {
				t.Fatal("the message before:", err)
			}
		}
		got, err := i.inflate(bytes.Clone(b))
		if err == errBomb {
			return
		}
		want, ok := flateInflate(b, window)
		if (err == nil) != ok || ok && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, error %v; compress/flate: %d bytes, %t", len(got), err, len(want), ok)
		}
		if far := i.longest; far > windowSize || fresh && far > len(got) {
			t.Fatalf("a distance of %d in %d bytes", far, len(got))
		}
	})
}

// flateInflate is inflate by compress/flate. That cannot tell the end of the data inside a block from the one behind
// it, so it gets a last block that is empty. Two different ones do not both make sense inside a block.
func flateInflate(b, window []byte) ([]byte, bool) {
	one, ok1 := flateStreams(b, window, "\x01\x00\x00\xff\xff")
	two, ok2 := flateStreams(b, window, "\x03\x00")
	return one, ok1 && ok2 && bytes.Equal(one, two)
}

func flateStreams(b, window []byte, last string) (out []byte, ok bool) {
	in := bytes.NewReader(slices.Concat(b, []byte(tail), []byte(last)))
	for in.Len() > 0 && in.Len() != len(tail)+len(last) || len(b) == 0 {
		r := flate.NewReaderDict(in, slices.Concat(window, out))
		p, err := io.ReadAll(r)
		if err != nil {
			return nil, false
		}
		if out = append(out, p...); len(b) == 0 {
			break
		}
	}
	return out, true
}

// TestInflateLikeFlate restores messages of every kind, one after another with and without takeover, and as
// compress/flate does; what is cut off anywhere is refused.
func TestInflateLikeFlate(t *testing.T) {
	for _, corpus := range corpora {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, flate.BestSpeed, flate.BestCompression} {
			for _, fresh := range []bool{false, true} {
				d := &deflater{fresh: fresh}
				d.w, _ = flate.NewWriter(&d.out, level)
				i := newInflater(fresh)
				at := 0
				for _, size := range []int{0, 1, 100, 3000, 70000, 5, 100000, 0, 40000, 40000, 40000} {
					var want []byte
					want, at = cut(nil, corpusData()[corpus.Name], at, size)
					got, err := i.inflate(bytes.Clone(d.compress(want)))
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s, level %d, fresh %t, %d bytes: %v", corpus.Name, level, fresh, size, err)
					}
				}
			}
		}
	}
	whole := deflated(6, before()[:2000])
	for n := 1; n < len(whole); n++ {
		if _, err := newInflater(true).inflate(bytes.Clone(whole[:n])); err == nil {
			t.Fatalf("%d of %d bytes are a message", n, len(whole))
		}
	}
}

// TestLongestDistance puts a match at each distance.
func TestLongestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, far := range []int{1, 2, 255, 256, 257, 511, 512, 513, 1024, 4096, 16384, 32000, 32768} {
		unit := make([]byte, far)
		for i := range unit {
			unit[i] = byte(r.Uint32())
		}
		i := newInflater(false)
		_, err := i.inflate(deflated(flate.BestCompression, bytes.Repeat(unit, 2+8/far)))
		// The compressor of compress/flate does not use the very last distances.
		if want := far; err != nil || i.longest != want && !(far > 32000 && i.longest < far) {
			t.Errorf("distance %d: %d, %v", far, i.longest, err)
		}
	}
}

// FuzzTable reads any text as a table; what it takes has to be a case.
func FuzzTable(f *testing.F) {
	f.Add(casesText)
	f.Add("group 1 A ; §1\n1.1 text- \"a\"*3 wait:A 1s shut 1000 kill 1s => text \"a\" | nonstrict nothing ; fails! 1002")
	f.Fuzz(func(t *testing.T, text string) {
		_, cases, err := readTable(text)
		if err != nil {
			return
		}
		for _, c := range cases {
			c.describe()
			if len(c.Expected[OK]) == 0 && len(c.Expected[NonStrict]) == 0 || c.Group.ID == "" && c.Group.Title == "" {
				t.Fatalf("%+v", c)
			}
		}
	})
}
