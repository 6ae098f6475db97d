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
	for {
		select {
		case p, ok := <-keys:
			lines, over := l.screen.typed(p)
			for _, line := range lines {
				typed <- line
			}
			if over {
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
