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

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 16 << 10} {
		var messages [][]byte
		for i := range benchMessages {
			messages = append(messages, jsonMessage(size, uint64(i)))
		}
		for _, takeover := range []bool{false, true} {
			for _, level := range []int{1, 6} {
				name := fmt.Sprintf("json-%d/takeover=%t/level=%d", size, takeover, level)
				sent := deflated(b, level, takeover, messages...)
				b.Run(name+"/hawser", func(b *testing.B) { benchDecoder(b, takeover, size, sent) })
				b.Run(name+"/flate", func(b *testing.B) { benchFlate(b, takeover, size, sent) })
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
		if i%benchMessages == 0 {
			d = NewDecoder(15, takeover)
		}
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
		if !takeover || i%benchMessages == 0 {
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
