//go:build linux || darwin

package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// canEdit says that a terminal can be made to give every key.
const canEdit = true

// ioctl calls ioctl(2) with the address of a value to read or write.
func ioctl[T any](f *os.File, request uintptr, value *T) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(value)))
	if errno != 0 {
		return errno
	}
	return nil
}

// isTerminal reports whether f is a terminal: whether it has the settings of one.
func isTerminal(f *os.File) bool {
	var settings syscall.Termios
	return ioctl(f, getTermios, &settings) == nil
}

// columnsOf returns how wide a terminal is, 0 if it does not say.
func columnsOf(f *os.File) int {
	var size struct{ rows, columns, x, y uint16 }
	if ioctl(f, syscall.TIOCGWINSZ, &size) != nil {
		return 0
	}
	return int(size.columns)
}

// A rawTerminal is a terminal that gives every key as it is pressed, and shows none. Ctrl-C, Ctrl-Z and Ctrl-\ stay
// signals, for all programs in the foreground, and a line feed that is written still begins a line.
type rawTerminal struct {
	f        *os.File
	settings syscall.Termios // as they were before

	mu  sync.Mutex
	raw bool
}

// newRawTerminal notes the settings of a terminal, which restore brings back, and changes none yet.
func newRawTerminal(f *os.File) (*rawTerminal, error) {
	t := &rawTerminal{f: f}
	return t, ioctl(f, getTermios, &t.settings)
}

// enter begins the raw mode.
func (t *rawTerminal) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	raw := t.settings
	raw.Iflag &^= syscall.ICRNL | syscall.INLCR | syscall.IGNCR // Enter is a carriage return, as in pasted text
	raw.Lflag &^= syscall.ICANON | syscall.ECHO | syscall.IEXTEN
	raw.Cc[syscall.VMIN], raw.Cc[syscall.VTIME] = 1, 0
	err := ioctl(t.f, setTermios, &raw)
	t.raw = err == nil
	return err
}

// restore brings the settings back. It may be called from any goroutine, and again.
func (t *rawTerminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.raw {
		ioctl(t.f, setTermios, &t.settings)
		t.raw = false
	}
}

// terminalSignals are what the terminal tells the program that has it.
type terminalSignals struct {
	resized, suspended, continued chan os.Signal
}

// listen begins to listen for them.
func (s *terminalSignals) listen() {
	s.resized, s.suspended, s.continued = make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(s.resized, syscall.SIGWINCH)
	signal.Notify(s.suspended, syscall.SIGTSTP)
	signal.Notify(s.continued, syscall.SIGCONT)
}

// unlisten leaves them to the system again.
func (s *terminalSignals) unlisten() {
	if s.resized != nil {
		signal.Stop(s.resized)
		signal.Stop(s.suspended)
		signal.Stop(s.continued)
	}
}

// suspend stops the process as Ctrl-Z does and returns when it is continued, or when there is nobody who could: the
// system then does not stop it. That is so for SIGTTOU as for SIGTSTP, to which Go's runtime does not give its meaning
// back once it was listened for.
func (s *terminalSignals) suspend() {
	syscall.Kill(syscall.Getpid(), syscall.SIGTTOU)
	select {
	case <-s.continued:
	case <-time.After(100 * time.Millisecond):
	}
}

// dieOf ends the process as a signal does that nobody handles.
func dieOf(s os.Signal) {
	signal.Reset(s)
	if number, ok := s.(syscall.Signal); ok {
		syscall.Kill(syscall.Getpid(), number)
		time.Sleep(time.Second) // until it has come
	}
	os.Exit(exitFailed)
}
