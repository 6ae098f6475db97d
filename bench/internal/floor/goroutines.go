package floor

import (
	"io"
	"net"
	"sync"
	"syscall"

	"hawser.example/websocket/bench/internal/host"
)

const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// pump moves bytes from a connection to write until one of them fails.
type pump func(nc *net.TCPConn, write func([]byte) error) error

// ServeConn has a goroutine for each connection, which waits in Conn.Read. Its buffer is small until a read fills it.
func ServeConn(ln net.Listener, c host.Config) error { return serve(ln, c, pumpConn) }

// ServeRawConn has a goroutine for each connection, which waits in RawConn.Read and holds no buffer meanwhile.
func ServeRawConn(ln net.Listener, c host.Config) error { return serve(ln, c, pumpRawConn) }

func serve(ln net.Listener, c host.Config, p pump) error {
	room := &host.Room[net.Conn]{}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			if upgrade(nc) != nil {
				return
			}
			write := func(b []byte) error {
				_, err := nc.Write(b)
				return err
			}
			if c.Broadcast {
				room.Join(nc)
				defer room.Leave(nc)
				write = func(b []byte) error {
					room.Each(func(nc net.Conn) { nc.Write(b) })
					return nil
				}
			}
			p(nc.(*net.TCPConn), write)
		}()
	}
}

func upgrade(nc net.Conn) error {
	buf := make([]byte, maxRequest)
	for n := 0; ; {
		m, err := nc.Read(buf[n:])
		if err != nil {
			return err
		}
		n += m
		out, err := answer(buf[:n])
		if err != nil {
			return err
		}
		if out != nil {
			_, err := nc.Write(out)
			return err
		}
	}
}

func pumpConn(nc *net.TCPConn, write func([]byte) error) error {
	buf := make([]byte, smallBuffer)
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return err
		}
		if err := write(buf[:n]); err != nil {
			return err
		}
		if n == smallBuffer && len(buf) == n {
			buf = make([]byte, largeBuffer)
		}
	}
}

var buffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// A rawReader takes a buffer when there is something to read, and leaves it behind when it parks. It parks only after a
// read that found nothing: readiness is edge-triggered, and the edge of a FIN that came together with the last bytes is
// gone once they are read.
type rawReader struct {
	buf *[largeBuffer]byte // nil while parked
	n   int
	err error
}

func (r *rawReader) try(fd uintptr) bool {
	if r.buf == nil {
		r.buf = buffers.Get().(*[largeBuffer]byte)
	}
	for {
		r.n, r.err = syscall.Read(int(fd), r.buf[:])
		switch r.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.release()
			return false
		}
		return true
	}
}

func (r *rawReader) release() {
	buffers.Put(r.buf)
	r.buf = nil
}

func pumpRawConn(nc *net.TCPConn, write func([]byte) error) error {
	raw, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	r := &rawReader{}
	defer func() {
		if r.buf != nil {
			r.release()
		}
	}()
	for {
		if err := raw.Read(r.try); err != nil {
			return err
		}
		if r.err != nil {
			return r.err
		}
		if r.n == 0 {
			return io.EOF
		}
		if err := write(r.buf[:r.n]); err != nil {
			return err
		}
	}
}
