//go:build !purego

package simd

import "testing"

func TestLevelOf(t *testing.T) {
	const all1, all7, allX = leaf1SSSE3 | leaf1OSXSAVE | leaf1AVX, leaf7AVX2, xcr0XMMYMM
	for _, c := range []struct {
		name               string
		leaf1, leaf7, xcr0 uint32
		want               level
	}{
		{"nothing", 0, 0, 0, sse2},
		{"SSSE3", leaf1SSSE3, 0, 0, ssse3},
		{"AVX without AVX2", all1, 0, allX, ssse3},
		{"AVX2", all1, all7, allX, avx2},
		{"AVX2, and all other bits", ^uint32(0), ^uint32(0), ^uint32(0), avx2},
		{"AVX2 without AVX, as under some hypervisors", all1 &^ leaf1AVX, all7, allX, ssse3},
		{"a system that saves no Y registers", all1, all7, 1 << 1, ssse3},
		{"a system that saves only their upper halves", all1, all7, 1 << 2, ssse3},
		{"a system without XSAVE", all1 &^ leaf1OSXSAVE, all7, 0, ssse3},
	} {
		if got := levelOf(c.leaf1, c.leaf7, c.xcr0); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
