package main

import (
	"hawser.example/websocket"
)

// This file is the prompt of "hawser listen" on a terminal: the screen of "hawser connect", and all lines are messages.

// sendTyped asks for lines and sends them to all clients, until the run ends. It reports whether the terminal can do
// that.
func (l *listener) sendTyped() bool {
	var terminal terminalSignals
	terminal.listen()
	defer terminal.unlisten()
	if err := l.screen.open(); err != nil {
		l.complain("no line editing on this terminal: %v", err)
		return false
	}
	typed := make(chan string, maxTyped)
	defer close(typed)
	l.screen.goroutine(func() { // a client that takes nothing holds up the others, not the terminal
		for line := range typed {
			l.sendAll(websocket.TextMessage, []byte(line)) // the editor makes UTF-8 only
		}
	})
	keys := l.screen.keys()
	var lines []string // that wait; meanwhile nobody asks for more
	for {
		from, to, next := keys, chan<- string(nil), ""
		if len(lines) > 0 {
			from, to, next = nil, typed, lines[0]
		}
		select {
		case to <- next:
			lines = lines[1:]
		case p, ok := <-from:
			var over bool
			if lines, over = l.screen.typed(p); over {
				l.complain("the input has ended; Ctrl-C ends it all")
			}
			if over || !ok {
				keys = nil
			}
		case <-terminal.resized:
			l.screen.resize()
		case <-terminal.suspended:
			l.screen.suspend()
			terminal.suspend()
			l.screen.resume()
		case <-terminal.continued:
			l.screen.resume()
		case <-l.life.Done():
			return true
		}
	}
}
