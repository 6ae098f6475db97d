// Package wstest helps to test connections.
package wstest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long NoLeaks waits for what is ending anyway.
var patience = 30 * time.Second

// NoLeaks makes t fail if, when it is over, a goroutine or a descriptor is left that was not there when NoLeaks was
// called. What ends soon is not counted. Call it first, so that it looks last; t must not run in
// parallel with other tests.
//
// Goroutines are told apart by their numbers, descriptors by what they lead to, so that what ended meanwhile does not
// make up for what is left. Descriptors are seen where /proc/self/fd is.
func NoLeaks(t testing.TB) {
	t.Helper()
	goroutines, files := goroutines(), files()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			leftGoroutines, leftFiles := goroutinesBut(goroutines), filesBut(files)
			if len(leftGoroutines)+len(leftFiles) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%d goroutines left, %d descriptors left %q\n\n%s", len(leftGoroutines), len(leftFiles), leftFiles,
					strings.Join(leftGoroutines, "\n\n"))
				return
			}
		}
	})
}

// goroutines returns the stacks of all goroutines by their headings' first two words, "goroutine 17".
func goroutines() map[string]string {
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	stacks := map[string]string{}
	for stack := range strings.SplitSeq(string(buf[:n]), "\n\n") {
		name, _, _ := strings.Cut(stack, " [")
		stacks[name] = stack
	}
	return stacks
}

func goroutinesBut(old map[string]string) (left []string) {
	for name, stack := range goroutines() {
		if _, ok := old[name]; !ok {
			left = append(left, stack)
		}
	}
	return left
}

// files returns what the descriptors of this process lead to. The runtime's own, which appear when they are first
// needed, have no name but anon_inode.
func files() map[string]bool {
	const dir = "/proc/self/fd"
	targets := map[string]bool{}
	entries, _ := os.ReadDir(dir) // none where there is no such directory
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/proc/") {
			targets[target] = true
		}
	}
	return targets
}

func filesBut(old map[string]bool) (left []string) {
	for target := range files() {
		if !old[target] {
			left = append(left, target)
		}
	}
	return left
}
