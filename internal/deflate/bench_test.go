package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// jsonMessage returns a message of n bytes as services send them: an array of records, cut off.
func jsonMessage(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1951))
	names := strings.Fields("alba bruno chiara dario elena fabio gaia hugo irene jonas karin luca marta nils olga pietro")
	topics := strings.Fields("orders billing shipping returns support alerts metrics search")
	var b bytes.Buffer
	b.WriteString(`{"type":"update","items":[`)
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"user":"%s.%s","topic":"%s","amount":%d.%02d,"ok":%t,"tags":["%s","%s"],`+
			`"at":"2025-%02d-%02dT%02d:%02d:%02dZ"},`,
			rng.IntN(1e9), names[rng.IntN(len(names))], names[rng.IntN(len(names))], topics[rng.IntN(len(topics))],
			rng.IntN(1e4), rng.IntN(100), rng.IntN(3) > 0, topics[rng.IntN(len(topics))], names[rng.IntN(len(names))],
			1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60))
	}
	return b.Bytes()[:n]
}

const benchMessages = 64

var benchSizes = []struct {
	name string
	n    int
}{
	{"128B", 128}, {"1KiB", 1 << 10}, {"16KiB", 16 << 10}, {"64KiB", 64 << 10},
}

var benchModes = []struct {
	name     string
	takeover bool
}{
	{"fresh", false}, {"takeover", true},
}

// BenchmarkDeflate compares with compress/flate's BestSpeed: reset for each message, or, with takeover, one stream that
// is flushed. hawser is Fast. out/in is how much is sent for each byte of the messages.
func BenchmarkDeflate(b *testing.B) {
	for _, size := range benchSizes {
		var json, random [][]byte
		for i := range benchMessages {
			json = append(json, jsonMessage(size.n, uint64(i)))
			random = append(random, randomBytes(size.n, uint64(i)))
		}
		for _, mode := range benchModes {
			name := size.name + "/" + mode.name
			b.Run("json/"+name, func(b *testing.B) { benchEncoders(b, json, mode.takeover) })
			b.Run("random/"+name, func(b *testing.B) {
				benchEncoders(b, random, mode.takeover)
				out := make([]byte, size.n)
				b.Run("copy", func(b *testing.B) {
					benchSend(b, random, func(m []byte) int { return copy(out, m) })
				})
			})
		}
	}
}

func benchEncoders(b *testing.B, messages [][]byte, takeover bool) {
	for i, level := range []string{"huffman", "hawser", "balanced"} {
		e := NewEncoder(15, takeover, Level(i))
		out := make([]byte, 0, len(messages[0])+64)
		b.Run(level, func(b *testing.B) {
			benchSend(b, messages, func(m []byte) int { return len(e.Append(out, m)) })
		})
	}
	b.Run("flate", func(b *testing.B) {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, flate.BestSpeed)
		if err != nil {
			b.Fatal(err)
		}
		benchSend(b, messages, func(m []byte) int {
			out.Reset()
			if !takeover {
				w.Reset(&out)
			}
			w.Write(m)
			w.Flush()
			return out.Len() - len(flushTail)
		})
	})
}

// benchSend sends the messages in turn. send returns how many bytes that took.
func benchSend(b *testing.B, messages [][]byte, send func([]byte) int) {
	size := len(messages[0])
	b.SetBytes(int64(size))
	b.ReportAllocs()
	sent, n := 0, 0
	for b.Loop() {
		sent += send(messages[n%len(messages)])
		n++
	}
	b.ReportMetric(float64(sent)/float64(n)/float64(size), "out/in")
}

// BenchmarkInflate compares with compress/flate: one reader that is reset for each message or, with takeover, none. The
// first message of a stream reaches back to nothing, so the stream may begin again at any time.
func BenchmarkInflate(b *testing.B) {
	for _, size := range benchSizes {
		var messages [][]byte
		for i := range benchMessages {
			messages = append(messages, jsonMessage(size.n, uint64(i)))
		}
		for _, mode := range benchModes {
			for _, level := range []int{flate.BestSpeed, 6} {
				sent := deflated(b, level, mode.takeover, messages...)
				name := fmt.Sprintf("json/%s/%s/level%d/", size.name, mode.name, level)
				b.Run(name+"hawser", func(b *testing.B) { benchDecoder(b, mode.takeover, size.n, sent) })
				b.Run(name+"flate", func(b *testing.B) { benchFlate(b, mode.takeover, size.n, sent) })
			}
		}
	}
}

func benchDecoder(b *testing.B, takeover bool, size int, sent [][]byte) {
	d := NewDecoder(15, takeover)
	out := make([]byte, 0, size+512)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		got, _, err := d.Decode(out[:0], sent[i%benchMessages], size)
		if err == nil {
			err = d.End()
		}
		if err != nil || len(got) != size {
			b.Fatal(err, len(got))
		}
	}
}

func benchFlate(b *testing.B, takeover bool, size int, sent [][]byte) {
	var src bytes.Buffer // what is left of one message when all output is there is still owed to the reader
	r := flate.NewReader(&src)
	out := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if !takeover {
			src.Reset()
			r.(flate.Resetter).Reset(&src, nil)
		}
		src.Write(sent[i%benchMessages])
		src.WriteString(flushTail)
		if _, err := io.ReadFull(r, out); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what a connection keeps on the heap between messages, with takeover, after 64 KiB of them.
func BenchmarkMemory(b *testing.B) {
	p := jsonMessage(64<<10, 1)
	run := func(name string, make func() any) {
		b.Run(name, func(b *testing.B) {
			kept := 0
			for b.Loop() {
				kept = heapFor(20, make)
			}
			b.ReportMetric(float64(kept), "B/conn")
		})
	}
	for _, windowBits := range []int{15, 12, 10, 8} {
		run(fmt.Sprintf("deflate/window%d/hawser", windowBits), func() any {
			e := NewEncoder(windowBits, true, Fast)
			e.Append(nil, p)
			return e
		})
	}
	run("deflate/window15/flate", func() any {
		w, _ := flate.NewWriter(io.Discard, flate.BestSpeed)
		w.Write(p)
		w.Flush()
		return w
	})
	sent := deflated(b, 0, true, p)[0] // without a distance that is too long for a small window
	for _, windowBits := range []int{15, 12, 10, 8} {
		run(fmt.Sprintf("inflate/window%d/hawser", windowBits), func() any {
			d := NewDecoder(windowBits, true)
			d.Decode(nil, sent, len(p))
			d.End()
			return d
		})
	}
	compressed := append(deflated(b, 1, true, p)[0], flushTail...)
	run("inflate/window15/flate", func() any {
		r := flate.NewReader(bytes.NewReader(compressed))
		io.ReadFull(r, make([]byte, len(p)))
		return r
	})
}
