package simd

// Behind is how far back the check of a byte looks: a character has up to four bytes, so whether one is right depends
// on the three before it.
const Behind = 3

// SoundTo checks the UTF-8 that p, of at least Behind bytes, goes on with after the first Behind. Those the caller has
// judged; they may begin inside a character.
//
// It returns the length of a piece of p that is sound and ends between characters, as long as it finds one quickly: to
// the end of p, or to less than a block before the first mistake, but for the character that is cut there. It returns 0
// where there is no kernel, for a short text and for a mistake at its beginning. The caller does the rest.
func SoundTo(p []byte) int {
	unit := utf8Unit(len(p) - Behind)
	if unit == 0 {
		return 0
	}
	n := Behind
	for n < len(p) {
		run := len(p) - n
		if run >= 2*maxRun { // so that the last is not too short for a block
			run = maxRun
		}
		good := utf8Kernel(p[n-Behind:n+run], unit)
		n += good
		if good < run {
			break
		}
	}
	if n == Behind {
		return 0
	}
	return n - begun(p[:n])
}

// begun returns how many bytes of a character that has begun, and is still without its end, stand at the end of p, in
// which there is no other mistake.
func begun(p []byte) int {
	n := len(p)
	switch {
	case p[n-1] >= 0xC0: // a first byte
		return 1
	case p[n-2] >= 0xE0: // a first byte of three or four, and one more
		return 2
	case p[n-3] >= 0xF0: // a first byte of four, and two more
		return 3
	}
	return 0
}
