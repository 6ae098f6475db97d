package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"hawser.example/websocket"
)

// A loadConn is a connection, and the Handler that is told what comes over it.
type loadConn struct {
	l     *loadRun
	c     *websocket.Conn
	known arrivalCheck // the reader's
}

// Message judges and counts a message.
func (c *loadConn) Message(_ *websocket.Conn, _ websocket.MessageType, p []byte) {
	l := c.l
	now := time.Since(l.begun)
	n, sent, ok := parseLoad(p, l.id)
	if !ok || len(p) != l.size || int(n) >= len(l.messages) {
		l.stats.fail("received: a message that is not ours, or was changed", nil)
		return
	}
	switch c.known.add(n) {
	case repeated:
		l.stats.twice.Add(1)
		return
	case belated:
		l.stats.fail(fmt.Sprintf("received: a message behind %d later ones", loadWindow), nil)
		return
	}
	m := &l.messages[n]
	m.received.Add(1)
	raise(&m.slowest, int64(now-sent))
	l.stats.delivery.add(now - sent)
	l.stats.received.Add(1)
}

// Closed counts an end that we have not brought about.
func (c *loadConn) Closed(_ *websocket.Conn, err error) {
	c.l.stats.open.Add(-1)
	if !errors.Is(err, net.ErrClosed) && !c.l.stats.closing.Load() {
		c.l.stats.fail(endKind(err), err)
	}
}

// dialKind says in a few words why a connection could not be opened.
func dialKind(err *websocket.HandshakeError) string {
	switch {
	case err.Status != 0:
		return fmt.Sprintf("connect: status %d", err.Status)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "connect: it took too long"
	}
	return "connect: " + systemKind(err, err.Check+" failed")
}

// endKind says in a few words why a connection ended.
func endKind(err error) string {
	var closed *websocket.CloseError
	var wrong *websocket.ProtocolError
	switch {
	case errors.As(err, &closed):
		return fmt.Sprintf("connection: closed with code %d", closed.Code)
	case errors.As(err, &wrong):
		return "connection: the server broke a rule"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "connection: the server took nothing more"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection: lost without a Close"
	}
	return "connection: " + systemKind(err, "failed")
}

// systemKind returns what the system says, or else otherwise.
func systemKind(err error, otherwise string) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return otherwise
}

// A message is the run's id, its number and the time when it was sent, all in hexadecimal with a space behind, and dots
// up to its size.
const (
	loadIDSize     = 8
	loadNumberSize = 8
	loadTimeSize   = 16
	loadHeader     = loadIDSize + loadNumberSize + loadTimeSize + 3
)

// appendLoad appends a message.
func appendLoad(b []byte, id string, n uint32, sent time.Duration, size int) []byte {
	end := len(b) + size
	b = fmt.Appendf(b, "%s %08x %016x ", id, n, uint64(sent))
	return append(b, bytes.Repeat([]byte("."), max(end-len(b), 0))...)
}

// parseLoad reads a message of the run id.
func parseLoad(p []byte, id string) (n uint32, sent time.Duration, ok bool) {
	if len(p) < loadHeader || string(p[:loadIDSize]) != id || p[loadIDSize] != ' ' || p[loadHeader-1] != ' ' {
		return 0, 0, false
	}
	const number = loadIDSize + 1
	const stamp = number + loadNumberSize + 1
	first, err := strconv.ParseUint(string(p[number:number+loadNumberSize]), 16, 32)
	second, err2 := strconv.ParseUint(string(p[stamp:stamp+loadTimeSize]), 16, 63)
	if err != nil || err2 != nil || p[stamp-1] != ' ' || len(bytes.Trim(p[loadHeader:], ".")) > 0 {
		return 0, 0, false
	}
	return uint32(first), time.Duration(second), true
}
