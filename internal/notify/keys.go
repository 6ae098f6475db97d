package notify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// A keyring holds the publish keys: the sums of them, so that the time which a comparison takes tells nothing about a
// key, nor about its length.
type keyring [][sha256.Size]byte

// newKeyring returns the ring of keys.
func newKeyring(keys []string) (keyring, error) {
	var ring keyring
	for i, key := range keys {
		if err := CheckKey(key); err != nil {
			return nil, fmt.Errorf("publish key %d of %d: %w", i+1, len(keys), err)
		}
		ring = append(ring, sha256.Sum256([]byte(key)))
	}
	return ring, nil
}

// find returns a name for key if it is on the ring, "" if not. It looks at all keys, whichever it is.
func (ring keyring) find(key string) (name string) {
	sum := sha256.Sum256([]byte(key))
	found := 0
	for i := range ring {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], ring[i][:]), i+1, found)
	}
	if found == 0 {
		return ""
	}
	return fmt.Sprintf("publish key %d", found)
}

// CheckKey refuses a key that no publisher could send: white space at the ends of a header field is not part of it.
func CheckKey(key string) error {
	switch {
	case key == "":
		return errors.New("it is empty")
	case strings.Trim(key, " ") != key || strings.ContainsFunc(key, unicode.IsControl):
		return errors.New("the publish key has a space at an end or a control character in it (a line break at its end?), " +
			"which cannot be sent")
	}
	return nil
}

// nickname returns a name for a token, which is far too long to be found by trying: for logs, and for counting by.
func nickname(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:8])
}
