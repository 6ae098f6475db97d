package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// flushTail is what a sender takes off the end of a message: RFC 7692, section 7.2.1.
const flushTail = "\x00\x00\xff\xff"

// corpus returns the files of testdata/corpus.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus", err)
	}
	files := make(map[string][]byte)
	for _, name := range names {
		p, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = p
	}
	return files
}

// writers are those of compress/flate for each level; they are large.
var writers [flate.BestCompression - flate.HuffmanOnly + 1]*flate.Writer

// deflated returns messages as compress/flate sends them.
func deflated(t testing.TB, level int, takeover bool, messages ...[]byte) [][]byte {
	t.Helper()
	var b bytes.Buffer
	w := writers[level-flate.HuffmanOnly]
	if w == nil {
		var err error
		if w, err = flate.NewWriter(&b, level); err != nil {
			t.Fatal(err)
		}
		writers[level-flate.HuffmanOnly] = w
	}
	w.Reset(&b)
	var all [][]byte
	for _, m := range messages {
		b.Reset()
		if !takeover {
			w.Reset(&b)
		}
		w.Write(m)
		w.Flush()
		if !bytes.HasSuffix(b.Bytes(), []byte(flushTail)) {
			t.Fatalf("flushed: % x", b.Bytes())
		}
		all = append(all, bytes.Clone(b.Bytes()[:b.Len()-len(flushTail)]))
	}
	return all
}

// A cutter says how long the next piece of n bytes is.
type cutter func(n int) int

func whole(n int) int  { return n }
func bytewise(int) int { return 1 }

func randomly(seed uint64) cutter {
	rng := rand.New(rand.NewPCG(seed, 7692))
	return func(n int) int { return 1 + rng.IntN(n) }
}

const noLimit = 1 << 30

// decodeMessage decodes one message that arrives in pieces.
func decodeMessage(d *Decoder, dst, src []byte, cut cutter) ([]byte, error) {
	dst, err := decodePieces(d, dst, src, cut, noLimit)
	if err != nil {
		return dst, err
	}
	return dst, d.End()
}

func decodePieces(d *Decoder, dst, src []byte, cut cutter, limit int) ([]byte, error) {
	limit += len(dst)
	for len(src) > 0 {
		piece := src[:cut(len(src))]
		out, used, err := d.Decode(dst, piece, limit-len(dst))
		dst = out
		if err != nil {
			return dst, err
		}
		if used != len(piece) {
			return dst, errors.New("input was left over without an error")
		}
		src = src[used:]
	}
	return dst, nil
}

// decodeStream decodes one message by calls that return no more than limit bytes each. The memory of each is spoilt
// behind it.
func decodeStream(d *Decoder, src []byte, cut cutter, limit int) (all []byte, err error) {
	room := make([]byte, limit)
	for len(src) > 0 {
		piece := src[:cut(len(src))]
		src = src[len(piece):]
		for err = ErrLimit; err == ErrLimit; {
			var out []byte
			var used int
			out, used, err = d.Decode(room[:0], piece, limit)
			all = append(all, out...)
			if err == ErrLimit && len(out) != limit {
				return all, errors.New("ErrLimit before the limit")
			}
			piece = piece[used:]
			for i := range room {
				room[i] = 0xa5
			}
		}
		if err != nil {
			return all, err
		}
		if len(piece) > 0 {
			return all, errors.New("input was left over without an error")
		}
	}
	return all, d.End()
}

// reference decodes a message, or the beginning of one, by compress/flate, which stops behind each last block. The
// error is nil if all there is was good.
func reference(src []byte) ([]byte, error) {
	var all []byte
	r := bytes.NewReader(src)
	for {
		part, err := io.ReadAll(flate.NewReaderDict(r, all))
		all = append(all, part...)
		switch {
		case err == io.ErrUnexpectedEOF:
			return all, nil
		case err != nil:
			return all, err
		}
	}
}

// bitWriter writes DEFLATE by hand.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

// put writes the low n bits of v, lowest first.
func (w *bitWriter) put(v, n uint) *bitWriter {
	w.bits |= uint64(v) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
	return w
}

// code writes a Huffman code of n bits, highest first.
func (w *bitWriter) code(v, n uint) *bitWriter {
	for i := n; i > 0; i-- {
		w.put(v>>(i-1)&1, 1)
	}
	return w
}

// align writes zeros up to the next byte.
func (w *bitWriter) align() *bitWriter {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
	return w
}

// fixedSymbol writes a literal or length symbol in the fixed code: the table of RFC 1951, section 3.2.6.
func (w *bitWriter) fixedSymbol(s uint) *bitWriter {
	switch {
	case s < 144:
		return w.code(0b00110000+s, 8)
	case s < 256:
		return w.code(0b110010000+s-144, 9)
	case s < 280:
		return w.code(s-256, 7)
	default:
		return w.code(0b11000000+s-280, 8)
	}
}

// fixedMatch writes a match in the fixed codes.
func (w *bitWriter) fixedMatch(length, dist int) *bitWriter {
	s := len(lengthBase) - 1
	for int(lengthBase[s]) > length {
		s--
	}
	w.fixedSymbol(uint(257+s)).put(uint(length-int(lengthBase[s])), uint(lengthExtra[s]))
	s = len(distBase) - 1
	for int(distBase[s]) > dist {
		s--
	}
	return w.code(uint(s), 5).put(uint(dist-int(distBase[s])), uint(distExtra[s]))
}

// fixed begins a block with the fixed codes.
func (w *bitWriter) fixed() *bitWriter { return w.put(0|blockFixed<<1, 3) }

// end ends a block with the fixed codes.
func (w *bitWriter) end() *bitWriter { return w.fixedSymbol(endOfBlock) }

// stored writes a stored block.
func (w *bitWriter) stored(p []byte) *bitWriter {
	w.put(0|blockStored<<1, 3).align().put(uint(len(p)), 16).put(uint(^uint16(len(p))), 16)
	w.out = append(w.out, p...)
	return w
}

// message ends the message and returns it.
func (w *bitWriter) message() []byte {
	return w.put(0|blockStored<<1, 3).align().out
}
