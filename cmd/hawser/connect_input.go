package main

import (
	"errors"
	"time"

	"hawser.example/websocket"
)

// This file is what the loop does about input: where it comes from, the lines of the prompt, and its end.

// beginInput begins to read what is to be sent, unless that is done or it is all on the command line.
func (c *client) beginInput() {
	if c.begun {
		return
	}
	c.begun = true
	next := c.lineSource()
	switch {
	case c.prompt && c.openPrompt():
		next = channelSource(c.typed)
	case len(c.messages) > 0:
		c.inputOver(nil)
		return
	case c.binary && !c.attended:
		next = chunkSource(c.std.in)
	}
	c.screen.goroutine(func() { c.sent <- c.pump(next) })
}

// openPrompt begins to ask for lines. It reports whether the terminal can do that.
func (c *client) openPrompt() bool {
	c.terminal.listen()
	if err := c.screen.open(); err != nil {
		c.terminal.unlisten()
		c.note("no line editing on this terminal: %v", err)
		return false
	}
	c.typed = make(chan outgoing, maxTyped)
	c.keys = c.screen.keys()
	return true
}

// pressed takes what was typed. It ends with the terminal or with Ctrl-D.
func (c *client) pressed(p []byte, ok bool) {
	if !ok {
		c.keys = nil
		c.endTyping()
		return
	}
	lines, over := c.screen.typed(p)
	for _, line := range lines {
		c.enter(line)
	}
	if over {
		c.say("the input has ended; Ctrl-C ends the connection")
		c.endTyping()
	}
}

// enter does what a line asks for.
func (c *client) enter(line string) {
	o, err := parseLine(line, c.opcode())
	switch {
	case err == errHelp:
		c.screen.write(c.std.err, []byte(commandHelp))
		return
	case err != nil:
		c.say("%v", err)
		return
	}
	c.closing = c.closing || o.op == websocket.OpClose
	c.queued = append(c.queued, o)
}

// endTyping tells who sends that there is no more, behind what is queued.
func (c *client) endTyping() {
	c.typedAll = true
	c.passEnd()
}

// passEnd closes typed when it has had all.
func (c *client) passEnd() {
	if c.typedAll && len(c.queued) == 0 && c.typed != nil {
		close(c.typed)
		c.typed = nil
	}
}

// inputOver is told that there is nothing more to send, or why not all could be sent.
func (c *client) inputOver(err error) {
	if errors.Is(err, errInput) { // else the connection has ended, which is the receiver's to judge
		c.complain("not all was sent: %v", err)
		c.failed = true
	}
	if c.limit > 0 {
		c.idle = time.NewTimer(c.limit)
		c.idleOver = c.idle.C
	}
}
