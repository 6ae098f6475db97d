package simd

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// The product of the three nibbles must be what the rules say, no more and no less.
func TestTablesAreTheRules(t *testing.T) {
	for first := range 256 {
		for second := range 256 {
			var want byte
			for _, r := range pairRules {
				if int(r.first) <= first && first <= int(r.firstTo) &&
					int(r.second) <= second && second <= int(r.secondTo) {
					want |= r.mistake
				}
			}
			if got := mistakes(byte(first), byte(second)); got != want {
				t.Errorf("%02X %02X: mistakes %08b, want %08b", first, second, got, want)
			}
		}
	}
}

// edges are the first and last bytes of every range that RFC 3629 and the tables tell apart.
var edges = []byte("\x00\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF\xF0\xF1\xF3\xF4\xF5\xFF")

// What is wrong with a text shows in four bytes. So all there is to know about the method is whether it is right about
// four bytes, here among ASCII, in every place that they can have in a vector, and over the seams between vectors.
func TestFourBytesOfEdges(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		p := []byte(strings.Repeat("-", 128))
		unit := utf8Unit(len(p))
		if unit == 0 {
			return
		}
		place := 0
		for _, a := range edges {
			for _, b := range edges {
				for _, c := range edges {
					for _, d := range edges {
						place = (place + 1) % 120
						four := p[place : place+4]
						four[0], four[1], four[2], four[3] = a, b, c, d
						valid := utf8.Valid(p[place : place+5])
						if good := utf8Kernel(p, unit); (good == len(p)) != valid || good != model(p, unit) {
							t.Fatalf("% X at %d: %d bytes are good; valid %t, model %d", four, place, good, valid, model(p, unit))
						}
						copy(four, "----")
					}
				}
			}
		}
	})
}

// mistakes are the three look-ups.
func mistakes(first, second byte) byte {
	return tables.firstHigh[first>>4] & tables.firstLow[first&0xF] & tables.secondHigh[second>>4]
}

// model is a kernel written byte by byte.
func model(p []byte, unit int) int {
	at := func(i int) byte {
		if i < 0 {
			return 0
		}
		return p[i]
	}
	for i := range p {
		wrong := mistakes(at(i-1), p[i])
		if at(i-2) >= 0xE0 || at(i-3) >= 0xF0 {
			wrong ^= secondOrThird
		}
		if wrong != 0 {
			return i / unit * unit
		}
	}
	return len(p)
}

// texts are whole characters, of each length and mixed.
var texts = []struct{ name, unit string }{
	{"ascii", "The quick brown fox jumps over the lazy dog. "},
	{"european", "Zwölf Boxkämpfer jagen Viktor über den Deich. Příliš žluťoučký kůň. Ψυχοφθόρα. Съешь ещё булок. "},
	{"chinese", "天地玄黃宇宙洪荒日月盈昃辰宿列張"},
	{"emoji", "🌍🌎🌏😀😃😄"},
	{"mixed", "a\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff0123456789abcdef0123456789abcdef"},
}

// broken are pieces that no continuation makes valid, or that need one.
var broken = []string{
	"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2a", "\xC2\xC2\x80", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xE0\xA0",
	"\xE1\x80", "\xE1\x80a", "\xE1\x80\xC2", "\xE1\x80\x80\x80", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80",
	"\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF1\x80a\x80", "\xF1\x80\x80a", "\xF1\x80\x80\x80\x80", "\xF4\x90\x80\x80",
	"\xF4\xBF\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE", "\xFF", "\xFF\x80\x80\x80",
}

// repeated returns about n bytes of whole characters.
func repeated(unit string, n int) []byte {
	p := []byte(strings.Repeat(unit, n/len(unit)+1))[:n]
	for len(p) > 0 && !utf8.Valid(p) {
		p = p[:len(p)-1]
	}
	return p
}

// soundTo returns how many bytes of p are valid and end between characters.
func soundTo(p []byte) int {
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(p)
}

// checkPrefix wants of ValidPrefix that it is right and, as its callers count on it for their speed, that it gets far.
func checkPrefix(t *testing.T, p []byte) {
	t.Helper()
	n, sound := ValidPrefix(p), soundTo(p)
	if n > sound || !utf8.Valid(p[:n]) {
		t.Fatalf("% X: %d bytes, but only %d are valid", p, n, sound)
	}
	unit := utf8Unit(len(p))
	if unit == 0 {
		if n != 0 {
			t.Fatalf("% X: %d bytes without a kernel", p, n)
		}
		return
	}
	// To where a whole block is sound, less a character that was cut there. To the end, if there is no mistake.
	least := sound - unit - 2
	if !utf8.FullRune(p[sound:]) {
		least = len(p) - 7
	}
	if n < least {
		t.Fatalf("% X: only %d bytes of %d", p, n, sound)
	}
}

// checkKernels compares the kernels with the model on the whole blocks of p.
func checkKernels(t *testing.T, p []byte) {
	t.Helper()
	unit := utf8Unit(len(p))
	if unit == 0 {
		return
	}
	p = p[:len(p)&^(unit-1)]
	if got, want := utf8Kernel(p, unit), model(p, unit); got != want {
		t.Fatalf("% X: kernel says %d, model %d", p, got, want)
	}
}

func TestValidPrefixEveryLengthAndAlignment(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		for _, text := range texts {
			p := repeated(text.unit, 400)
			for n := range 257 {
				for offset := range 64 {
					// Cut anywhere, the first and last characters may be broken.
					checkPrefix(t, p[offset:offset+n])
					checkKernels(t, p[offset:offset+n])
				}
			}
		}
	})
}

func TestValidPrefixMistakeAnywhere(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		for _, text := range texts {
			for _, wrong := range broken {
				for at := range 200 {
					before := repeated(text.unit, at)
					p := append(append(before[:len(before):len(before)], wrong...), repeated(text.unit, 200-at)...)
					checkPrefix(t, p)
					checkPrefix(t, p[:len(before)+len(wrong)])
					checkKernels(t, p)
				}
			}
		}
	})
}

func TestValidPrefixRandom(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3629, 6455))
		for i := range 30_000 {
			var p []byte
			for n := rng.IntN(1000); len(p) < n; {
				if rng.IntN(200) == 0 {
					p = append(p, broken[rng.IntN(len(broken))]...)
					continue
				}
				text := texts[rng.IntN(len(texts))].unit
				p = append(p, repeated(text, rng.IntN(len(text)))...)
			}
			if i%8 == 0 && len(p) > 0 {
				p[rng.IntN(len(p))] = byte(rng.Uint32())
			}
			checkPrefix(t, p)
			checkKernels(t, p)
		}
	})
}

func TestValidPrefixLong(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3629, 6455))
		for _, text := range texts {
			p := repeated(text.unit, 3*maxRun+rng.IntN(1000))
			if utf8Unit(len(p)) > 0 && len(p)-ValidPrefix(p) >= 8 {
				t.Errorf("%s: only %d of %d bytes", text.name, ValidPrefix(p), len(p))
			}
			for range 20 {
				at := rng.IntN(len(p))
				was := p[at]
				p[at] = 0xFF
				n, sound := ValidPrefix(p), soundTo(p[:at+1])
				if n > sound || utf8Unit(len(p)) > 0 && n < sound-64-2 {
					t.Errorf("%s with FF at %d: %d bytes", text.name, at, n)
				}
				p[at] = was
			}
		}
	})
}

func FuzzValid(f *testing.F) {
	for _, text := range texts {
		f.Add(repeated(text.unit, 150), 70)
		for _, wrong := range broken {
			f.Add(append(repeated(text.unit, 70), wrong...), 60)
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		cut = int(uint(cut) % uint(len(p)+1))
		atEveryLevel(t, func(t *testing.T) {
			for _, piece := range [][]byte{p, p[:cut], p[cut:]} {
				checkPrefix(t, piece)
				checkKernels(t, piece)
			}
		})
	})
}

func BenchmarkValidPrefix(b *testing.B) {
	for _, text := range texts {
		b.Run(text.name, func(b *testing.B) {
			for _, size := range sizes {
				p := repeated(text.unit, size)
				benchmark(b, "std", size, func() { utf8.Valid(p) })
				benchmarkAtEveryLevel(b, size, func() { ValidPrefix(p) })
			}
		})
	}
}

func ExampleValidPrefix() {
	text := []byte(strings.Repeat("wide and narrow, schön und größer ", 10) + "cut \xE2\x82")
	n := ValidPrefix(text)
	fmt.Println(utf8.Valid(text[:n]), utf8.Valid(text))
	// Output: true false
}
