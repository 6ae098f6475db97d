package simd

// ValidPrefix returns the length of a beginning of p that is valid UTF-8 and ends between characters. It is as long as
// the kernels find quickly: up to few bytes before the end of p or before the first mistake, but it is 0 for a short
// text and where there is no kernel. The caller judges the rest.
func ValidPrefix(p []byte) (n int) {
	unit := utf8Unit(len(p))
	if unit == 0 {
		return 0
	}
	for len(p)-n >= unit {
		run := min(len(p)-n, maxRun) &^ (unit - 1)
		good := utf8Kernel(p[n:n+run], unit)
		n += wholeCharacters(p[n : n+good])
		if good < run {
			return n
		}
	}
	return max(n, lastBlock(p, n, unit))
}

// lastBlock checks the block that ends where p does, though it overlaps with p[:n], which is valid already. A block has
// to begin between characters, so it may have to be moved back, and ends up to three bytes before the end.
func lastBlock(p []byte, n, unit int) int {
	const worthwhile = 8
	if len(p)-n < worthwhile {
		return n
	}
	begin := len(p) - unit
	for isContinuation(p[begin]) {
		begin-- // stays above 0, because begin < n: the valid text there has the character's lead byte
	}
	end := begin + unit
	if utf8Kernel(p[begin:end], unit) < unit {
		return n
	}
	return begin + wholeCharacters(p[begin:end])
}

func isContinuation(b byte) bool { return b&0xC0 == 0x80 }

// wholeCharacters returns how much of p is left without the character that p breaks off in, if it does. Up to there p
// is valid.
func wholeCharacters(p []byte) int {
	n := len(p)
	switch {
	case n == 0:
		return 0
	case p[n-1] >= 0xC0: // a lead byte
		return n - 1
	case p[n-2] >= 0xE0: // a lead byte of three or four, and one more
		return n - 2
	case p[n-3] >= 0xF0: // a lead byte of four, and two more
		return n - 3
	}
	return n
}
