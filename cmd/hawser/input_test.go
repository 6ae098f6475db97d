package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"hawser.example/websocket"
)

var errTooLong = errors.New("too long")

// linesRead returns what a lineReader makes of r. In place of a line that was too long there is "…".
func linesRead(r io.Reader, limit int) (got []string, err error) {
	lines := newLineReader(r, limit, errTooLong)
	for {
		line, err := lines.next()
		switch err {
		case nil:
			got = append(got, string(line))
		case errTooLong:
			got = append(got, "…")
		case io.EOF:
			return got, nil
		default:
			return got, err
		}
	}
}

// TestLineReader: every way in which lines can end, and a bound.
func TestLineReader(t *testing.T) {
	const limit = 3 * chunkSize
	full := strings.Repeat("x", limit)
	for input, want := range map[string][]string{
		"":                                   nil,
		"\n":                                 {""},
		"a":                                  {"a"},
		"a\r\nb\n\nc":                        {"a", "b", "", "c"},
		"a\rb\r\r\n":                         {"a\rb\r"},
		full[:chunkSize] + "\n" + full[1:]:   {full[:chunkSize], full[1:]},
		full[:chunkSize-1] + "\r\nz":         {full[:chunkSize-1], "z"},
		full + "\n" + full + "\r\n" + full:   {full, full, full},
		full + "x\nb":                        {"…", "b"},
		full + "x\r\nb":                      {"…", "b"},
		full + "x":                           {"…"},
		"a\n" + full + full + "\nb\n" + full: {"a", "…", "b", full},
		full + full + full:                   {"…"},
	} {
		for how, r := range map[string]io.Reader{
			"at once": strings.NewReader(input), "in halves": iotest.HalfReader(strings.NewReader(input)),
			"with its end": iotest.DataErrReader(strings.NewReader(input)),
		} {
			if got, err := linesRead(r, limit); err != nil || !slices.Equal(got, want) {
				t.Errorf("%.20q %s: %.40q, %v; want %.40q", input, how, got, err, want)
			}
		}
	}
	lost := errors.New("lost")
	got, err := linesRead(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(lost)), limit)
	if err != lost || !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q, %v; want the whole line, and the error", got, err)
	}
}

// TestMessageLines: what cannot be a message is left out and said, with its number, and the others come.
func TestMessageLines(t *testing.T) {
	const limit = 2 * chunkSize
	input := "one\n\xff\nthree\n" + strings.Repeat("x", limit+1) + "\nfive"
	for mt, want := range map[websocket.MessageType]struct{ lines, said []string }{
		websocket.TextMessage: {[]string{"one", "three", "five"}, []string{
			"standard input, line 2 was not sent: a text message has to be UTF-8; -b sends bytes",
			"standard input, line 4 was not sent: too long"}},
		websocket.BinaryMessage: {[]string{"one", "\xff", "three", "five"}, []string{
			"standard input, line 4 was not sent: too long"}},
	} {
		var got, said []string
		next := messageLines(newLineReader(strings.NewReader(input), limit, errTooLong), mt,
			func(err error) { said = append(said, err.Error()) })
		err := each(next, func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil || !slices.Equal(got, want.lines) || !slices.Equal(said, want.said) {
			t.Errorf("%v: %q, said %q, %v; want %q", mt, got, said, err, want)
		}
	}
}

// TestLineReaderGivesUpAtOnce: a line without an end is an error, not all of the memory, nor a read without end.
func TestLineReaderGivesUpAtOnce(t *testing.T) {
	endless := &io.LimitedReader{R: zeros{}, N: 1 << 40}
	if _, err := newLineReader(endless, chunkSize, errTooLong).next(); err != errTooLong {
		t.Errorf("%v; want that it is too long", err)
	}
	if read := 1<<40 - endless.N; read > 4*chunkSize {
		t.Errorf("%d bytes were read", read)
	}
}

// TestChunkReader: what comes, in its order, and what ends it.
func TestChunkReader(t *testing.T) {
	sent := strings.Repeat("0123456789", chunkSize/5)
	for how, r := range map[string]io.Reader{
		"at once": strings.NewReader(sent), "with its end": iotest.DataErrReader(strings.NewReader(sent)),
	} {
		var got strings.Builder
		chunks := &chunkReader{in: r}
		err := each(chunks.next, func(p []byte) error {
			if len(p) == 0 || len(p) > chunkSize {
				t.Errorf("%s: a chunk of %d bytes", how, len(p))
			}
			got.Write(p)
			return nil
		})
		if err != nil || got.String() != sent {
			t.Errorf("%s: %d bytes, %v; want %d", how, got.Len(), err, len(sent))
		}
	}
	stop := errors.New("stop")
	chunks := &chunkReader{in: strings.NewReader("a")}
	if err := each(chunks.next, func([]byte) error { return stop }); err != stop {
		t.Errorf("%v; want what the function returns", err)
	}
}

// zeros is as many bytes as are asked for.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
