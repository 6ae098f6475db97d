package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"hawser.example/websocket"
)

// maxTyped is how many typed lines may wait for a server that takes none, before whoever types them waits too.
const maxTyped = 64

// An outgoing is something to send.
type outgoing struct {
	op   websocket.Opcode // OpText, OpBinary, OpPing, OpPong or OpClose
	p    []byte           // the payload; the reason of a Close
	code websocket.CloseCode
	once bool // it is of the input, and so not sent again over the next connection
}

// A closing is a Close that was sent, and what came of it.
type closing struct {
	o   outgoing
	err error
}

// A source returns what is to be sent next; io.EOF if there is no more.
type source func() (outgoing, error)

// opcode returns that of the data messages that are sent.
func (f *connectFlags) opcode() websocket.Opcode {
	if f.binary {
		return websocket.OpBinary
	}
	return websocket.OpText
}

// read returns the messages of the command line.
func (f *connectFlags) read(stdin *os.File) ([]outgoing, error) {
	var all []outgoing
	for _, m := range f.messages {
		p := []byte(m.value)
		var err error
		switch {
		case m.flag == "--file" && m.value == "-":
			p, err = readAll(stdin, maxOutgoing)
		case m.flag == "--file":
			p, err = readFile(m.value)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", m.flag, err)
		case !f.binary && !utf8.Valid(p):
			return nil, fmt.Errorf("%s: a text message has to be UTF-8 (-b sends binary ones)", m.flag)
		}
		all = append(all, outgoing{op: f.opcode(), p: p})
	}
	return all, nil
}

// readFile returns what is in a file.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, maxOutgoing)
}

// readAll returns what r has, which is an error if it is more than limit bytes.
func readAll(r io.Reader, limit int) ([]byte, error) {
	p, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(p) > limit {
		err = fmt.Errorf("there are more than %d bytes in it; they would be one message", limit)
	}
	return p, err
}

// lineSource returns the lines of standard input, without their ends. One that cannot be sent is left out, and said.
func (c *client) lineSource() source {
	op := c.opcode()
	next := messageLines(newMessageReader(c.std.in), websocket.MessageType(op), func(err error) {
		c.unsent.Store(true)
		c.complain("%v", err)
	})
	return func() (outgoing, error) {
		line, err := next()
		return outgoing{op: op, p: line}, err
	}
}

// chunkSource returns what r has, as it comes.
func chunkSource(r io.Reader) source {
	chunks := &chunkReader{in: r}
	return func() (outgoing, error) {
		p, err := chunks.next()
		return outgoing{op: websocket.OpBinary, p: p}, err
	}
}

// channelSource returns what comes through a channel, until it is closed.
func channelSource(from <-chan outgoing) source {
	return func() (outgoing, error) {
		o, ok := <-from
		if !ok {
			return o, io.EOF
		}
		return o, nil
	}
}

// A link is the connection over which is sent: now one, with --reconnect later another.
type link struct {
	mu      sync.Mutex
	changed sync.Cond // L is &mu
	conn    *websocket.Conn
}

func newLink() *link {
	l := new(link)
	l.changed.L = &l.mu
	return l
}

// get waits until there is a connection.
func (l *link) get() *websocket.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.conn == nil {
		l.changed.Wait()
	}
	return l.conn
}

// set makes conn the connection.
func (l *link) set(conn *websocket.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	l.changed.Broadcast()
}

// drop forgets conn, unless there is another one already.
func (l *link) drop(conn *websocket.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == conn {
		l.conn = nil
	}
}

// pump sends what next returns, until there is no more. If the connection ends meanwhile that is for the receiver to
// judge, and with --reconnect what was not sent is sent over the next one.
func (c *client) pump(next source) error {
	for {
		o, err := next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", errInput, err)
		}
		o.once = true
		for {
			conn := c.link.get()
			err := c.send(conn, o)
			if err == nil {
				break
			}
			if !c.reconnect {
				return err
			}
			c.link.drop(conn)
		}
	}
}

// greet sends the messages of the command line over a new connection, and then tells the loop.
func (c *client) greet(conn *websocket.Conn) {
	for _, o := range c.messages {
		if c.send(conn, o) != nil {
			break // the receiver says why
		}
	}
	c.greeted <- conn
}

// send sends o. Only one goroutine sends messages over a connection, so what the connection counts meanwhile is of this
// one.
func (c *client) send(conn *websocket.Conn, o outgoing) error {
	switch o.op {
	case websocket.OpPing:
		c.pings.sent(o.p)
		return conn.WriteControl(o.op, o.p)
	case websocket.OpPong:
		return conn.WriteControl(o.op, o.p)
	case websocket.OpClose:
		c.closed <- closing{o, conn.CloseWith(o.code, string(o.p))}
		return nil
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	var before int64
	if c.says() {
		before = conn.Stats().CompressedBytesOut
	}
	err := conn.WriteMessage(websocket.MessageType(o.op), o.p)
	if err == nil && o.once {
		c.carried.Store(conn)
	}
	if err == nil && c.says() {
		c.saySent(o, conn.Stats().CompressedBytesOut-before)
	}
	return err
}

// settle waits until it has been said of the last message that it was sent: the answer to it may have been faster. It
// is called when the connection has ended, which ends what is being sent.
func (c *client) settle() {
	c.sending.Lock()
	defer c.sending.Unlock()
}
