package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"hawser.example/websocket"
)

// This file is how input becomes messages: line by line, or as it comes.

// errInput is what is wrong with the input, as opposed to the connection.
var errInput = errors.New("standard input")

// maxOutgoing is how many bytes a line or a file may have: both are sent as one message, which has to be in memory.
const maxOutgoing = 1 << 30

// Why a line is no message.
var (
	errLongLine = fmt.Errorf("it has more than %d bytes; -b sends what comes, not lines", maxOutgoing)
	errNotText  = errors.New("a text message has to be UTF-8; -b sends bytes")
)

// newMessageReader returns a reader of lines that may be messages.
func newMessageReader(r io.Reader) *lineReader { return newLineReader(r, maxOutgoing, errLongLine) }

// messageLines returns what returns the next line that can be a message of type t, without its end. Of a line that
// cannot be one wrong is told, and those behind it are returned all the same.
func messageLines(lines *lineReader, t websocket.MessageType, wrong func(error)) (next func() ([]byte, error)) {
	number := 0
	return func() ([]byte, error) {
		for {
			line, err := lines.next()
			number++
			switch {
			case err == nil && t == websocket.TextMessage && !utf8.Valid(line):
				err = errNotText
			case err != lines.tooLong:
				return line, err
			}
			wrong(fmt.Errorf("%w, line %d was not sent: %w", errInput, number, err))
		}
	}
}

// chunkSize is how much is read at once, and how much of binary input is one message at most.
const chunkSize = 64 << 10

// A lineReader reads lines that have a bound.
type lineReader struct {
	in      *bufio.Reader
	limit   int    // bytes that a line may have, without its end
	tooLong error  // what is said of one that has more
	long    []byte // a line that is longer than what in can hold
	skip    bool   // what comes up to the next end is the rest of a line that was too long
}

func newLineReader(r io.Reader, limit int, tooLong error) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, chunkSize), limit: limit, tooLong: tooLong}
}

// next returns the next line without its end, \n or \r\n. It is valid until the next call. What is behind the last \n
// counts as a line if there is anything. A line that is too long is an error, and at once: its rest is left to the call
// after that, so that it takes no memory and, if nobody calls, no time either.
func (r *lineReader) next() ([]byte, error) {
	if err := r.skipRest(); err != nil {
		return nil, err
	}
	r.long = r.long[:0]
	if cap(r.long) > maxScratch {
		r.long = nil
	}
	for {
		line, err := r.in.ReadSlice('\n')
		if err == bufio.ErrBufferFull || len(r.long) > 0 {
			r.long = append(r.long, line...)
			line = r.long
		}
		switch {
		case err == bufio.ErrBufferFull && len(line) <= r.limit+len("\r"):
			continue
		case err == bufio.ErrBufferFull:
			r.skip = true
			return nil, r.tooLong
		case err != nil && (err != io.EOF || len(line) == 0):
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > r.limit {
			return nil, r.tooLong
		}
		return line, nil
	}
}

// skipRest reads the rest of a line that was too long.
func (r *lineReader) skipRest() error {
	for r.skip {
		_, err := r.in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		r.skip = err != nil
	}
	return nil
}

// A chunkReader reads what there is at once.
type chunkReader struct {
	in  io.Reader
	buf [chunkSize]byte
}

// next returns the next bytes, at least one. They are valid until the next call.
func (r *chunkReader) next() ([]byte, error) {
	for {
		n, err := r.in.Read(r.buf[:])
		if n > 0 {
			return r.buf[:n], nil // an error comes again
		}
		if err != nil {
			return nil, err
		}
	}
}

// each calls do with all that next returns, until its end or an error.
func each(next func() ([]byte, error), do func([]byte) error) error {
	for {
		p, err := next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := do(p); err != nil {
			return err
		}
	}
}
