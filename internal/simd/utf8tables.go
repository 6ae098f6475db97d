package simd

// The kernels check UTF-8 as in J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte",
// 2020 (https://arxiv.org/abs/2010.03090). The idea: what makes text ill-formed can be seen, but for one thing, in two
// neighbouring bytes, and of those in three halves, called nibbles: both of the first byte and the high one of the
// second. A vector unit looks up 16 or 32 nibbles in a table of 16 entries in one instruction, the byte shuffle.
//
// Every mistake owns a bit. A table says of each value of its nibble which mistakes it allows; the AND of the three
// look-ups leaves the mistakes that all three nibbles agree on.
//
// The one thing is a second or third continuation byte: whether 80..BF may follow 80..BF depends on what stands two and
// three bytes before. So that pair has a bit of its own, the highest. From those two bytes the kernel finds where a
// second or third continuation byte must stand, as the same bit, and XORs it in: what is left is the bit of a byte that
// stands where it must not, or is missing where it must stand.
const (
	tooShort      = 1 << iota // a lead byte without its continuation byte
	tooLong                   // a continuation byte after ASCII
	overlong2                 // C0 and C1 begin what has a form of one byte
	overlong3                 // E0 80..9F begins what has a form of two
	surrogate                 // ED A0..BF is half of a pair of UTF-16
	tooLarge                  // F4 90 and above is beyond U+10FFFF
	overlong4                 // F0 80..8F begins what has a form of three; and F5..FF 80..8F is too large
	secondOrThird             // 80..BF after 80..BF
)

// A pairRule forbids the bytes second to secondTo after the bytes first to firstTo.
type pairRule struct {
	mistake          byte
	first, firstTo   byte
	second, secondTo byte
}

// pairRules are the rows of RFC 3629, section 4, turned round. Each bit must be a product: any first high nibble of it
// with any low nibble with any second nibble must be a mistake. That is why F4..FF has two bits (8x is right after F4);
// the one with 8x can be shared with F0, since together they are F0, F5..FF before 8x: a product again.
var pairRules = []pairRule{
	{tooShort, 0xC0, 0xFF, 0x00, 0x7F},
	{tooShort, 0xC0, 0xFF, 0xC0, 0xFF},
	{tooLong, 0x00, 0x7F, 0x80, 0xBF},
	{overlong2, 0xC0, 0xC1, 0x80, 0xBF},
	{overlong3, 0xE0, 0xE0, 0x80, 0x9F},
	{surrogate, 0xED, 0xED, 0xA0, 0xBF},
	{tooLarge, 0xF4, 0xFF, 0x90, 0xBF},
	{overlong4, 0xF0, 0xF0, 0x80, 0x8F},
	{overlong4, 0xF5, 0xFF, 0x80, 0x8F},
	{secondOrThird, 0x80, 0xBF, 0x80, 0xBF},
}

// utf8Tables is what the kernels read: the three tables and some constants, each as wide as a register of SSE. The
// assembly knows the order.
type utf8Tables struct {
	firstHigh, firstLow, secondHigh [16]byte

	lowNibble [16]byte // 0F
	threeUp   [16]byte // subtracted with saturation, it leaves the highest bit on E0..FF only
	fourUp    [16]byte // the same for F0..FF
	highest   [16]byte // 80
}

var tables = buildTables(pairRules)

func buildTables(rules []pairRule) (t utf8Tables) {
	for _, r := range rules {
		for b := int(r.first); b <= int(r.firstTo); b++ {
			t.firstHigh[b>>4] |= r.mistake
			t.firstLow[b&0xF] |= r.mistake
		}
		for b := int(r.second); b <= int(r.secondTo); b++ {
			t.secondHigh[b>>4] |= r.mistake
		}
	}
	for i := range 16 {
		t.lowNibble[i] = 0x0F
		t.threeUp[i] = 0xE0 - 0x80
		t.fourUp[i] = 0xF0 - 0x80
		t.highest[i] = 0x80
	}
	return t
}
