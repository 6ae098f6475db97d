package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"testing"
)

// BenchmarkDeflate compares with compress/flate's BestSpeed: reset for each message, or, with takeover, one stream that
// is flushed. sent/byte is how much is sent for each byte of the messages.
func BenchmarkDeflate(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		var messages [][]byte
		for i := range benchMessages {
			messages = append(messages, jsonMessage(size, uint64(i)))
		}
		for _, takeover := range []bool{false, true} {
			name := fmt.Sprintf("json-%d/takeover=%t", size, takeover)
			for i, level := range []string{"huffman", "fast", "balanced"} {
				e := NewEncoder(15, takeover, Level(i))
				out := make([]byte, 0, size+64)
				b.Run(name+"/hawser-"+level, func(b *testing.B) {
					benchSent(b, messages, func(m []byte) int { return len(e.Append(out, m)) })
				})
			}
			b.Run(name+"/flate", func(b *testing.B) {
				var out bytes.Buffer
				w, err := flate.NewWriter(&out, flate.BestSpeed)
				if err != nil {
					b.Fatal(err)
				}
				benchSent(b, messages, func(m []byte) int {
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
	}
}

func benchSent(b *testing.B, messages [][]byte, send func([]byte) int) {
	size := len(messages[0])
	b.SetBytes(int64(size))
	b.ReportAllocs()
	sent, n := 0, 0
	for b.Loop() {
		sent += send(messages[n%len(messages)])
		n++
	}
	b.ReportMetric(float64(sent)/float64(n)/float64(size), "sent/byte")
}
