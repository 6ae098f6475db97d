package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
)

// A logger is the log of hawser serve. What a person at a terminal waits for, such as where the server listens, is a
// line of its own without time and level if the log is text.
type logger struct {
	*slog.Logger
	level *slog.LevelVar
	lines io.Writer // nil: the log is JSON, and everything a record
}

// newLogger returns the logger that the flags ask for.
func newLogger(o *serveOptions, w io.Writer) *logger {
	l := &logger{level: &slog.LevelVar{}}
	if level, err := parseLevel(o.logLevel); err == nil {
		l.level.Set(level)
	}
	options := &slog.HandlerOptions{Level: l.level}
	if o.log == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(w, options))
		return l
	}
	l.Logger = slog.New(slog.NewTextHandler(w, options))
	l.lines = w
	return l
}

// parseLevel reads a level. Those that slog knows beyond the four have no use here.
func parseLevel(s string) (level slog.Level, err error) {
	switch s {
	case "debug", "info", "warn", "error":
		return level, level.UnmarshalText([]byte(strings.ToUpper(s)))
	}
	return level, errors.New("it has to be debug, info, warn or error")
}

// say says what goes on.
func (l *logger) say(text string) {
	if l.lines == nil {
		l.Info(text)
		return
	}
	fmt.Fprintf(l.lines, "hawser serve: %s\n", text)
}

// caution says what is probably a mistake.
func (l *logger) caution(text string) {
	if l.lines == nil {
		l.Warn(text)
		return
	}
	fmt.Fprintf(l.lines, "hawser serve: warning: %s\n", text)
}

// fail says why it does not go on.
func (l *logger) fail(err error) {
	if l.lines == nil {
		l.Error(err.Error())
		return
	}
	fmt.Fprintf(l.lines, "hawser serve: %v\n", err)
}

// httpErrors is where net/http's servers write what goes wrong with a connection.
func (l *logger) httpErrors() *log.Logger { return log.New(httpErrors{l.Logger}, "", 0) }

type httpErrors struct{ log *slog.Logger }

// Write takes a line. Handshakes of TLS that fail are the noise of a public address.
func (e httpErrors) Write(p []byte) (int, error) {
	line := string(bytes.TrimSpace(p))
	if strings.Contains(line, "TLS handshake error") {
		e.log.Debug(line)
	} else {
		e.log.Warn(line)
	}
	return len(p), nil
}
