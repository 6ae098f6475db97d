//go:build !linux && !darwin

package main

import (
	"errors"
	"os"
)

// canEdit says that a terminal cannot be made to give every key: the system edits lines, and they come complete.
const canEdit = false

// isTerminal reports whether f is a character device, which on this system is taken for a terminal.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// columnsOf returns how wide a terminal is, 0 if it does not say.
func columnsOf(*os.File) int { return 0 }

// A rawTerminal is a terminal that gives every key as it is pressed. There is none here.
type rawTerminal struct{}

func newRawTerminal(*os.File) (*rawTerminal, error) {
	return nil, errors.ErrUnsupported
}

func (*rawTerminal) enter() error { return nil }

func (*rawTerminal) restore() {}

// terminalSignals are what the terminal tells the program that has it: nothing on this system.
type terminalSignals struct {
	resized, suspended, continued chan os.Signal
}

func (*terminalSignals) listen() {}

func (*terminalSignals) unlisten() {}

func (*terminalSignals) suspend() {}

// dieOf ends the process.
func dieOf(os.Signal) { os.Exit(exitFailed) }
