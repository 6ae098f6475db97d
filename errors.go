package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// This file holds the errors of the connection; those of the protocol stand where they are raised, in close.go,
// decoder.go and encoder.go, those of the opening handshake in handshake.go.
//
// What callers can test for:
//
//	errors.As(err, **CloseError)             the peer sent a Close: its code and reason
//	errors.As(err, **ProtocolError)          the peer broke a rule or passed a limit, and was told so
//	errors.Is(err, net.ErrClosed)            we closed: Close, CloseWith, CloseNow, Shutdown
//	errors.Is(err, io.ErrUnexpectedEOF)      the connection was lost without a Close
//	errors.Is(err, os.ErrDeadlineExceeded)   a deadline or timeout of ours passed; err.(net.Error).Timeout() is true
//	errors.Is(err, ctx.Err())                a context gave up
//
// The first error that ends a connection is returned from then on.

var (
	// ErrConcurrentRead is returned to the second of two goroutines that read from one connection at the same time. The
	// first is not disturbed.
	ErrConcurrentRead = errors.New("websocket: another goroutine is reading from this connection; only one may at a time")

	errWriterClosed = errors.New("websocket: write to a message that was already closed")
	errStaleReader  = errors.New("websocket: read from a message that the next call of NextReader or ReadMessage has skipped")
)

// closedError is what remains of a connection that we closed ourselves.
type closedError struct {
	code   CloseCode
	reason string
}

// Error says that it was us, with code and reason.
func (e *closedError) Error() string {
	if e.code == CloseAbnormal {
		return "websocket: we closed the connection at once, without a closing handshake"
	}
	s := "websocket: we closed the connection with code " + e.code.String()
	if e.reason != "" {
		s += fmt.Sprintf(": %q", e.reason)
	}
	return s
}

// Is matches net.ErrClosed.
func (e *closedError) Is(target error) bool { return target == net.ErrClosed }

// lostError is a connection that ended without the peer's Close.
type lostError struct {
	when string // what we were doing
	err  error  // what the transport said
}

// Error says when the connection was lost and what the transport said.
func (e *lostError) Error() string {
	s := "websocket: the connection was lost " + e.when + ", without a Close from the peer"
	if e.err != io.EOF {
		s += ": " + e.err.Error()
	}
	return s
}

// Unwrap returns io.ErrUnexpectedEOF and what the transport said. A bare EOF is not among them: it would read as an
// orderly end.
func (e *lostError) Unwrap() []error {
	if e.err == io.EOF {
		return []error{io.ErrUnexpectedEOF}
	}
	return []error{io.ErrUnexpectedEOF, e.err}
}

// timeoutError is a time limit of ours that passed.
type timeoutError struct {
	what string // which limit, and which option sets it
}

// Error says which limit passed.
func (e *timeoutError) Error() string { return "websocket: " + e.what }

// Timeout returns true, as net.Error asks.
func (e *timeoutError) Timeout() bool { return true }

// Temporary returns false: whether the connection is usable depends on when the limit passed.
func (e *timeoutError) Temporary() bool { return false }

// Is matches os.ErrDeadlineExceeded.
func (e *timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

var (
	errReadDeadline  = &timeoutError{"read deadline passed (SetReadDeadline)"}
	errMidMessage    = &timeoutError{"read deadline passed in the middle of a message, which fails the connection (SetReadDeadline)"}
	errWriteBegun    = &timeoutError{"write deadline passed in the middle of a message, which fails the connection (SetWriteDeadline)"}
	errWriteDeadline = &timeoutError{"write deadline passed before anything was sent (SetWriteDeadline)"}
)

func writeTimeoutError(d time.Duration) error {
	return &timeoutError{fmt.Sprintf("the peer did not take what was written, up to 64 KiB, within %v, the limit set by WriteTimeout", d)}
}

func keepaliveError(k Keepalive) error {
	return &timeoutError{fmt.Sprintf("the peer is dead: nothing received for %v, and no answer to a Ping for %v more (Keepalive sets both)", k.Interval, k.Timeout)}
}

func closeTimeoutError(d time.Duration) error {
	return &timeoutError{fmt.Sprintf("the peer did not finish the closing handshake within %v, the limit set by CloseTimeout", d)}
}

// contextError is a context that gave up, and what that did to the connection.
type contextError struct {
	what string
	err  error
}

// Error says what gave up and why.
func (e *contextError) Error() string { return "websocket: " + e.what + ": " + e.err.Error() }

// Unwrap returns the context's error.
func (e *contextError) Unwrap() error { return e.err }

// Timeout reports whether it was the context's deadline.
func (e *contextError) Timeout() bool { return errors.Is(e.err, context.DeadlineExceeded) }

// Temporary returns false: whether the connection is usable depends on when the context gave up.
func (e *contextError) Temporary() bool { return false }

// isTimeout reports whether err says that a deadline passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
