package notify

import (
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	valid := []string{"00000000-0", "5f0c9a1e-1", "ffffffff-18446744073709551615"}
	for _, id := range valid {
		if p, err := parseID(id); err != nil || p.String() != id {
			t.Errorf("parseID(%q) = %v, %v", id, p, err)
		}
	}
	for _, id := range []string{
		"", "-", "5f0c9a1e", "5f0c9a1e-", "-1", "5f0c9a1-1", "5f0c9a1e0-1", "5F0C9A1E-1", "5f0c9a1g-1", "5f0c9a1e-01", "5f0c9a1e-00",
		"5f0c9a1e-+1", "5f0c9a1e--1", "5f0c9a1e-1 ", " 5f0c9a1e-1", "5f0c9a1e-1-1", "5f0c9a1e-1a", "5f0c9a1e-18446744073709551616",
		"5f0c9a1e-1_0", "5f0c9a1e-0x1", "5f0c9a1e-1\n", "5f0c9a1e-1\r\nX: y", "5f0c9a1e-" + strings.Repeat("1", 1<<16),
	} {
		if p, err := parseID(id); err == nil {
			t.Errorf("parseID(%.40q) = %v", id, p)
		}
	}
}

func TestEpochs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		epoch := newEpoch()
		if p, err := parseID(epoch + "-7"); err != nil || p != (position{epoch, 7}) {
			t.Fatalf("%q is no epoch: %v", epoch, err)
		}
		seen[epoch] = true
	}
	if len(seen) < 995 {
		t.Errorf("%d epochs of 1000 differ", len(seen))
	}
}
