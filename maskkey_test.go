package websocket

import "testing"

// RFC 6455, section 5.3: keys are fresh and unpredictable. Among so few of 2^32 hardly two are equal by chance; three
// pairs are not to be expected in a lifetime.
func TestMaskKeysAreFresh(t *testing.T) {
	const n = 1000
	seen := make(map[[4]byte]bool, n)
	for range n {
		seen[nextMaskKey()] = true
	}
	if len(seen) < n-2 {
		t.Errorf("%d keys, of which %d differ", n, len(seen))
	}
}
