//go:build unix

package metrics

import (
	"syscall"
	"time"
)

// maxDescriptors is the soft limit of descriptors.
func maxDescriptors() (float64, bool) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return float64(limit.Cur), err == nil
}

// cpuSeconds is the processor's time that the process has used, for itself and in the system.
func cpuSeconds() (float64, bool) {
	var use syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds(), err == nil
}
