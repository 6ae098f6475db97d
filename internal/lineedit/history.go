package lineedit

// What a history holds at most.
const (
	maxHistory      = 1000    // lines
	maxHistoryBytes = 4 << 20 // of all of them
)

// A history is the lines that were taken, the oldest first, and the place in them that the arrow keys have reached.
type history struct {
	lines []string
	bytes int
	back  int    // how far back: 0 is the new line, 1 the last one of lines
	draft string // the new line, while an older one is shown
}

// add appends a line, unless it is empty or the same as the last one, and forgets the oldest ones if there are too
// many.
func (h *history) add(line string) {
	h.back, h.draft = 0, ""
	if line == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	h.bytes += len(line)
	for len(h.lines) > maxHistory || h.bytes > maxHistoryBytes {
		h.bytes -= len(h.lines[0])
		h.lines[0] = ""
		h.lines = h.lines[1:]
	}
}

// before returns the line before the one that is shown, which is now.
func (h *history) before(now string) (line string, ok bool) {
	if h.back == len(h.lines) {
		return "", false
	}
	if h.back == 0 {
		h.draft = now
	}
	h.back++
	return h.lines[len(h.lines)-h.back], true
}

// after returns the line after the one that is shown.
func (h *history) after() (line string, ok bool) {
	switch h.back {
	case 0:
		return "", false
	case 1:
		h.back = 0
		return h.draft, true
	}
	h.back--
	return h.lines[len(h.lines)-h.back], true
}
