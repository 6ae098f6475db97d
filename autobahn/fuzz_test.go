package autobahn

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
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

// FuzzInflateWalk compares with compress/flate what is valid and what is not, and with the bytes restored whether a
// distance can be right.
func FuzzInflateWalk(f *testing.F) {
	f.Add([]byte("\x4b\x4c\x04\x02\x00"))
	f.Add([]byte("\x00"))
	f.Add([]byte("\x00\x01\x00\xfe\xffa\x00"))
	for _, level := range []int{flate.HuffmanOnly, flate.BestSpeed, 6} {
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, level)
		w.Write(corpusData()["json"][:3000])
		w.Flush()
		f.Add(out.Bytes()[:out.Len()-len(tail)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		far, err := walkMessage(b)
		in := bytes.NewReader(append(bytes.Clone(b), closing...))
		// The window is full, so that every distance is right for compress/flate.
		r := flate.NewReaderDict(in, make([]byte, windowSize))
		_, ferr := io.Copy(io.Discard, io.LimitReader(r, 64<<20))
		if errors.Is(ferr, io.ErrUnexpectedEOF) {
			ferr = nil // it read into what follows; the walk ends before
			err = nil
		}
		if err == nil && far > windowSize {
			t.Fatalf("a distance of %d", far)
		}
		if final := in.Len() > 0; !final && (err == nil) != (ferr == nil) {
			t.Fatalf("walk: %v; compress/flate: %v", err, ferr)
		}
	})
}

// TestWalkFindsTheLongestDistance puts a match at each distance.
func TestWalkFindsTheLongestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, far := range []int{1, 2, 255, 256, 257, 511, 512, 513, 1024, 4096, 16384, 32000, 32768} {
		unit := make([]byte, far)
		for i := range unit {
			unit[i] = byte(r.Uint32())
		}
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, flate.BestCompression)
		w.Write(bytes.Repeat(unit, 2+8/far))
		w.Flush()
		got, err := walkMessage(out.Bytes()[:out.Len()-len(tail)])
		// The compressor of compress/flate does not use the very last distances.
		if want := far; err != nil || got != want && !(far > 32000 && got < far) {
			t.Errorf("distance %d: %d, %v", far, got, err)
		}
		if bits := windowOf(far); 1<<bits < far || bits > 8 && 1<<(bits-1) >= far {
			t.Errorf("distance %d: %d bits", far, bits)
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
