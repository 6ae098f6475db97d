package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"testing"
)

// FuzzInflate takes the input for plain data, which compress/flate writes and we must read, and for compressed data,
// about which we must agree with compress/flate; cut anywhere, into memory of any size.
func FuzzInflate(f *testing.F) {
	for _, p := range corpus(f) {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			f.Add(p[:2000], level, uint64(level+2), uint8(level+2))
			f.Add(deflated(f, level, false, p[:2000])[0], level, uint64(level+2), uint8(level+2))
		}
	}
	for _, e := range rfcExamples {
		f.Add([]byte(e.sent), 1, uint64(1), uint8(8))
	}
	for _, c := range corruptCases() {
		f.Add(c.sent, 9, uint64(1), uint8(8))
	}
	f.Fuzz(func(t *testing.T, p []byte, level int, seed uint64, windowBits uint8) {
		fuzzPlain(t, p, flate.HuffmanOnly+int(uint(level)%12), seed)
		fuzzSent(t, p, seed, 8+int(windowBits%8))
	})
}

func fuzzPlain(t *testing.T, p []byte, level int, seed uint64) {
	half := p[:len(p)/2]
	for _, takeover := range []bool{false, true} {
		d := NewDecoder(15, takeover)
		messages := [][]byte{p, half, p}
		for i, sent := range deflated(t, level, takeover, messages...) {
			got, err := decodeMessage(d, nil, sent, randomly(seed))
			if err != nil || !bytes.Equal(got, messages[i]) {
				t.Fatalf("message %d, level %d, takeover %t: %v", i, level, takeover, err)
			}
		}
	}
}

// fuzzLimit bounds the output, and so the time, of one input.
const fuzzLimit = 1 << 20

func fuzzSent(t *testing.T, p []byte, seed uint64, windowBits int) {
	got, err := decodePieces(NewDecoder(15, false), nil, p, whole, fuzzLimit)
	if len(got) > fuzzLimit || cap(got) > fuzzLimit {
		t.Fatalf("%d bytes of output in %d bytes of memory", len(got), cap(got))
	}
	if err != ErrLimit {
		agree(t, p, got, err)
	}

	same := func(what string, d *Decoder, again []byte, err2 error) {
		t.Helper()
		if !bytes.Equal(got, again) || !sameError(err, err2) {
			t.Fatalf("%s: %d bytes and %v, want %d and %v", what, len(again), err2, len(got), err)
		}
	}
	d := NewDecoder(15, true)
	again, err2 := decodePieces(d, nil, p, randomly(seed), fuzzLimit)
	same("in pieces", d, again, err2)
	d = NewDecoder(15, true)
	again, err2 = decodePieces(d, make([]byte, 0, seed%1000), p, bytewise, fuzzLimit)
	same("bytewise", d, again, err2)

	if err == nil {
		d := NewDecoder(15, false)
		if got, err = decodeMessage(d, nil, p, whole); err != nil && err != ErrTruncated {
			t.Fatal(err)
		}
		want, refErr := reference(append(bytes.Clone(p), flushTail...))
		if err == nil && (refErr != nil || !bytes.Equal(got, want)) {
			t.Fatalf("a message of %d bytes, compress/flate has %d and %v", len(got), len(want), refErr)
		}
		d = NewDecoder(15, seed%2 == 0)
		again, err2 = decodeStream(d, p, randomly(seed), 1+int(seed%300))
		same("in parts", d, again, err2)
	}

	// A smaller window can only refuse more.
	small, err2 := decodePieces(NewDecoder(windowBits, false), nil, p, whole, fuzzLimit)
	if !bytes.HasPrefix(got, small) || err2 == nil && !bytes.Equal(got, small) {
		t.Fatalf("window of %d bits: %d bytes and %v, with 15 bits %d and %v", windowBits, len(small), err2, len(got), err)
	}
}

// agree compares what became of a message without its End with what compress/flate says. That sees a symbol only when
// there are as many bits as the end of a block takes, so it gets some more, or may be behind. It may also be ahead: it
// refuses a code length that repeats none before it reads how often. We must when we have that.
func agree(t *testing.T, sent, got []byte, err error) {
	t.Helper()
	more := append(bytes.Clone(sent), make([]byte, 8)...)
	if err == nil {
		want, refErr := reference(sent)
		if refErr == nil && bytes.HasPrefix(got, want) {
			return
		}
		later, err := decodePieces(NewDecoder(15, false), nil, more, whole, noLimit)
		if refErr == nil || !errors.Is(err, ErrCorrupt) || !bytes.Equal(later, want) {
			t.Fatalf("%d bytes without an error, later %d and %v, compress/flate has %d and %v",
				len(got), len(later), err, len(want), refErr)
		}
		return
	}
	want, refErr := reference(more)
	if !errors.Is(err, ErrCorrupt) || refErr == nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes and %v, compress/flate has %d and %v", len(got), err, len(want), refErr)
	}
}

// sameError reports whether errors say the same, also about where.
func sameError(a, b error) bool {
	return a == b || a != nil && b != nil && a.Error() == b.Error()
}
