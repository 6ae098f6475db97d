package frames

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bytes returns n bytes that look random.
func Bytes(n int) []byte {
	p := make([]byte, n)
	r := random()
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

const sample = "Der Bär möchte Äpfel; l'été où naît le cèdre; ¿qué pasó mañana?; plain words in between; 世界和平與春天的風。"

// UTF8 returns n bytes of text in several languages.
func UTF8(n int) []byte {
	p := []byte(strings.Repeat(sample, n/len(sample)+1)[:n])
	for i := n - 1; i >= 0 && !utf8.Valid(p); i-- {
		p[i] = ' ' // in place of a character that was cut
	}
	return p
}

// JSON returns n bytes of a JSON array as a service might send it. Different seeds give different values under the same
// names.
func JSON(n int, seed int) []byte {
	var b bytes.Buffer
	r := random()
	for range seed {
		r.Uint64()
	}
	states := []string{"open", "filled", "cancelled", "expired"}
	b.WriteString("[")
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"symbol":"%c%c%c","price":%d.%02d,"size":%d,"state":%q,"user":"u%06x","at":%d},`,
			r.Uint32(), 'A'+r.IntN(26), 'A'+r.IntN(26), 'A'+r.IntN(26), r.IntN(1000), r.IntN(100), r.IntN(5000),
			states[r.IntN(len(states))], r.IntN(1<<24), 1_700_000_000_000+r.Int64N(1e10))
	}
	return append(b.Bytes()[:n-1], ']')
}

// tail ends a deflate block flushed to a byte boundary; it is left out on the wire. RFC 7692, section 7.2.1.
var tail = []byte{0, 0, 0xff, 0xff}

// Deflate compresses p as a message that uses none before it, which fits every agreement.
func Deflate(p []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(p)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), tail)
}
