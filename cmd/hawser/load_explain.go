package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"hawser.example/websocket"
)

// This file says what lies behind the kinds of errors that a run has counted.

// A publishError is the answer of a server that has not published.
type publishError struct {
	status int
	why    string
}

func (e *publishError) Error() string {
	return fmt.Sprintf("publishing was answered with status %d: %s", e.status, e.why)
}

// newPublishError returns what an answer with a status means. said is what a hawser serve says to it, "" for others.
func newPublishError(status int, said string) *publishError {
	if said != "" {
		return &publishError{status, clip(said)}
	}
	why := clip(http.StatusText(status))
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUpgradeRequired:
		why += "; use --echo for a server that sends back what it receives"
	}
	return &publishError{status, why}
}

// explain says of each kind of error what the first one was, unless that is final, which is said by itself, or the kind
// says it all.
func (l *loadRun) explain(final error) {
	l.stats.mu.Lock()
	defer l.stats.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(l.stats.first)) {
		first := l.stats.first[kind]
		why := loadCause(first)
		if why == "" || final != nil && final.Error() == first.Error() {
			continue
		}
		fmt.Fprintf(l.std.err, "hawser load: %s: the first was: %s\n", kind, escapeText([]byte(conceal(why))))
	}
}

// loadCause returns what an error says that its kind does not.
func loadCause(err error) string {
	var publish *publishError
	var handshake *websocket.HandshakeError
	var errno syscall.Errno
	var timeout interface{ Timeout() bool }
	var post *url.Error
	switch {
	case errors.As(err, &publish):
		return publish.why
	case errors.As(err, &handshake) && errors.As(err, &errno):
		return handshake.Reason
	case errors.As(err, &handshake):
		return strings.TrimPrefix(err.Error(), "websocket: handshake failed ("+handshake.Check+"): ") + trustHint(err)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ""
	case errors.As(err, &post):
		return post.Err.Error() + trustHint(err)
	}
	return strings.TrimPrefix(err.Error(), "websocket: ")
}
