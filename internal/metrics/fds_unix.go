//go:build unix

package metrics

import "syscall"

// maxDescriptors is the soft limit of descriptors.
func maxDescriptors() (float64, bool) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return float64(limit.Cur), err == nil
}
