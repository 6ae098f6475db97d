// A server on github.com/gobwas/ws, on bare sockets as its documentation advises: the zero-copy upgrade, a buffered
// reader for headers, payloads read to their exact size into the buffer they leave from, one write for header and
// payload; broadcasts are compiled frames.
package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	ln = c.Listener(ln)
	room := &host.Room[net.Conn]{}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			if upgrade(nc, c) != nil {
				return
			}
			conn := &conn{nc: nc, in: bufio.NewReaderSize(nc, 4096), deflate: c.Compression != ""}
			if c.Broadcast {
				room.Join(nc)
				defer room.Leave(nc)
				conn.room = room
			}
			for conn.serveFrame() == nil {
			}
		}()
	}
}

// upgrade agrees to permessage-deflate without context takeover, the only kind that the library has.
func upgrade(nc net.Conn, c host.Config) error {
	u := ws.Upgrader{}
	if c.Compression != "" {
		extension := wsflate.Extension{Parameters: wsflate.DefaultParameters}
		u.Negotiate = func(o httphead.Option) (httphead.Option, error) { return extension.Negotiate(o) }
	}
	_, err := u.Upgrade(nc)
	return err
}

type conn struct {
	nc      net.Conn
	in      *bufio.Reader
	scratch [ws.MaxHeaderSize]byte
	header  bytes.Buffer
	frame   []byte // a header and its payload
	deflate bool
	room    *host.Room[net.Conn] // nil for an echo
}

// serveFrame reads a frame and answers it. Nobody here sends fragments.
func (c *conn) serveFrame() error {
	h, err := ws.ReadHeaderBuffer(c.in, c.scratch[:])
	if err != nil {
		return err
	}
	key := h.Mask
	h.Masked, h.Mask = false, [4]byte{}
	c.header.Reset()
	if err := ws.WriteHeader(&c.header, h); err != nil {
		return err
	}
	start := c.header.Len()
	size := start + int(h.Length)
	c.frame = slices.Grow(c.frame[:0], size)[:size]
	copy(c.frame, c.header.Bytes())
	payload := c.frame[start:]
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return err
	}
	ws.Cipher(payload, key, 0)
	return c.answer(h, c.frame, start)
}

// answer is given a whole server frame that holds what the client sent.
func (c *conn) answer(h ws.Header, frame []byte, payload int) error {
	switch {
	case h.OpCode == ws.OpClose:
		c.nc.Write(frame)
		return io.EOF
	case h.OpCode.IsControl():
		return nil
	case c.room != nil:
		c.room.Each(func(nc net.Conn) { nc.Write(frame) })
		return nil
	case c.deflate && h.Rsv1():
		return c.reflate(h, frame[payload:])
	}
	_, err := c.nc.Write(frame)
	return err
}

func (c *conn) reflate(h ws.Header, p []byte) error {
	plain, err := wsflate.DecompressFrame(ws.Frame{Header: h, Payload: p})
	if err != nil {
		return err
	}
	frame, err := wsflate.CompressFrame(plain)
	if err != nil {
		return err
	}
	compiled, err := ws.CompileFrame(frame)
	if err != nil {
		return err
	}
	_, err = c.nc.Write(compiled)
	return err
}
