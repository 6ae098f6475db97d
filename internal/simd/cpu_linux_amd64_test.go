//go:build !purego

package simd

import (
	"os"
	"regexp"
	"testing"
)

// Linux lists what it knows about the processor, and leaves out what it does not let programs use.
func TestDetectAgreesWithLinux(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	listed := func(flag string) bool { return regexp.MustCompile(`(?m)^flags\s*:.*\b` + flag + `\b`).Match(info) }
	want := sse2
	switch {
	case listed("avx2") && listed("ssse3"):
		want = avx2
	case listed("ssse3"):
		want = ssse3
	}
	if got := detect(); got != want {
		t.Errorf("detected %v, Linux has %v", got, want)
	}
}
