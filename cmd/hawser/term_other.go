//go:build !linux && !darwin

package main

import "os"

// isTerminal reports whether f is a character device, which on this system is taken for a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
