package load

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"hawser.example/websocket/bench/internal/frames"
)

// A Load is what the connections of a Client do, over and over.
type Load struct {
	// Turns are what a connection sends: Turns[i % len] in its turn i. In an echo every connection takes its next turn
	// when the reply to the last one is complete.
	Turns [][]byte
	// Check makes what checks the replies to connection number i.
	Check func(i int) frames.Checker
	// Messages is how many arrive at a connection in a turn.
	Messages int
	// Publishers is 0 for an echo. In a broadcast the first so many connections send, all of them receive, and the next
	// turn begins when it is complete everywhere.
	Publishers int
}

const (
	readSize = 256 << 10
	maxReady = 512
	longest  = 50               // ms of an epoll_wait, during which the Go runtime cannot stop this thread
	patience = 20 * time.Second // without any progress
)

// A conn is a connection and its part of the Load.
type conn struct {
	*socket
	check frames.Checker
	turn  int
}

// A Client is connections to one server. It belongs to one goroutine.
type Client struct {
	target Target
	epoll  int
	conns  []*conn
	buf    []byte
	events []unix.EpollEvent

	load    Load
	last    int  // number of turns after which a connection rests; 0: it does not
	resting bool // no connection takes another turn
	pending int  // connections that have not finished their turn
	count   int64
	active  time.Time
}

const together = 64 // connections that are made at the same time

// Open makes n connections.
func Open(t Target, n int) (*Client, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c := &Client{target: t, epoll: epoll, buf: make([]byte, readSize), events: make([]unix.EpollEvent, maxReady)}
	for len(c.conns) < n {
		if err := c.open(min(together, n-len(c.conns))); err != nil {
			c.Close()
			return nil, fmt.Errorf("connection %d: %w", len(c.conns), err)
		}
	}
	return c, nil
}

// open makes n more connections. All ask for the upgrade before the first answer is waited for.
func (c *Client) open(n int) error {
	first := len(c.conns)
	for i := range n {
		s, err := c.target.dial(first + i)
		if err != nil {
			return err
		}
		c.conns = append(c.conns, &conn{socket: s})
	}
	for i := range n {
		if err := c.target.complete(c.conns[first+i].socket); err != nil {
			return err
		}
		if err := c.watch(unix.EPOLL_CTL_ADD, first+i, unix.EPOLLIN); err != nil {
			return err
		}
	}
	return nil
}

// Close cuts all connections.
func (c *Client) Close() {
	for _, conn := range c.conns {
		conn.cut()
	}
	unix.Close(c.epoll)
}

// watch has events of connection i reported under its number.
func (c *Client) watch(op, i int, events uint32) error {
	return unix.EpollCtl(c.epoll, op, c.conns[i].fd, &unix.EpollEvent{Events: events, Fd: int32(i)})
}

// prepare is the beginning of a Load.
func (c *Client) prepare(l Load) {
	c.load, c.last, c.count = l, 0, 0
	for i, conn := range c.conns {
		conn.check, conn.turn = l.Check(i), 0
		conn.check.Expect(0)
	}
}

// start has all connections take a turn, and then the next ones.
func (c *Client) start() error {
	c.resting, c.active = false, time.Now()
	c.pending = len(c.conns)
	for i := range c.conns[:c.senders()] {
		if err := c.take(i); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) rest()          { c.resting = true }
func (c *Client) idle() bool     { return c.pending == 0 }
func (c *Client) counted() int64 { return c.count }

func (c *Client) senders() int {
	if c.load.Publishers > 0 {
		return min(c.load.Publishers, len(c.conns))
	}
	return len(c.conns)
}

// take sends what belongs to the turn of connection i.
func (c *Client) take(i int) error {
	conn := c.conns[i]
	if err := conn.send(c.load.Turns[conn.turn%len(c.load.Turns)]); err != nil {
		return c.failed(i, err)
	}
	if conn.unsent != nil {
		return c.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return nil
}

// step waits for events, not for long, and handles them.
func (c *Client) step() error {
	n, err := c.wait()
	if err != nil {
		return err
	}
	for _, e := range c.events[:n] {
		if e.Events&unix.EPOLLOUT != 0 {
			if err := c.flush(int(e.Fd)); err != nil {
				return err
			}
		}
		if e.Events&^unix.EPOLLOUT != 0 {
			if err := c.receive(int(e.Fd)); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait waits for events, not for long. Too long without any is an error.
func (c *Client) wait() (int, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(c.epoll), uintptr(unsafe.Pointer(&c.events[0])),
		uintptr(len(c.events)), longest, 0, 0)
	switch errno {
	case 0:
	case syscall.EINTR:
		n = 0 // it is -1
	default:
		return 0, errno
	}
	if now := time.Now(); n > 0 {
		c.active = now
	} else if now.Sub(c.active) > patience {
		return 0, fmt.Errorf("the server has sent nothing for %v", patience)
	}
	return int(n), nil
}

func (c *Client) flush(i int) error {
	conn := c.conns[i]
	if conn.unsent == nil {
		return nil
	}
	if err := conn.flush(); err != nil {
		return c.failed(i, err)
	}
	if conn.unsent == nil {
		return c.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
	}
	return nil
}

// receive reads from connection i: once from a plain socket, since what remains raises the next event; from TLS until
// nothing is left.
func (c *Client) receive(i int) error {
	conn := c.conns[i]
	for {
		n, err := conn.read(c.buf)
		if err == errAgain {
			return nil
		}
		if err != nil {
			return c.failed(i, err)
		}
		done, err := conn.check.Feed(c.buf[:n])
		if err != nil {
			return c.failed(i, err)
		}
		if done {
			if err := c.finish(i); err != nil {
				return err
			}
		}
		if conn.tls == nil {
			return nil
		}
	}
}

// finish ends a turn of connection i, and begins what comes next.
func (c *Client) finish(i int) error {
	c.count += int64(c.load.Messages)
	c.pending--
	conn := c.conns[i]
	conn.turn++
	conn.check.Expect(conn.turn)
	if c.resting || conn.turn == c.last {
		return nil
	}
	if c.load.Publishers == 0 {
		c.pending++
		return c.take(i)
	}
	if c.pending > 0 {
		return nil
	}
	return c.start()
}

func (c *Client) failed(i int, err error) error {
	return fmt.Errorf("connection %d, turn %d: %w", i, c.conns[i].turn, err)
}

// Turns has all connections take so many turns, and waits for the replies.
func (c *Client) Turns(l Load, turns int) error {
	c.prepare(l)
	c.last = turns
	if err := c.start(); err != nil {
		return err
	}
	for !c.idle() {
		if err := c.step(); err != nil {
			return err
		}
	}
	return nil
}
