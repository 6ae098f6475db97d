package autobahn

import "unicode/utf8"

// A utf8Check reads text in pieces, and fails at the first byte that no text can have there.
type utf8Check struct {
	tail [utf8.UTFMax]byte // the beginning of a character that the last piece has cut
	n    int
}

// feed reads the next piece. It returns false when what it has read so far is no beginning of UTF-8.
func (u *utf8Check) feed(b []byte) bool {
	for u.n > 0 && len(b) > 0 {
		u.tail[u.n] = b[0]
		u.n++
		b = b[1:]
		if !utf8.FullRune(u.tail[:u.n]) {
			continue
		}
		r, size := utf8.DecodeRune(u.tail[:u.n])
		if u.n = 0; r == utf8.RuneError && size == 1 {
			return false
		}
	}
	cut := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				cut = len(b) - i
			}
			break
		}
	}
	u.n += copy(u.tail[u.n:], b[cut:])
	return utf8.Valid(b[:cut])
}

// whole tells whether the text may end here.
func (u *utf8Check) whole() bool { return u.n == 0 }
