package wstest

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// recorder is a test that takes note of its failures and cleanups.
type recorder struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, format)
}

func TestGoroutinesButNamesTheNewOne(t *testing.T) {
	old := goroutines()
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-stop
	}()
	left := goroutinesBut(old)
	if len(left) != 1 || !strings.Contains(left[0], "TestGoroutinesButNamesTheNewOne") {
		t.Errorf("left = %q, want the goroutine of this test", left)
	}
	close(stop)
	<-ended
}

func TestFilesButNamesTheNewOne(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // descriptors are only seen where /proc is
	}
	old := files()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if left := filesBut(old); len(left) != 1 || !strings.HasPrefix(left[0], "socket:") {
		t.Errorf("left = %q, want one socket", left)
	}
	ln.Close()
	if left := filesBut(old); len(left) != 0 {
		t.Errorf("left = %q after Close", left)
	}
}

func TestNoLeaksWaitsForWhatEnds(t *testing.T) {
	r := &recorder{TB: t}
	NoLeaks(r)
	stop := make(chan struct{})
	go func() { <-stop }()
	go close(stop)
	for _, f := range r.cleanups {
		f()
	}
	if len(r.cleanups) != 1 || len(r.failures) != 0 {
		t.Errorf("%d cleanups, failures %q", len(r.cleanups), r.failures)
	}
}

func TestNoLeaksFails(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = 10 * time.Millisecond
	r := &recorder{TB: t}
	NoLeaks(r)
	stop := make(chan struct{})
	go func() { <-stop }()
	for _, f := range r.cleanups {
		f()
	}
	close(stop)
	if len(r.failures) != 1 {
		t.Errorf("failures %q, want one", r.failures)
	}
}
