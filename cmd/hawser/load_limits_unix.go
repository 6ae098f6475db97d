//go:build linux || darwin

package main

import (
	"fmt"
	"syscall"
	"time"
)

// raiseFiles sees to it that n descriptors can be open.
func raiseFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("the limit of open files is not known: %w", err)
	}
	need := uint64(n)
	if limit.Cur >= need {
		return nil
	}
	raised := syscall.Rlimit{Cur: need, Max: max(limit.Max, need)} // root may raise the hard limit too
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return fmt.Errorf("they need %d open files and the limit is %d (ulimit -Hn): %w", n, limit.Max, err)
	}
	return nil
}

// processorTime returns how much processor time the process has used.
func processorTime() (_ time.Duration, known bool) {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0, false
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), true
}
