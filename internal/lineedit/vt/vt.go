// Package vt is a terminal without glass, for tests: it understands what the programs of this project write to one, and
// tells what would be seen. What it does not understand it keeps, so that a test can fail for it.
package vt

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"hawser.example/websocket/internal/lineedit"
)

// A Screen is a terminal. It never scrolls: rows are added below. Any goroutine may use it.
type Screen struct {
	mu      sync.Mutex
	columns int
	rows    [][]string // cells; the second cell of a wide character is ""
	row     int        // of the cursor
	column  int        // of the cursor; columns: behind a character in the last one
	rest    []byte     // the beginning of a character or sequence
	paste   bool       // pasted text is to be marked
	unknown []string
}

// New returns an empty screen.
func New(columns int) *Screen { return &Screen{columns: columns, rows: [][]string{nil}} }

// Resize changes the width. What is there stays as it is.
func (s *Screen) Resize(columns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columns = columns
	s.column = min(s.column, columns)
}

// Write shows p.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := append(s.rest, p...)
	for len(in) > 0 {
		n := s.next(in)
		if n == 0 {
			break
		}
		in = in[n:]
	}
	s.rest = bytes.Clone(in)
	return len(p), nil
}

// String returns what is seen, row by row, without blanks at the ends of rows and without empty rows at the end.
func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all strings.Builder
	for _, row := range s.rows {
		all.WriteString(strings.TrimRight(strings.Join(row, ""), " ") + "\n")
	}
	return strings.TrimRight(all.String(), "\n")
}

// Row returns the row of the cursor.
func (s *Screen) Row() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimRight(strings.Join(s.rows[s.row], ""), " ")
}

// Column returns the column of the cursor.
func (s *Screen) Column() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.column
}

// Unknown returns what was not understood.
func (s *Screen) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknown
}

// MarksPaste reports whether the program wants pasted text to be marked.
func (s *Screen) MarksPaste() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paste
}

// next takes the first character or sequence of b and returns its size, 0 if it is not complete.
func (s *Screen) next(b []byte) int {
	switch {
	case b[0] == '\r':
		s.column = 0
	case b[0] == '\n':
		s.down()
	case b[0] == '\t':
		s.column = min(s.column/8*8+8, s.columns-1)
	case b[0] == 0x1b:
		return s.escape(b)
	case b[0] < ' ' || b[0] == 0x7f:
		s.unknown = append(s.unknown, string(b[:1]))
	default:
		if !utf8.FullRune(b) {
			return 0
		}
		r, n := utf8.DecodeRune(b)
		s.put(r)
		return n
	}
	return 1
}

// down goes to the next row.
func (s *Screen) down() {
	s.row++
	if s.row == len(s.rows) {
		s.rows = append(s.rows, nil)
	}
}

// put shows a character. One that does not fit goes to the next row.
func (s *Screen) put(r rune) {
	width := lineedit.Width(r)
	if width == 0 {
		if i := s.column - 1; i >= 0 && i < len(s.rows[s.row]) {
			for i > 0 && s.rows[s.row][i] == "" {
				i--
			}
			s.rows[s.row][i] += string(r)
		}
		return
	}
	if s.column+width > s.columns {
		s.column = 0
		s.down()
	}
	row := s.rows[s.row]
	for len(row) < s.column+width {
		row = append(row, " ")
	}
	row[s.column] = string(r)
	if width == 2 {
		row[s.column+1] = ""
	}
	s.rows[s.row] = row
	s.column += width
}

// escape takes an escape sequence: ESC [ parameters letter.
func (s *Screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	end := 2 + bytes.IndexFunc(b[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if b[1] != '[' {
		s.unknown = append(s.unknown, string(b[:2]))
		return 2
	}
	if end < 2 {
		return 0
	}
	params, final := string(b[2:end]), b[end]
	if !s.sequence(params, final) {
		s.unknown = append(s.unknown, fmt.Sprintf("ESC [ %s %c", params, final))
	}
	return end + 1
}

// sequence does what a sequence says. It returns false for one that it does not know.
func (s *Screen) sequence(params string, final byte) bool {
	n, err := strconv.Atoi(params)
	if err != nil {
		n = 1
	}
	row := s.rows[s.row]
	switch string(final) + params {
	case "K":
		s.rows[s.row] = row[:min(s.column, len(row))]
		return true
	case "J":
		s.rows[s.row] = row[:min(s.column, len(row))]
		s.rows = s.rows[:s.row+1]
		return true
	case "J2":
		s.rows = make([][]string, len(s.rows))
		return true
	case "H":
		s.row, s.column = 0, 0
		return true
	case "h?2004", "l?2004":
		s.paste = final == 'h'
		return true
	}
	switch final {
	case 'C':
		s.column = min(s.column+n, s.columns-1)
	case 'D':
		s.column = max(s.column-n, 0)
	case 'A':
		s.row = max(s.row-n, 0)
	case 'm': // colours are not seen here
	default:
		return false
	}
	return true
}
