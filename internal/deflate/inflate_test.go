package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"
)

// rfcExamples are those of RFC 7692, section 7.2.3, each the messages that follow one another on a connection.
var rfcExamples = []struct {
	name, sent, want string
}{
	{"7.2.3.1 one compressed block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
	{"7.2.3.2 the next message, with takeover", "\xf2\x00\x11\x00\x00", "Hello"},
	{"7.2.3.3 a block without compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
	{"7.2.3.4 a block with BFINAL", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
	{"7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
	{"7.2.3.6 no bytes", "\x00", ""},
	{"7.2.3.6 no bytes, in a fixed block", "\x02\x00", ""},
}

func TestRFC7692Examples(t *testing.T) {
	for _, cut := range []cutter{whole, bytewise} {
		d := NewDecoder(15, true)
		for _, e := range rfcExamples {
			if got, err := decodeMessage(d, nil, []byte(e.sent), cut); err != nil || string(got) != e.want {
				t.Errorf("%s: %q, %v", e.name, got, err)
			}
		}
	}
	// The second one needs the first.
	second := []byte(rfcExamples[1].sent)
	if _, err := decodeMessage(NewDecoder(15, true), nil, second, whole); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a match without a history: %v", err)
	}
}

// Whatever compress/flate writes is read, however it is cut, with and without takeover.
func TestReadsWhatFlateWrites(t *testing.T) {
	for name, p := range corpus(t) {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 2, 6, 9} {
			for _, takeover := range []bool{false, true} {
				long := p[:len(p)/5]
				if level == 6 {
					long = p
				}
				messages := [][]byte{p[:1], p[:100], long, p[100:1100], nil, p[len(p)-1000:]}
				sent := deflated(t, level, takeover, messages...)
				for i, cut := range []cutter{whole, bytewise, randomly(1)} {
					d := NewDecoder(15, takeover)
					stream := NewDecoder(15, takeover)
					for j, m := range messages {
						got, err := decodeMessage(d, nil, sent[j], cut)
						if err != nil || !bytes.Equal(got, m) {
							t.Errorf("%s, level %d, takeover %t, cut %d, message %d: %v", name, level, takeover, i, j, err)
						}
						got, err = decodeStream(stream, sent[j], cut, 1+977*i)
						if err != nil || !bytes.Equal(got, m) {
							t.Errorf("%s, level %d, takeover %t, cut %d, message %d in parts: %v",
								name, level, takeover, i, j, err)
						}
					}
				}
			}
		}
	}
}

// Every cut in two of a message with every kind of block gives the same.
func TestEveryCut(t *testing.T) {
	w := new(bitWriter).fixed()
	for _, c := range []byte("stored, ") {
		w.fixedSymbol(uint(c))
	}
	w.fixedMatch(5, 3).fixedMatch(258, 1).fixedMatch(77, 250).end().stored([]byte("as it is"))
	dynamic := deflated(t, 9, false, corpus(t)["page.html"][:3000])[0]
	sent := slices.Concat(w.message(), []byte(flushTail), dynamic)
	want, err := decodeMessage(NewDecoder(15, false), nil, sent, whole)
	if err != nil || len(want) < 3000 {
		t.Fatal(len(want), err)
	}
	if ref, err := reference(sent); err != nil || !bytes.Equal(want, ref) {
		t.Fatalf("not what compress/flate reads: %v", err)
	}
	for i := range sent {
		first := true
		got, err := decodeMessage(NewDecoder(15, i%2 == 0), nil, sent, func(n int) int {
			if first && i > 0 {
				first = false
				return i
			}
			return n
		})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

// The output may be cut anywhere, too, and the caller need not keep it.
func TestEveryLimit(t *testing.T) {
	p := corpus(t)["records.json"][:4000]
	sent := deflated(t, 6, true, p, p, p)
	for limit := 1; limit < 400; limit++ {
		d := NewDecoder(15, true)
		for i, s := range sent {
			got, err := decodeStream(d, s, whole, limit)
			if err != nil || !bytes.Equal(got, p) {
				t.Fatalf("limit %d, message %d: %v", limit, i, err)
			}
		}
	}
}

// The limit is exact: as many bytes as it are fine, one more is not, and no more than it are ever returned.
func TestLimitIsExact(t *testing.T) {
	for name, p := range corpus(t) {
		p = p[:1000]
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 9} {
			sent := deflated(t, level, false, p)[0]
			for _, spare := range []int{0, 10, 5000} {
				dst := make([]byte, 3, 3+spare)
				if got, used, err := NewDecoder(15, false).Decode(dst, sent, len(p)); err != nil || used != len(sent) ||
					!bytes.Equal(got[3:], p) {
					t.Errorf("%s, level %d: %d bytes, %d used, %v", name, level, len(got), used, err)
				}
				for _, limit := range []int{len(p) - 1, 1, 0, -1} {
					got, _, err := NewDecoder(15, false).Decode(dst, sent, limit)
					if err != ErrLimit || !bytes.Equal(got[3:], p[:max(limit, 0)]) {
						t.Errorf("%s, level %d, limit %d: %d bytes, %v", name, level, limit, len(got), err)
					}
				}
			}
		}
	}
	if got, used, err := NewDecoder(15, false).Decode(nil, []byte{0}, 0); len(got) != 0 || used != 1 || err != nil {
		t.Errorf("nothing within a limit of nothing: %v", err)
	}
}

// A bomb costs no more memory than its limit, which also decides when there is less capacity.
func TestBombIsBounded(t *testing.T) {
	sent := deflated(t, 9, false, make([]byte, 8<<20))[0]
	const limit = 100_000
	var before, after runtime.MemStats
	NewDecoder(15, false).Decode(nil, sent, 1) // fills the pool
	runtime.ReadMemStats(&before)
	got, used, err := NewDecoder(15, false).Decode(nil, sent, limit)
	runtime.ReadMemStats(&after)
	if err != ErrLimit || len(got) != limit || cap(got) > limit {
		t.Errorf("%d bytes in %d of memory: %v", len(got), cap(got), err)
	}
	if used > limit/1000+3*fastInput {
		t.Errorf("%d bytes of input were used for that", used)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4*limit {
		t.Errorf("it took %d bytes of memory in all", n)
	}
}

// A match reaches back to the beginning of the agreed window and no further. With 8 bits that is 512: zlib has no
// smaller window.
func TestDistancesEndWithTheWindow(t *testing.T) {
	p := corpus(t)["random.bin"]
	p = slices.Concat(p, p[1:], p[2:], p[3:], p[4:])
	tail := p[300:700]
	for windowBits := 8; windowBits <= 15; windowBits++ {
		size := 1 << max(windowBits, 9)
		for dist, reason := range map[int]string{size - 1: "", size: "", size + 1: reasonWindow} {
			if dist > 1<<15 {
				continue // there is no code for it
			}
			history := p[:size+100]
			want := slices.Concat(p[len(history)-dist:][:20], tail)
			match := func(w *bitWriter) []byte { return w.fixed().fixedMatch(20, dist).end().stored(tail).message() }
			for i, cut := range []cutter{whole, bytewise} {
				name := fmt.Sprintf("%d bits, distance %d, cut %d", windowBits, dist, i)
				got, err := decodeMessage(NewDecoder(windowBits, false), nil, match(new(bitWriter).stored(history)), cut)
				checkMatch(t, name, got, slices.Concat(history, want), err, reason)

				d := NewDecoder(windowBits, true)
				if _, err := decodeMessage(d, nil, new(bitWriter).stored(history).message(), cut); err != nil {
					t.Fatal(err)
				}
				got, err = decodeMessage(d, nil, match(new(bitWriter)), cut)
				checkMatch(t, name+", in the next message", got, want, err, reason)
			}
		}
	}
}

func checkMatch(t *testing.T, name string, got, want []byte, err error, reason string) {
	t.Helper()
	var c *CorruptError
	switch {
	case reason == "" && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("%s: %d bytes, want %d; %v", name, len(got), len(want), err)
	case reason != "" && (!errors.As(err, &c) || c.Reason != reason):
		t.Errorf("%s: %v, want %q", name, err, reason)
	}
}

// A match does not reach back beyond the first byte: of the connection with takeover, and else of the message.
func TestDistancesEndWithTheHistory(t *testing.T) {
	p := corpus(t)["random.bin"]
	for _, takeover := range []bool{false, true} {
		for _, had := range []int{0, 1, 7, 100, 1000} {
			history := 10 // of this message
			if takeover {
				history += had
			}
			for dist, reason := range map[int]string{history: "", history + 1: reasonHistory} {
				for i, cut := range []cutter{whole, bytewise} {
					d := NewDecoder(15, takeover)
					if _, err := decodeMessage(d, nil, new(bitWriter).stored(p[:had]).message(), whole); err != nil {
						t.Fatal(err)
					}
					message := new(bitWriter).stored(p[:10]).fixed().fixedMatch(5, dist).end().stored(p[:500]).message()
					got, err := decodeMessage(d, []byte("not history, though it is there"), message, cut)
					want := append(slices.Clone(p[:had]), p[:10]...)
					for range 5 {
						want = append(want, want[max(0, len(want)-dist)])
					}
					want = slices.Concat([]byte("not history, though it is there"), want[had:], p[:500])
					checkMatch(t, fmt.Sprintf("takeover %t after %d bytes, distance %d, cut %d", takeover, had, dist, i),
						got, want, err, reason)
				}
			}
		}
	}
}

// Matches of every length at every short distance, which overlap with what they write, and across two messages.
func TestMatchesOverlap(t *testing.T) {
	p := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for dist := 1; dist <= len(p); dist++ {
		for length := minMatch; length <= maxMatch; length++ {
			want := slices.Clone(p)
			for range length {
				want = append(want, want[len(want)-dist])
			}
			want = append(want, p...)
			tail := make([]byte, 300)
			want = append(want, tail...)
			w := new(bitWriter).stored(p[:len(p)-1]).fixed().fixedSymbol('z').fixedMatch(length, dist).end()
			got, err := decodeMessage(NewDecoder(9, false), nil, w.stored(p).stored(tail).message(), whole)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("length %d, distance %d: %v\n%q", length, dist, err, got)
			}
			d := NewDecoder(9, true)
			decodeMessage(d, nil, new(bitWriter).stored(p).message(), whole)
			w = new(bitWriter).fixed().fixedMatch(length, dist).end()
			got, err = decodeMessage(d, nil, w.stored(p).stored(tail).message(), whole)
			if err != nil || !bytes.Equal(got, want[len(p):]) {
				t.Fatalf("length %d, distance %d, from the message before: %v", length, dist, err)
			}
		}
	}
}

// RFC 7692, section 7.2.1: blocks with BFINAL may be anywhere in a message. The next block begins at a byte boundary,
// and may go on with the history. The last one needs no empty block behind it.
func TestFinalBlocks(t *testing.T) {
	final := func(w *bitWriter, p string) *bitWriter {
		w.put(1|blockFixed<<1, 3)
		for _, c := range []byte(p) {
			w.fixedSymbol(uint(c))
		}
		return w.end().align()
	}
	finalStored := func(w *bitWriter, p string) *bitWriter {
		w.stored([]byte(p))
		w.out[len(w.out)-len(p)-5] |= 1
		return w
	}
	var finalDynamic bytes.Buffer
	fw, _ := flate.NewWriter(&finalDynamic, 9)
	page := corpus(t)["page.html"]
	fw.Write(page)
	fw.Close()

	for _, c := range []struct {
		name, want string
		sent       []byte
	}{
		{"alone", "ab", final(new(bitWriter), "ab").out},
		{"alone, and the empty block", "ab", final(new(bitWriter), "ab").message()},
		{"of no bytes", "", final(new(bitWriter), "").message()},
		{"two of them", "ab!", final(final(new(bitWriter), "ab"), "!").message()},
		{"stored", "abc", final(finalStored(new(bitWriter), "a"), "bc").message()},
		{"stored at the end", "abc", finalStored(final(new(bitWriter), "ab"), "c").out},
		{"before others", "abcde", final(new(bitWriter), "ab").stored([]byte("cd")).fixed().fixedSymbol('e').end().message()},
		{"a match across one", "abcbcb", final(new(bitWriter), "abc").fixed().fixedMatch(3, 2).end().message()},
		{"dynamic", string(page), finalDynamic.Bytes()},
		{"dynamic and others", string(page) + "x", final(&bitWriter{out: bytes.Clone(finalDynamic.Bytes())}, "x").message()},
	} {
		for _, takeover := range []bool{false, true} {
			for i, cut := range []cutter{whole, bytewise} {
				d := NewDecoder(15, takeover)
				for range 2 {
					if got, err := decodeMessage(d, nil, c.sent, cut); err != nil || string(got) != c.want {
						t.Errorf("%s, takeover %t, cut %d: %.20q, %v", c.name, takeover, i, got, err)
					}
				}
			}
		}
	}
}

// A message cut off is truncated, unless what is left ends with the header of an empty stored block, as messages do.
// That is final.
func TestTruncatedMessages(t *testing.T) {
	page := corpus(t)["page.html"]
	fixed := rfcExamples[0].sent
	for name, c := range map[string]struct {
		sent     string
		complete []int // how long beginnings are that are messages, too
	}{
		"no bytes":    {"\x00", nil},
		"fixed":       {fixed, nil},
		"stored":      {rfcExamples[2].sent, []int{1}},
		"two blocks":  {rfcExamples[4].sent, []int{4}},
		"fixed empty": {rfcExamples[6].sent, nil},
		"dynamic":     {string(deflated(t, 9, false, page[:3000])[0]), nil},
		"as it is":    {string(deflated(t, 0, false, page[:3000])[0]), []int{1}},
		"flushed":     {fixed + flushTail + "!", []int{len(fixed)}}, // the four bytes were not taken off
	} {
		for n := range c.sent {
			d := NewDecoder(15, n%2 == 0)
			got, err := decodeMessage(d, nil, []byte(c.sent[:n]), whole)
			if slices.Contains(c.complete, n) {
				if err != nil {
					t.Errorf("%s, %d of %d bytes: %v", name, n, len(c.sent), err)
				}
				continue
			}
			if err != ErrTruncated {
				t.Errorf("%s, %d of %d bytes: %q, %v", name, n, len(c.sent), got, err)
			}
			if _, err := decodeMessage(d, nil, []byte{0}, whole); err != ErrTruncated || d.End() != ErrTruncated {
				t.Errorf("%s, %d of %d bytes, another message: %v", name, n, len(c.sent), err)
			}
		}
	}
}

// A message whose output was not all fetched is not complete.
func TestEndBeforeTheOutputIsFetched(t *testing.T) {
	sent := []byte(rfcExamples[0].sent)
	d := NewDecoder(15, false)
	if _, _, err := d.Decode(nil, sent, 4); err != ErrLimit {
		t.Fatal(err)
	}
	if err := d.End(); err != ErrTruncated {
		t.Error(err)
	}
}

type corruptCase struct {
	name   string
	sent   []byte
	offset int64
	reason string
}

// dynamic begins a dynamic block whose code length code gives every length from 0 to 15 a code of 4 bits.
func (w *bitWriter) dynamic(numLit, numDist int, lens ...uint) *bitWriter {
	w.put(blockDynamic<<1, 3).put(uint(numLit-257), 5).put(uint(numDist-1), 5).put(numCodeLen-4, 4)
	for _, s := range codeLenOrder {
		w.put(map[bool]uint{true: 4, false: 0}[s < 16], 3)
	}
	for _, n := range lens {
		w.code(n, 4)
	}
	return w
}

// litLens returns numLit lengths which give the end of the block, and the symbols from 'a', codes of these lengths.
func litLens(lens ...uint) []uint {
	all := make([]uint, 257)
	copy(all['a':], lens[1:])
	all[endOfBlock] = lens[0]
	return all
}

func corruptCases() []corruptCase {
	block := func() *bitWriter { return new(bitWriter) }
	lens := func(lit []uint, dist ...uint) []byte {
		return block().dynamic(257, len(dist), append(lit, dist...)...).put(0, 64-7).out
	}
	end := func(dists int) int64 { return int64(3+14+19*3+257*4+4*dists) / 8 } // of the header
	codeLens := func(lens ...uint) *bitWriter {
		w := block().put(blockDynamic<<1, 3).put(0, 10).put(uint(len(lens))-4, 4)
		for _, n := range lens {
			w.put(n, 3)
		}
		return w
	}
	return []corruptCase{
		{"block type 3", []byte{0b110}, 0, "block type 3 is reserved"},
		{"block type 3 later", block().stored([]byte("abc")).put(0b111, 3).align().out, 8, "block type 3 is reserved"},
		{"stored length", []byte{0, 1, 0, 0xfe, 0xfe}, 1, "the length of a stored block does not agree with its complement"},
		{"stored length 0", []byte{0, 0, 0, 0, 0}, 1, "the length of a stored block does not agree with its complement"},
		{"287 literals", block().put(blockDynamic<<1, 3).put(30, 5).put(0, 20).out, 0,
			"a dynamic block has codes for more literals and lengths than there are"},
		{"31 distances", block().put(blockDynamic<<1, 3).put(0, 5).put(30, 5).put(0, 20).out, 0,
			"a dynamic block has codes for more distances than there are"},
		{"no code lengths", codeLens(0, 0, 0, 0).align().out, 3, "no code length has this code"},
		{"a single code length", codeLens(0, 0, 0, 1).put(1, 8).out, 3, "no code length has this code"},
		{"too few code lengths", codeLens(0, 0, 1, 2).put(0, 8).out, 3, "the lengths of the code length code are no code"},
		{"too many code lengths", codeLens(1, 1, 1, 0).put(0, 8).out, 3, "the lengths of the code length code are no code"},
		{"nothing to repeat", codeLens(1, 0, 0, 1).code(1, 1).align().out, 3,
			"the first code length repeats the one before"},
		{"repeated too often", codeLens(0, 0, 1, 1).code(1, 1).put(127, 7).code(1, 1).put(127, 7).align().out, 4,
			"there are more code lengths than announced"},
		{"repeated once too often", codeLens(0, 0, 1, 1).code(1, 1).put(138-11, 7).code(1, 1).put(121-11, 7).align().out, 4,
			"there are more code lengths than announced"},

		{"end of block 1", lens(litLens(2, 1), 0), end(1), "the lengths of the literal and length code are no code"},
		{"three of one bit", lens(litLens(1, 1, 1), 0), end(1), "the lengths of the literal and length code are no code"},
		{"a single one of two bits", lens(litLens(2), 0), end(1), "the lengths of the literal and length code are no code"},
		{"too many of 15 bits", lens(litLens(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15), 0), end(1),
			"the lengths of the literal and length code are no code"},
		{"too few of 15 bits", lens(litLens(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 0), end(1),
			"the lengths of the literal and length code are no code"},
		{"distances with room left", lens(litLens(1, 1), 1, 2), end(2), "the lengths of the distance code are no code"},
		{"a single distance of two bits", lens(litLens(1, 1), 2), end(1), "the lengths of the distance code are no code"},
		{"too many distances", lens(litLens(1, 1), 1, 1, 1), end(3), "the lengths of the distance code are no code"},
		{"no literals", block().dynamic(257, 1, make([]uint, 258)...).put(0, 64).out, end(1), reasonSymbol},

		{"symbol 286", block().fixed().fixedSymbol(286).put(0, 64).out, 0, reasonSymbol},
		{"symbol 287", block().fixed().fixedSymbol('a').fixedSymbol('a').fixedSymbol(287).put(0, 64).out, 2, reasonSymbol},
		{"distance 30", block().fixed().fixedSymbol('a').fixedSymbol(257).code(30, 5).put(0, 64).out, 1, reasonDistance},
		{"distance 31", block().fixed().fixedSymbol('a').fixedSymbol(257).code(31, 5).put(0, 64).out, 1, reasonDistance},
		{"before the beginning", block().fixed().fixedSymbol('a').fixedMatch(3, 2).put(0, 64).out, 1, reasonHistory},
	}
}

// What breaks a rule of RFC 1951 is refused with the rule and the place, the same however it is cut, and compress/flate
// refuses it, too. The error is final.
func TestCorruptMessages(t *testing.T) {
	for _, c := range corruptCases() {
		if _, err := reference(c.sent); err == nil {
			t.Errorf("%s: compress/flate finds nothing wrong", c.name)
		}
		want := CorruptError{Offset: c.offset, Reason: c.reason}
		for i, cut := range []cutter{whole, bytewise} {
			for _, more := range []int{0, 100} {
				d := NewDecoder(15, true)
				sent := append(slices.Clone(c.sent), make([]byte, more)...)
				_, err := decodePieces(d, make([]byte, 0, 1000), sent, cut, noLimit)
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || *corrupt != want || !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s, cut %d, %d more: %v, want %v", c.name, i, more, err, &want)
					continue
				}
				if _, _, again := d.Decode(nil, []byte{0}, noLimit); again != err || d.End() != err {
					t.Errorf("%s: then %v", c.name, again)
				}
			}
		}
	}
}

// One distance code may stand alone, and there may be none if none is used: RFC 1951, section 3.2.7. As compress/flate
// we grant the same to the literal/length code.
func TestIncompleteCodesThatAreAllowed(t *testing.T) {
	// Literals: the end has 10, a has 0, length 3 has 11.
	lit := append(litLens(2, 1), 2)
	message := func(w *bitWriter) []byte { return w.message() }
	for _, c := range []struct {
		name string
		sent []byte
		want string
	}{
		{"a single distance", message(new(bitWriter).dynamic(258, 1, append(lit, 1)...).
			code(0, 1).code(3, 2).code(0, 1).code(2, 2)), "aaaa"},
		{"the single distance is the second", message(new(bitWriter).dynamic(258, 2, append(lit, 0, 1)...).
			code(0, 1).code(0, 1).code(3, 2).code(0, 1).code(2, 2)), "aaaaa"},
		{"no distance", message(new(bitWriter).dynamic(258, 1, append(lit, 0)...).code(0, 1).code(2, 2)), "a"},
		{"a single literal/length code", message(new(bitWriter).dynamic(257, 1, append(litLens(1), 0)...).code(0, 1)), ""},
	} {
		got, err := decodeMessage(NewDecoder(15, false), nil, c.sent, whole)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if ref, err := reference(c.sent); err != nil || string(ref) != c.want {
			t.Errorf("%s: compress/flate: %q, %v", c.name, ref, err)
		}
	}
	for name, sent := range map[string][]byte{
		"the other bit of a single distance": new(bitWriter).dynamic(258, 1, append(lit, 1)...).
			code(0, 1).code(3, 2).code(1, 1).put(0, 60).put(0, 60).out,
		"a distance where there is none": new(bitWriter).dynamic(258, 1, append(lit, 0)...).
			code(0, 1).code(3, 2).put(0, 60).put(0, 60).out,
	} {
		for _, cut := range []cutter{whole, bytewise} {
			_, err := decodePieces(NewDecoder(15, false), nil, sent, cut, noLimit)
			checkMatch(t, name, nil, nil, err, reasonDistance)
		}
	}
}

// randomLens returns lengths of a complete code for n symbols of at most longest bits.
func randomLens(rng *rand.Rand, n, longest int) []uint8 {
	lens := []uint8{0}
	for len(lens) < n {
		i := rng.IntN(len(lens))
		if rng.IntN(2) == 0 {
			i = len(lens) - 1 // makes long codes
		}
		if int(lens[i]) == longest {
			i = slices.Index(lens, slices.Min(lens))
		}
		lens[i]++
		lens = append(lens, lens[i])
	}
	rng.Shuffle(n, func(i, j int) { lens[i], lens[j] = lens[j], lens[i] })
	return lens
}

// Every code of random complete codes leads to its symbol, with whatever bits behind it, in a table of the least size.
func TestTablesDecodeEveryCode(t *testing.T) {
	rng := rand.New(rand.NewPCG(1951, 3))
	var f inflater
	for round := range 300 {
		n, longest := 2+rng.IntN(285), 9+rng.IntN(7)
		lens := randomLens(rng, n, longest)
		f.dynLit = litTable{}
		if !f.builder.build(f.dynLit[:], litBits, lens, litSymbols[:]) {
			t.Fatalf("refused: %v", lens)
		}
		subtables := make(map[uint64]int) // by prefix: how many entries they need
		code := uint(0)                   // RFC 1951, section 3.2.2
		for bits := uint8(1); bits <= maxCodeBits; bits++ {
			for s, l := range lens {
				if l != bits {
					continue
				}
				w := new(bitWriter).code(code, uint(l)).put(uint(rng.Uint32N(1<<17)), 17).align()
				in := binary.LittleEndian.Uint64(append(w.out, make([]byte, 8)...))
				code++
				if l > litBits {
					subtables[in&litMask] = 1 << (l - litBits)
				}
				e, took := lookUp(f.dynLit[in&litMask], in, litBits, f.dynLit[:])
				extra := litSymbols[s].bits()
				if took != uint(l)+extra || e&^0xfff != litSymbols[s]&^0xfff {
					t.Fatalf("round %d, symbol %d of %d bits: entry %#x, %d bits", round, s, l, e, took)
				}
			}
			code <<= 1
		}
		want, got := 1<<litBits, len(f.dynLit)
		for _, size := range subtables {
			want += size
		}
		for got > 0 && f.dynLit[got-1] == 0 {
			got--
		}
		if got != want {
			t.Fatalf("round %d: %d entries, want %d", round, got, want)
		}
	}
}

// The arrays of the tables hold the largest that there are: every way to spend the codes of each length.
func TestLargestTables(t *testing.T) {
	for _, c := range []struct{ symbols, mainBits, want, array int }{
		{288, litBits, 854, litSize},
		{32, distBits, 402, distSize},
	} {
		got := largestTable(c.symbols, c.mainBits)
		if got != c.want || got > c.array {
			t.Errorf("%d symbols, %d bits: %d entries, want %d, in an array of %d", c.symbols, c.mainBits, got, c.want, c.array)
		}
	}
}

// largestTable returns how many entries a table can need: the largest for any complete code.
func largestTable(symbols, mainBits int) int {
	// How many symbols can be left for subtables, for so many open prefixes of mainBits bits. More are never worse.
	left := map[int]int{1: symbols} // at first the one of no bits
	for range mainBits {
		longer := make(map[int]int)
		for open, n := range left {
			for leaves := 0; leaves <= 2*open && leaves <= n; leaves++ {
				if rest := 2*open - leaves; n-leaves >= 2*rest {
					longer[rest] = max(longer[rest], n-leaves)
				}
			}
		}
		left = longer
	}
	type state struct{ bits, open, mine, symbols int }
	memo := make(map[state]int)
	// more returns how many entries are added if there are open nodes at depth bits behind the main table, of which the
	// first mine are in a subtable begun already, and so many symbols.
	var more func(s state) int
	more = func(s state) int {
		if s.open == 0 {
			return 0
		}
		if v, ok := memo[s]; ok {
			return v
		}
		most := -1 << 30
		for leaves := 0; leaves <= s.open && leaves <= s.symbols; leaves++ {
			rest, n := s.open-leaves, s.symbols-leaves
			if rest > 0 && (n < 2*rest || mainBits+s.bits == maxCodeBits) {
				continue
			}
			size, added, mine := 1<<s.bits, 0, s.mine-leaves
			for mine < 0 { // the leaves reach into new subtables
				added += size
				mine += size
			}
			if mine > 0 { // one is left open: it will be twice as large
				added += size
			}
			most = max(most, added+more(state{s.bits + 1, 2 * rest, 2 * mine, n}))
		}
		memo[s] = most
		return most
	}
	most := 0
	for open, n := range left {
		most = max(most, more(state{1, 2 * open, 0, n}))
	}
	return 1<<mainBits + most
}

// A decoder keeps its window and less than 1 KiB; the window takes memory when there is something to keep, and is no
// larger than agreed. Without takeover a decoder keeps nothing, and after an error neither.
func TestMemoryKept(t *testing.T) {
	if n := unsafe.Sizeof(Decoder{}); n > 128 {
		t.Errorf("a Decoder has %d bytes", n)
	}
	p := corpus(t)["prose.txt"]
	for windowBits := 8; windowBits <= 15; windowBits++ {
		size := 1 << max(windowBits, 9)
		for _, takeover := range []bool{false, true} {
			d := NewDecoder(windowBits, takeover)
			if d.run != nil || d.window.buf != nil {
				t.Errorf("%d bits: memory before the first message", windowBits)
			}
			for total := 0; total < 3*size; {
				n := min(size/8+total/3, len(p))
				if _, err := decodeMessage(d, nil, new(bitWriter).stored(p[:n]).message(), randomly(1)); err != nil {
					t.Fatal(err)
				}
				total += n
				most := 0
				if takeover {
					most = min(size, 2*max(total, minWindow))
				}
				if c := cap(d.window.buf); c > most || d.run != nil {
					t.Errorf("%d bits, takeover %t, after %d bytes: %d kept, scratch %t", windowBits, takeover, total, c, d.run != nil)
				}
			}
			if takeover && len(d.window.buf) != size {
				t.Errorf("%d bits: the history is %d bytes", windowBits, len(d.window.buf))
			}
			d.Decode(make([]byte, 10), []byte{0, 1}, noLimit)
			if d.run.src != nil || d.run.out != nil {
				t.Errorf("%d bits, takeover %t: memory of the caller's is kept", windowBits, takeover)
			}
			if d.End(); d.run != nil || d.window.buf != nil {
				t.Errorf("%d bits, takeover %t: memory after an error", windowBits, takeover)
			}
		}
	}
}

// The window is what the last bytes are, however they come.
func TestWindowKeepsTheLatest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1951, 7692))
	for range 200 {
		w := window{size: 512 << rng.IntN(3)}
		var all []byte
		for range 30 {
			p := make([]byte, rng.IntN(w.size)>>rng.IntN(8))
			if rng.IntN(10) == 0 {
				p = make([]byte, w.size+rng.IntN(w.size))
			}
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			w.add(p)
			all = append(all, p...)
			have := min(len(all), w.size)
			if len(w.buf) != have || cap(w.buf) > w.size {
				t.Fatalf("%d bytes in %d, want %d", len(w.buf), cap(w.buf), have)
			}
			for range 10 {
				back := rng.IntN(have + 1)
				got := make([]byte, rng.IntN(back+1))
				w.copyTo(got, back)
				if want := all[len(all)-back:][:len(got)]; !bytes.Equal(got, want) {
					t.Fatalf("%d bytes from %d before the end are wrong", len(got), back)
				}
			}
		}
	}
}

func TestOtherWindowsAndLevelsAreRefused(t *testing.T) {
	wantPanic := func(what string, make func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s was taken", what)
			}
		}()
		make()
	}
	for _, bits := range []int{-1, 0, 7, 16} {
		wantPanic(fmt.Sprintf("a Decoder of %d bits", bits), func() { NewDecoder(bits, true) })
		wantPanic(fmt.Sprintf("an Encoder of %d bits", bits), func() { NewEncoder(bits, true, Fast) })
	}
	wantPanic("another level", func() { NewEncoder(15, true, Balanced+1) })
}
