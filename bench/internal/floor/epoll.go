package floor

import (
	"net"
	"runtime"

	"golang.org/x/sys/unix"

	"hawser.example/websocket/bench/internal/host"
)

// A socket is a connection of the epoll loop.
type socket struct {
	request  []byte // until it is complete
	upgraded bool
	unsent   []byte // what the socket did not take: the end of rest
	rest     []byte
}

// A loop is one thread that waits for all sockets at once.
type loop struct {
	epoll, listener int
	broadcast       bool
	sockets         []*socket // by descriptor; nil where there is none
	buf             []byte
}

// ServeEpoll has one thread and no goroutine for a connection.
func ServeEpoll(ln net.Listener, c host.Config) error {
	runtime.LockOSThread()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	ln.Close() // file is a copy of it
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	l := &loop{
		epoll:     epoll,
		listener:  int(file.Fd()),
		broadcast: c.Broadcast,
		buf:       make([]byte, largeBuffer),
	}
	if err := unix.SetNonblock(l.listener, true); err != nil {
		return err
	}
	if err := l.watch(unix.EPOLL_CTL_ADD, int32(l.listener), unix.EPOLLIN); err != nil {
		return err
	}
	return l.run()
}

func (l *loop) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd == int32(l.listener) {
				err = l.accept()
			} else {
				err = l.serve(e)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (l *loop) watch(op int, fd int32, events uint32) error {
	return unix.EpollCtl(l.epoll, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd})
}

func (l *loop) accept() error {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return nil
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			return err
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		for len(l.sockets) <= fd {
			l.sockets = append(l.sockets, nil)
		}
		l.sockets[fd] = &socket{}
		if err := l.watch(unix.EPOLL_CTL_ADD, int32(fd), unix.EPOLLIN); err != nil {
			return err
		}
	}
}

// serve reads once; what remains raises the next event.
func (l *loop) serve(e unix.EpollEvent) error {
	s := l.sockets[e.Fd]
	if s == nil {
		return nil // closed by an event before it
	}
	if e.Events&unix.EPOLLOUT != 0 {
		return l.flush(e.Fd, s)
	}
	n, err := unix.Read(int(e.Fd), l.buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return nil
	}
	if n <= 0 {
		l.close(e.Fd)
		return nil
	}
	if !s.upgraded {
		return l.upgrade(e.Fd, s, l.buf[:n])
	}
	if !l.broadcast {
		return l.write(e.Fd, s, l.buf[:n])
	}
	for fd, s := range l.sockets {
		if s != nil && s.upgraded {
			if err := l.write(int32(fd), s, l.buf[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loop) upgrade(fd int32, s *socket, p []byte) error {
	s.request = append(s.request, p...)
	out, err := answer(s.request)
	if err != nil {
		l.close(fd)
		return nil
	}
	if out == nil {
		return nil
	}
	s.upgraded, s.request = true, nil
	host.Joined.Add(1)
	return l.write(fd, s, out)
}

// write keeps what the socket does not take. While there is such a rest, nothing is read from the socket.
func (l *loop) write(fd int32, s *socket, p []byte) error {
	if s.unsent != nil {
		s.unsent = append(s.unsent, p...)
		return nil
	}
	n, ok := l.tryWrite(fd, p)
	if !ok || n == len(p) {
		return nil
	}
	s.rest = append(s.rest[:0], p[n:]...)
	s.unsent = s.rest
	return l.watch(unix.EPOLL_CTL_MOD, fd, unix.EPOLLOUT)
}

// tryWrite returns how much the socket takes, false if it is closed.
func (l *loop) tryWrite(fd int32, p []byte) (int, bool) {
	n, err := unix.Write(int(fd), p)
	if err == unix.EAGAIN {
		return 0, true
	}
	if err != nil {
		l.close(fd)
		return 0, false
	}
	return n, true
}

func (l *loop) flush(fd int32, s *socket) error {
	n, ok := l.tryWrite(fd, s.unsent)
	if !ok {
		return nil
	}
	if s.unsent = s.unsent[n:]; len(s.unsent) > 0 {
		return nil
	}
	s.unsent = nil
	return l.watch(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN)
}

func (l *loop) close(fd int32) {
	l.sockets[fd] = nil
	unix.Close(int(fd)) // which also ends its watch
}
