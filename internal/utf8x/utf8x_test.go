package utf8x

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// reference is the validator in its plainest form: one byte at a time, with
// the range that the next byte must lie in.
type reference struct {
	need   int
	lo, hi byte
	bad    bool
}

func (r *reference) feed(b byte) bool {
	switch {
	case r.bad:
	case r.need > 0:
		if r.bad = b < r.lo || b > r.hi; !r.bad {
			r.need, r.lo, r.hi = r.need-1, 0x80, 0xBF
		}
	case b < 0x80:
	case b >= 0xC2 && b <= 0xDF:
		r.need, r.lo, r.hi = 1, 0x80, 0xBF
	case b >= 0xE0 && b <= 0xEF:
		r.need, r.lo, r.hi = 2, 0x80, 0xBF
		if b == 0xE0 {
			r.lo = 0xA0
		}
		if b == 0xED {
			r.hi = 0x9F
		}
	case b >= 0xF0 && b <= 0xF4:
		r.need, r.lo, r.hi = 3, 0x80, 0xBF
		if b == 0xF0 {
			r.lo = 0x90
		}
		if b == 0xF4 {
			r.hi = 0x8F
		}
	default:
		r.bad = true
	}
	return !r.bad
}

// firstBad returns the index of the byte at which p fails, or -1.
func firstBad(p []byte) int {
	var r reference
	for i, b := range p {
		if !r.feed(b) {
			return i
		}
	}
	return -1
}

var boundaries = []struct {
	name string
	text string
	bad  int // index of the byte that fails, -1 if none does
	end  bool
}{
	{"empty", "", -1, true},
	{"NUL", "\x00", -1, true},
	{"DEL", "\x7f", -1, true},
	{"first of two", "\xc2\x80", -1, true},
	{"last of two", "\xdf\xbf", -1, true},
	{"first of three", "\xe0\xa0\x80", -1, true},
	{"before the surrogates", "\xed\x9f\xbf", -1, true},
	{"after the surrogates", "\xee\x80\x80", -1, true},
	{"last of three", "\xef\xbf\xbf", -1, true},
	{"byte order mark", "\xef\xbb\xbf", -1, true},
	{"first of four", "\xf0\x90\x80\x80", -1, true},
	{"last of all", "\xf4\x8f\xbf\xbf", -1, true},
	{"lone continuation", "\x80", 0, false},
	{"lone last continuation", "\xbf", 0, false},
	{"overlong C0", "\xc0", 0, false},
	{"overlong C1", "\xc1\xbf", 0, false},
	{"overlong E0 80", "\xe0\x80\xaf", 1, false},
	{"overlong E0 9F", "\xe0\x9f\xbf", 1, false},
	{"overlong F0 80", "\xf0\x80\x80\xaf", 1, false},
	{"overlong F0 8F", "\xf0\x8f\xbf\xbf", 1, false},
	{"first surrogate", "\xed\xa0\x80", 1, false},
	{"last surrogate", "\xed\xbf\xbf", 1, false},
	{"above the last", "\xf4\x90\x80\x80", 1, false},
	{"F5", "\xf5", 0, false},
	{"FE", "\xfe", 0, false},
	{"FF", "\xff", 0, false},
	{"ASCII inside two", "\xc3A", 1, false},
	{"ASCII inside three", "\xe2\x82A", 2, false},
	{"ASCII inside four", "\xf0\x9f\x98A", 3, false},
	{"lead inside three", "\xe2\xc3\xa9", 1, false},
	{"one continuation too many", "\xc3\xa9\xa9", 2, false},
	{"cut after C2", "\xc2", -1, false},
	{"cut after E0 A0", "\xe0\xa0", -1, false},
	{"cut after F0", "\xf0", -1, false},
	{"cut after F4 8F BF", "\xf4\x8f\xbf", -1, false},
}

func TestBoundaries(t *testing.T) {
	for _, c := range boundaries {
		// Behind some ASCII the same text meets every path: whole words,
		// groups of four words, the tail, blocks of the vector unit.
		for _, before := range []int{0, 1, 7, 8, 9, 18, 19, 31, 32, 33, 71, 255, 300} {
			t.Run(fmt.Sprintf("%s/%d", c.name, before), func(t *testing.T) {
				p := append(bytes.Repeat([]byte{'a'}, before), c.text...)
				bad := c.bad
				if bad >= 0 {
					bad += before
				}
				checkPrefixes(t, p, bad)
				if got := Valid(p); got != c.end {
					t.Errorf("Valid = %v, want %v", got, c.end)
				}
				for _, after := range []string{"b", strings.Repeat("b", 40)} {
					if got, want := Valid(append(p[:len(p):len(p)], after...)), c.end; got != want {
						t.Errorf("Valid with %d more = %v, want %v", len(after), got, want)
					}
				}
			})
		}
	}
}

// checkPrefixes feeds every prefix of p, and wants the first failure at bad.
func checkPrefixes(t *testing.T, p []byte, bad int) {
	t.Helper()
	for n := range len(p) + 1 {
		var v Validator
		want := bad < 0 || n <= bad
		if got := v.Feed(p[:n]); got != want {
			t.Errorf("Feed(% x) = %v, want %v", p[:n], got, want)
		}
		if got, want := v.Complete(), utf8.Valid(p[:n]); got != want {
			t.Errorf("Complete after % x = %v, want %v", p[:n], got, want)
		}
	}
}

func TestFailureSticksUntilReset(t *testing.T) {
	var v Validator
	if v.Feed([]byte("ok\xff")) {
		t.Fatal("FF accepted")
	}
	for _, p := range []string{"", "ok", strings.Repeat("ok", 40), "é"} {
		if v.Feed([]byte(p)) || v.Complete() {
			t.Fatalf("valid again after %q", p)
		}
	}
	v.Reset()
	if !v.Feed([]byte("ok")) || !v.Complete() {
		t.Fatal("not usable after Reset")
	}
}

func TestFeedOfNothingKeepsTheState(t *testing.T) {
	var v Validator
	if !v.Complete() {
		t.Error("the zero value is not complete")
	}
	v.Feed([]byte("\xe2"))
	if !v.Feed(nil) || v.Complete() {
		t.Error("an empty piece ended the character")
	}
	if !v.Feed([]byte("\x82\xac")) || !v.Complete() {
		t.Error("the character did not continue")
	}
}

var samples = []string{
	"Hello-µ@ßöäüàá-UTF-8!!",
	"κόσμε, 世界, 🌍🌎🌏",
	strings.Repeat("0123456789abcdef", 5) + "é" + strings.Repeat("x", 33) + "𐍈",
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
	strings.Repeat("ж", 40) + "\xc0" + strings.Repeat("ж", 40),
	"tail cut 🌍"[:len("tail cut 🌍")-1],
	strings.Repeat("天地玄黃 und ähnliches 🌍", 8),
	strings.Repeat("天地玄黃", 12) + "\xed\xa0" + strings.Repeat("天地玄黃", 8),
	strings.Repeat("🌍🌎🌏", 12)[:12*12-2],
}

func TestEverySplitAgrees(t *testing.T) {
	for _, s := range samples {
		p := []byte(s)
		bad := firstBad(p)
		checkPrefixes(t, p, bad)
		for cut := range len(p) + 1 {
			var v Validator
			v.Feed(p[:cut])
			if got, want := v.Feed(p[cut:]), bad < 0; got != want {
				t.Errorf("%q cut at %d: %v, want %v", s, cut, got, want)
			}
			if got, want := v.Complete(), utf8.ValidString(s); got != want {
				t.Errorf("%q cut at %d: complete %v, want %v", s, cut, got, want)
			}
		}
		var v Validator
		for i := range p {
			if got, want := v.Feed(p[i:i+1]), bad < 0 || i < bad; got != want {
				t.Errorf("%q byte %d: %v, want %v", s, i, got, want)
			}
		}
	}
}

// viable reports whether some continuation makes p valid, by trying all that
// can matter: a valid text is at most three bytes away, of which the first is
// one of 80, 90, A0 and the others are 80.
func viable(p []byte) bool {
	var room [8]byte
	n := copy(room[:], p)
	if utf8.Valid(p) {
		return true
	}
	for _, first := range []byte{0x80, 0x90, 0xA0} {
		room[n], room[n+1], room[n+2] = first, 0x80, 0x80
		for more := 1; more <= 3; more++ {
			if utf8.Valid(room[:n+more]) {
				return true
			}
		}
	}
	return false
}

// checkSequence compares one short sequence with unicode/utf8: a prefix is
// accepted exactly if it is viable, and complete exactly if it is valid.
func checkSequence(t *testing.T, p []byte) {
	var v Validator
	ok := v.Feed(p)
	if ok != viable(p) || v.Complete() != utf8.Valid(p) || Valid(p) != utf8.Valid(p) {
		t.Fatalf("% x: Feed %v Complete %v Valid %v, but viable %v valid %v",
			p, ok, v.Complete(), Valid(p), viable(p), utf8.Valid(p))
	}
}

func TestAllShortSequences(t *testing.T) {
	for a := range 256 {
		checkSequence(t, []byte{byte(a)})
		for b := range 256 {
			checkSequence(t, []byte{byte(a), byte(b)})
			checkThirdBytes(t, byte(a), byte(b))
		}
	}
}

// checkThirdBytes tries all 256 bytes behind a and b. Most pairs have failed
// already: there the failure must stay.
func checkThirdBytes(t *testing.T, a, b byte) {
	var v Validator
	pairViable := v.Feed([]byte{a, b})
	p := []byte{a, b, 0}
	for c := range 256 {
		p[2] = byte(c)
		if pairViable {
			checkSequence(t, p)
			continue
		}
		if third := v; third.Feed(p[2:]) || third.Complete() {
			t.Fatalf("% x: valid again", p)
		}
	}
}

func TestFourByteBoundaries(t *testing.T) {
	edges := []byte{0x00, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBE, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF}
	leads := []byte{0x7F, 0x80, 0xBF, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF}
	for _, a := range leads {
		for b := range 256 {
			for _, c := range edges {
				for _, d := range edges {
					checkSequence(t, []byte{a, byte(b), c, d})
				}
			}
		}
	}
}

func TestEveryRune(t *testing.T) {
	var v Validator
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		var buf [utf8.UTFMax]byte
		if !v.Feed(buf[:utf8.EncodeRune(buf[:], r)]) || !v.Complete() {
			t.Fatalf("%U refused", r)
		}
	}
}

func TestRandomAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 3629))
	pieces := []string{"a", "0123456789", strings.Repeat("-", 40), "é", "世", "🌍", "\xe2\x82", "\xff", "\xed\xa0"}
	for range 5000 {
		var p []byte
		for range rng.IntN(12) {
			// The last three pieces are broken; take them seldom.
			p = append(p, pieces[rng.IntN(len(pieces)-3*min(1, rng.IntN(8)))]...)
		}
		var v Validator
		bad := firstBad(p)
		for rest := p; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			ok := v.Feed(rest[:n])
			rest = rest[n:]
			if want := bad < 0 || len(p)-len(rest) <= bad; ok != want {
				t.Fatalf("% x at %d: %v, want %v", p, len(p)-len(rest), ok, want)
			}
		}
		if v.Complete() != utf8.Valid(p) {
			t.Fatalf("% x: complete %v", p, v.Complete())
		}
	}
}

// everyState are the states that a Validator can be in.
var everyState = []uint8{
	stateAccept, stateReject, stateLast, stateTwo, stateThree, stateE0, stateED, stateF0, stateF4,
}

// checkAgainstStateMachine wants p to lead where the state machine leads, from every state.
func checkAgainstStateMachine(t *testing.T, p []byte) {
	t.Helper()
	for _, from := range everyState {
		if got, want := run(from, p), step(from, p); got != want {
			t.Fatalf("% x from state %d: state %d, want %d", p, from, got, want)
		}
	}
}

func TestVectorUnitAgreesWithStateMachine(t *testing.T) {
	units := []string{"a", "é", "世", "🌍", "Zwölf Boxkämpfer, 天地 🌍"}
	wrong := []string{"", "\x80", "\xc1", "\xc2", "\xe0\x9f", "\xed\xa0\x80", "\xe2\x82a", "\xf4\x90", "\xf5", "\xff"}
	for _, unit := range units {
		text := strings.Repeat(unit, 400/len(unit))
		for n := range len(text) {
			checkAgainstStateMachine(t, []byte(text[n:]))
			for _, w := range wrong {
				checkAgainstStateMachine(t, []byte(text[:n]+w))
				checkAgainstStateMachine(t, []byte(text[:n]+w+text[n:]))
			}
		}
	}
}

func TestSizeAndAllocations(t *testing.T) {
	if size := unsafe.Sizeof(Validator{}); size > 8 {
		t.Errorf("Validator has %d bytes", size)
	}
	p := []byte(strings.Repeat("κόσμε and ASCII ", 100))
	if n := testing.AllocsPerRun(100, func() {
		var v Validator
		if !v.Feed(p) || !v.Complete() || !Valid(p) {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzUTF8(f *testing.F) {
	for _, c := range boundaries {
		f.Add([]byte(c.text), 1)
		f.Add([]byte(strings.Repeat("世", 50)+c.text), 149)
	}
	for _, s := range samples {
		f.Add([]byte(s), len(s)/2)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		if Valid(p) != utf8.Valid(p) {
			t.Fatalf("Valid = %v", Valid(p))
		}
		if cut < 0 || cut > len(p) {
			cut = len(p)
		}
		checkAgainstStateMachine(t, p)
		bad := firstBad(p)
		var v Validator
		if got, want := v.Feed(p[:cut]), bad < 0 || bad >= cut; got != want {
			t.Fatalf("first piece: %v, want %v", got, want)
		}
		if got, want := v.Feed(p[cut:]), bad < 0; got != want {
			t.Fatalf("second piece: %v, want %v", got, want)
		}
		if v.Complete() != utf8.Valid(p) {
			t.Fatalf("Complete = %v", v.Complete())
		}
	})
}

func BenchmarkFeed(b *testing.B) {
	texts := []struct{ name, unit string }{
		{"ascii", "The quick brown fox jumps over the lazy dog. "},
		{"latin", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "},
		{"russian", "Съешь же ещё этих мягких французских булок, да выпей чаю. "},
		{"chinese", "天地玄黃宇宙洪荒日月盈昃辰宿列張"},
		{"emoji", "🌍🌎🌏😀😃😄"},
	}
	for _, text := range texts {
		for _, size := range []int{16, 30, 125, 1 << 10, 16 << 10, 1 << 20} {
			p := []byte(strings.Repeat(text.unit, size/len(text.unit)+1))[:size]
			for !utf8.Valid(p) {
				p = p[:len(p)-1]
			}
			b.Run(fmt.Sprintf("%s/%d/feed", text.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					var v Validator
					v.Feed(p)
				}
			})
			b.Run(fmt.Sprintf("%s/%d/std", text.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					utf8.Valid(p)
				}
			})
		}
	}
}
