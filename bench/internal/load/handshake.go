package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hawser.example/websocket/bench/internal/frames"
)

// What a connection of the handshake load waits for.
type phase int

const (
	upgrading phase = iota
	closing         // for the server's Close
	ending          // for the end of TCP
)

// A greeter is a connection that is upgraded, closed and made anew.
type greeter struct {
	*socket
	phase phase
	got   []byte
}

// A handshaker keeps some connections in the making. It uses the Client's epoll set and buffers; the sockets block, but
// are read only when there is something to read, and what is written always fits.
type handshaker struct {
	*Client
	slots   []*greeter
	request []byte
	dialled int
}

// Handshakes connects, upgrades and closes, so many at the same time, for a while.
func Handshakes(t Target, parallel int, s Span) (Result, error) {
	c, err := Open(t, 0)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	h := &handshaker{Client: c, request: t.request()}
	defer h.cutAll()
	for range parallel {
		h.slots = append(h.slots, &greeter{})
	}
	return s.measure(t.PID, h)
}

func (h *handshaker) start() error {
	h.resting, h.active = false, time.Now()
	for i := range h.slots {
		if err := h.greet(i); err != nil {
			return err
		}
	}
	return nil
}

func (h *handshaker) idle() bool {
	for _, g := range h.slots {
		if g.socket != nil {
			return false
		}
	}
	return true
}

func (h *handshaker) cutAll() {
	for _, g := range h.slots {
		if g.socket != nil {
			g.cut()
		}
	}
}

func (h *handshaker) greet(i int) error {
	s, err := h.target.connect(h.dialled)
	if err != nil {
		return err
	}
	h.dialled++
	g := h.slots[i]
	g.socket, g.phase, g.got = s, upgrading, g.got[:0]
	if err := s.send(h.request); err != nil {
		return err
	}
	return unix.EpollCtl(h.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

func (h *handshaker) step() error {
	n, err := h.wait()
	if err != nil {
		return err
	}
	for _, e := range h.events[:n] {
		if err := h.serve(int(e.Fd)); err != nil {
			return fmt.Errorf("handshake %d: %w", h.dialled, err)
		}
	}
	return nil
}

func (h *handshaker) serve(i int) error {
	g := h.slots[i]
	n, err := g.read(h.buf)
	if g.phase == ending && (err == io.EOF || err == error(syscall.ECONNRESET)) {
		return h.restart(i)
	}
	if err != nil {
		return err
	}
	g.got = append(g.got, h.buf[:n]...)
	switch g.phase {
	case upgrading:
		if !bytes.Contains(g.got, endOfHeader) {
			return nil
		}
		if err := h.target.checkResponse(g.got); err != nil {
			return err
		}
		g.phase, g.got = closing, g.got[:0]
		return g.send(frames.CloseFrame)
	case closing:
		return h.closed(i)
	}
	return errors.New("bytes behind the Close")
}

// closed looks at the answer to our Close. A floor sends it back and does not know what it means, so we end.
func (h *handshaker) closed(i int) error {
	g := h.slots[i]
	if h.target.Floor {
		if len(g.got) < len(frames.CloseFrame) {
			return nil
		}
		return h.restart(i)
	}
	f, n := frames.ParseHeader(g.got)
	if n == 0 || len(g.got) < n+f.Length {
		return nil
	}
	if f.Opcode != frames.Close || f.Masked || !f.Fin {
		return fmt.Errorf("the answer to the Close is %x", g.got)
	}
	g.phase = ending
	return nil
}

func (h *handshaker) restart(i int) error {
	unix.Close(h.slots[i].fd)
	h.slots[i].socket = nil
	h.count++
	if h.resting {
		return nil
	}
	return h.greet(i)
}
