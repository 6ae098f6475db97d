package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"
	"unsafe"
)

var levels = []Level{HuffmanOnly, Fast, Balanced}

// checkRoundTrip sends messages through an Encoder and reads them with compress/flate, with our Decoder and, for the
// window, with a Decoder whose window is just as large.
func checkRoundTrip(t testing.TB, windowBits int, takeover bool, level Level, messages ...[]byte) {
	t.Helper()
	e := NewEncoder(windowBits, takeover, level)
	d := NewDecoder(windowBits, takeover)
	d.window.size = 1 << windowBits // a Decoder would be patient with distances up to 512
	var history, sent []byte
	for i, m := range messages {
		sent = e.Append(append(sent[:0], "before"...), m)[len("before"):]
		name := fmt.Sprintf("%d bits, takeover %t, level %d, message %d of %d bytes", windowBits, takeover, level, i, len(m))
		if most := len(m) + 5*((len(m)+1<<16-1)>>16) + 6; len(sent) > most {
			t.Fatalf("%s: %d bytes sent, more than %d", name, len(sent), most)
		}
		got, err := decodeMessage(d, nil, sent, whole)
		if err != nil || !bytes.Equal(got, m) {
			t.Fatalf("%s: our Decoder has %d bytes and %v", name, len(got), err)
		}
		ended := append(bytes.Clone(sent), flushTail+"\x01\x00\x00\xff\xff"...)
		r := flate.NewReaderDict(bytes.NewReader(ended), history)
		if got, err = io.ReadAll(r); err != nil || !bytes.Equal(got, m) {
			t.Fatalf("%s: compress/flate has %d bytes and %v", name, len(got), err)
		}
		if takeover {
			history = append(history, m...)
			history = history[max(0, len(history)-1<<windowBits):]
		}
	}
}

func kinds(t testing.TB) map[string][]byte {
	all := corpus(t)
	for name, p := range all {
		for len(p) < 210<<10 {
			p = append(p, p...)
		}
		all[name] = p
	}
	all["messages"] = jsonMessage(210<<10, 7)
	return all
}

// Whatever is sent is read, by compress/flate and by us with a window as large.
func TestReadsWhatIsWritten(t *testing.T) {
	var sizes []int
	for n := 0; n <= 300; n += sizeStep {
		sizes = append(sizes, n)
	}
	for n := 512; n <= largestSize; n *= 2 {
		sizes = append(sizes, n-1, n, n+1)
	}
	sizes = append(sizes, largestSize*3/2, 10, 0, 1)
	for name, p := range kinds(t) {
		var messages [][]byte
		for _, n := range sizes {
			from := n * 7 % (len(p) - n)
			messages = append(messages, p[from:from+n])
		}
		t.Run(name, func(t *testing.T) {
			for windowBits := 8; windowBits <= 15; windowBits++ {
				for _, takeover := range []bool{false, true} {
					for _, level := range levels {
						checkRoundTrip(t, windowBits, takeover, level, messages...)
					}
				}
			}
		})
	}
}

// An Encoder keeps at most one and a half windows and 1 KiB, nothing without takeover; scratch memory has its bounds.
func TestEncoderMemory(t *testing.T) {
	p := kinds(t)["records.json"]
	for windowBits := 8; windowBits <= 15; windowBits++ {
		for _, level := range levels {
			for _, takeover := range []bool{false, true} {
				e := NewEncoder(windowBits, takeover, level)
				e.Append(nil, p)
				kept := int(unsafe.Sizeof(*e)) + cap(e.history.ring) + 2*cap(e.history.table)
				most := 3<<windowBits/2 + 1<<10
				if !takeover {
					most = int(unsafe.Sizeof(*e))
				}
				if kept > most {
					t.Errorf("%d bits, takeover %t, level %d: %d bytes kept, more than %d", windowBits, takeover, level, kept, most)
				}
			}
		}
	}
	for _, c := range []struct {
		s    *scratch
		most int
	}{
		{smallScratches.New().(*scratch), 8 << 10}, {scratches.New().(*scratch), 64 << 10},
	} {
		n := int(unsafe.Sizeof(*c.s)) + 4*cap(c.s.tokens) + 2*cap(c.s.ownTable)
		if n > c.most {
			t.Errorf("%d bytes of scratch memory, more than %d", n, c.most)
		}
	}
}

// FuzzDeflate sends pieces of the input as messages.
func FuzzDeflate(f *testing.F) {
	for _, p := range corpus(f) {
		for windowBits := range uint8(8) {
			f.Add(p[:3000], windowBits, windowBits%3 > 0, 1+windowBits%2, uint16(700))
		}
	}
	f.Add(bytes.Repeat([]byte("\x00\x01\x00\x00\x01\x00"), 300), uint8(0), true, uint8(1), uint16(9))
	f.Fuzz(func(t *testing.T, p []byte, windowBits uint8, takeover bool, level uint8, cut uint16) {
		n := min(len(p), int(cut))
		checkRoundTrip(t, 8+int(windowBits%8), takeover, levels[level%3], p[:n], p[n:], p, p[:n])
	})
}
