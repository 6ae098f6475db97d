package simd

import (
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
		p := []byte(strings.Repeat("-", 130))
		if utf8Unit(len(p)-Behind) == 0 {
			return
		}
		place := Behind
		for i := range len(edges) * len(edges) * len(edges) * len(edges) {
			if place++; place == 120 {
				place = Behind
			}
			four := p[place : place+4]
			for j := range four {
				four[j], i = edges[i%len(edges)], i/len(edges)
			}
			if got, want := SoundTo(p) == len(p), utf8.Valid(p[place:place+5]); got != want {
				t.Fatalf("% X at %d: sound %t, want %t", four, place, got, want)
			}
			copy(four, "----")
		}
	})
}

// mistakes are the three look-ups.
func mistakes(first, second byte) byte {
	return tables.firstHigh[first>>4] & tables.firstLow[first&0xF] & tables.secondHigh[second>>4]
}

// model is a kernel written byte by byte.
func model(p []byte, unit int) int {
	for i := Behind; i < len(p); i++ {
		wrong := mistakes(p[i-1], p[i])
		if p[i-2] >= 0xE0 || p[i-3] >= 0xF0 {
			wrong ^= secondOrThird
		}
		if wrong != 0 {
			// The beginning of its block; the last one ends with p.
			return min((i-Behind)/unit*unit, len(p)-unit-Behind)
		}
	}
	return len(p) - Behind
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

// mistakeIn returns the place of the byte at which p stops being the beginning of a valid text, len(p) without one.
func mistakeIn(p []byte) int {
	if utf8.Valid(p) {
		return len(p)
	}
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r != utf8.RuneError || size != 1 {
			i += size
			continue
		}
		// FullRune is false for the beginning of a character.
		for n := 1; n <= len(p)-i; n++ {
			if utf8.FullRune(p[i : i+n]) {
				return i + n - 1
			}
		}
		break
	}
	return len(p)
}

// checkSoundTo compares a kernel with the model, and SoundTo with unicode/utf8 if p begins well.
func checkSoundTo(t *testing.T, p []byte) {
	t.Helper()
	if len(p) < Behind {
		return
	}
	got, unit := SoundTo(p), utf8Unit(len(p)-Behind)
	if unit == 0 {
		if got != 0 {
			t.Fatalf("% X: sound to %d without a kernel", p, got)
		}
		return
	}
	if good, want := utf8Kernel(p, unit), model(p, unit); good != want {
		t.Fatalf("% X: %d bytes are good, model %d", p, good, want)
	}
	mistake := mistakeIn(p)
	if mistake < Behind {
		return
	}
	if got > 0 && !utf8.Valid(p[:got]) {
		t.Fatalf("% X: sound to %d, mistake at %d", p, got, mistake)
	}
	// Callers count on it for their speed that it gets far.
	if mistake == len(p) && got < len(p)-3 || got < mistake-(unit-1)-3 && got > 0 || got == 0 && mistake > Behind+unit {
		t.Fatalf("% X: sound only to %d, mistake at %d", p, got, mistake)
	}
	if utf8.Valid(p) && got != len(p) {
		t.Fatalf("% X: sound only to %d", p, got)
	}
}

func TestSoundToEveryLengthAndAlignment(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		for _, text := range texts {
			p := repeated(text.unit, 400)
			for n := range 257 {
				for offset := range 64 {
					// Cut anywhere, the first and last characters may be broken.
					checkSoundTo(t, p[offset:offset+n])
				}
			}
		}
	})
}

func TestSoundToMistakeAnywhere(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		for _, text := range texts {
			for _, wrong := range broken {
				for at := range 200 {
					before := repeated(text.unit, at)
					p := append(append(before[:len(before):len(before)], wrong...), repeated(text.unit, 200-at)...)
					checkSoundTo(t, p)
					checkSoundTo(t, p[:len(before)+len(wrong)])
				}
			}
		}
	})
}

func TestSoundToRandom(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3629, 6455))
		for i := range 5_000 {
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
			checkSoundTo(t, p)
		}
	})
}

func TestSoundToLong(t *testing.T) {
	atEveryLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3629, 6455))
		for _, text := range texts {
			p := repeated(text.unit, 4*maxRun+rng.IntN(maxRun))
			checkSoundTo(t, p)
			for range 6 {
				at := rng.IntN(len(p))
				was := p[at]
				p[at] = 0xFF
				checkSoundTo(t, p)
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
				checkSoundTo(t, piece)
			}
		})
	})
}

func BenchmarkSoundTo(b *testing.B) {
	for _, text := range texts {
		b.Run(text.name, func(b *testing.B) {
			for _, size := range sizes {
				p := repeated(text.unit, size)
				benchmark(b, "std", size, func() { utf8.Valid(p) })
				benchmarkAtEveryLevel(b, size, func() { SoundTo(p) })
			}
		})
	}
}
