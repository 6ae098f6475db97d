package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hawser.example/websocket/internal/lineedit"
)

const (
	markPaste, unmarkPaste = "\x1b[?2004h", "\x1b[?2004l"
	// byDefault is how wide a terminal is taken to be that does not say.
	byDefault = 80
)

// A screen is where all output goes: to standard output and standard error, which may be the same terminal, and there
// above the line that is being typed. Any goroutine may use it.
type screen struct {
	std     streams
	tooLong string                      // what is said of a line of more than lineedit.MaxLine bytes
	raw     atomic.Pointer[rawTerminal] // nil until the prompt is opened; restore needs it without mu

	mute   atomic.Bool  // nothing more is written, since somebody has not taken what was
	writes atomic.Int64 // begun and ended, so that it is odd while one is under way

	mu      sync.Mutex // held while something is written: what is written is never mixed
	asking  bool       // the prompt's row is on the terminal
	over    bool       // there is nothing more to type
	closed  bool       // the terminal is left to others, for good
	full    bool       // it was said that the line is
	columns int
	editor  lineedit.Editor
	parser  lineedit.Parser
}

// write writes p, which consists of whole lines, or of payload in a pipe.
func (s *screen) write(w io.Writer, p []byte) error {
	if s.mute.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes.Add(1)
	defer s.writes.Add(1)
	if !s.asking {
		_, err := w.Write(p)
		return err
	}
	if w == io.Writer(s.std.out) { // at once, so that nothing flickers
		_, err := w.Write(s.editor.AppendRow(append([]byte(lineedit.Erase), p...), s.columns))
		return err
	}
	io.WriteString(s.std.out, lineedit.Erase)
	_, err := w.Write(p)
	s.draw()
	return err
}

// draw shows the prompt and what has been typed. mu is held.
func (s *screen) draw() {
	s.std.out.Write(s.editor.AppendRow(nil, s.columns))
}

// canPrompt reports whether lines can be asked for: of a terminal, on a terminal that knows escape sequences.
func (std streams) canPrompt() bool {
	return canEdit && isTerminal(std.in) && isTerminal(std.out) && os.Getenv("TERM") != "dumb"
}

// open begins to ask for lines.
func (s *screen) open() error {
	raw, err := newRawTerminal(s.std.in)
	if err != nil {
		return err
	}
	s.editor.Prompt = "> "
	s.raw.Store(raw)
	return s.resume()
}

// resume asks again, after suspend.
func (s *screen) resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := s.raw.Load()
	if raw == nil || s.closed {
		return nil
	}
	if err := raw.enter(); err != nil || s.over {
		return err
	}
	s.asking = true
	s.measure()
	io.WriteString(s.std.out, markPaste)
	s.draw()
	return nil
}

// suspend takes the prompt off the terminal and leaves it as it was found.
func (s *screen) suspend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
}

// leave is suspend. mu is held.
func (s *screen) leave() {
	if s.asking {
		io.WriteString(s.std.out, lineedit.Erase+unmarkPaste)
		s.asking = false
	}
	if raw := s.raw.Load(); raw != nil {
		raw.restore()
	}
}

// goroutine runs f in one of its own. A panic there ends the process; the terminal is restored before.
func (s *screen) goroutine(f func()) {
	go func() {
		defer func() {
			if p := recover(); p != nil {
				s.restore()
				panic(p)
			}
		}()
		f()
	}()
}

// keys returns what is typed, until the end of the terminal.
func (s *screen) keys() <-chan []byte {
	keys := make(chan []byte)
	s.goroutine(func() {
		defer close(keys)
		for {
			buf := make([]byte, 4096)
			n, err := s.std.in.Read(buf)
			if n > 0 {
				keys <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	})
	return keys
}

// close is suspend for good.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
	s.over, s.closed = true, true
}

// restore leaves the terminal as it was found, when the process is about to end at once. It waits for nobody who
// writes.
func (s *screen) restore() {
	raw := s.raw.Load()
	if raw == nil {
		return
	}
	raw.restore()
	s.hurry(s.std.out, unmarkPaste)
}

// hurry writes when the process is about to end, whoever else does, and not if that takes long.
func (s *screen) hurry(w io.Writer, text string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		io.WriteString(w, text)
	}()
	select {
	case <-written:
	case <-time.After(50 * time.Millisecond): // it takes nothing
	}
}

// resize draws the row anew, when the terminal has become wider or narrower.
func (s *screen) resize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking {
		s.measure()
		s.draw()
	}
}

// measure notes how wide the terminal is. mu is held.
func (s *screen) measure() {
	s.columns = columnsOf(s.std.out)
	if s.columns == 0 {
		s.columns = byDefault
	}
}

// typed takes what was typed and returns the lines that are complete with it, and whether it ended the input.
func (s *screen) typed(p []byte) (lines []string, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asking {
		return nil, false
	}
	for _, key := range s.parser.Parse(p) {
		switch s.editor.Do(key) {
		case lineedit.Complete:
			line := s.editor.Take()
			lines = append(lines, line)
			s.full = false
			s.std.out.Write(s.transcript(line))
		case lineedit.EndOfFile:
			io.WriteString(s.std.out, lineedit.Erase+unmarkPaste)
			s.asking, s.over = false, true
			return lines, true
		case lineedit.Full:
			s.sayFull()
		case lineedit.ClearAll:
			io.WriteString(s.std.out, lineedit.ClearScreen)
		}
	}
	s.draw()
	return lines, false
}

// sayFull says, once for each line, that not all of it is there. mu is held.
func (s *screen) sayFull() {
	if !s.full {
		s.full = true
		io.WriteString(s.std.out, lineedit.Erase)
		fmt.Fprintln(s.std.err, s.tooLong)
	}
}

// transcript returns what stays on the terminal of a line that was typed: all of it, though the row showed a part.
func (s *screen) transcript(line string) []byte {
	shown := append([]byte(lineedit.Erase), s.editor.Prompt...)
	shown = append(shown, lineedit.Shown(line)...)
	return append(shown, '\n')
}
