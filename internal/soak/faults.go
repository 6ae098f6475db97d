package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"hawser.example/websocket/internal/feed"
)

// What a follower does to its connection.
const (
	faultCut       = iota // a reset
	faultLeave            // a good end
	faultStall            // reads nothing for a while
	faultUnmasked         // sends a frame that no client may
	faultTooLarge         // announces a message that is too large
	faultHalfFrame        // begins a frame, and goes
	faultHalfClose        // ends its side of the TCP connection
	faultKinds
)

var faultNames = [...]string{"cut", "left", "stalled", "unmasked frame", "too large a message", "half a frame",
	"half closed"}

// fault does something to a connection, and reports whether that has ended it.
func (s *soak) fault(stream feed.Stream, f *feed.Follower, events bool) (ended bool, err error) {
	kind := rand.N(faultKinds)
	if events {
		kind = rand.N(faultStall + 1) // what it could send is no frame
	}
	s.faults[kind].Add(1)
	c := stream.NetConn()
	switch kind {
	case faultLeave:
		return true, stream.Close()
	case faultStall:
		time.Sleep(rand.N(3 * time.Second))
		return false, nil
	case faultUnmasked:
		c.Write([]byte{0x81, 0x01, 'x'})
	case faultTooLarge:
		header := []byte{0x81, 0x80 | 127}
		c.Write(append(binary.BigEndian.AppendUint64(header, 1<<30), 1, 2, 3, 4))
	case faultHalfFrame:
		c.Write([]byte{0x81, 0x85, 1, 2})
		time.Sleep(rand.N(100 * time.Millisecond))
		stream.Cut()
		return true, nil
	case faultHalfClose:
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.CloseWrite()
		}
	case faultCut:
		stream.Cut()
		return true, nil
	}
	return true, s.untilEnd(stream, f)
}

// untilEnd reads until the server has ended the connection, which it has to do soon. What it still sends counts.
func (s *soak) untilEnd(stream feed.Stream, f *feed.Follower) error {
	defer stream.Cut()
	impatient := time.AfterFunc(patience/2, stream.Cut)
	for {
		m, err := stream.Next()
		if err != nil {
			if !impatient.Stop() {
				return errors.New("the server has not ended a connection that it had to")
			}
			return nil
		}
		if err := f.Take(m); err != nil {
			return err
		}
	}
}

// wrong are requests that the server refuses, each with the status.
var wrong = []struct {
	request string
	status  int
}{
	{"GET /topics/news HTTP/1.1\r\nHost: h\r\n\r\n", http.StatusUpgradeRequired},
	{"GET /ws?topic=a/b HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n", http.StatusBadRequest},
	{"GET /ws?topic=a&last-id=x HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n", http.StatusBadRequest},
	{"GET /topics/news HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: short\r\n\r\n", http.StatusBadRequest},
	{"GET /topics/news HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: https://evil.example\r\n\r\n", http.StatusForbidden},
	{"POST /topics/news HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", http.StatusUnauthorized},
	{"POST /topics/news HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer no\r\nContent-Length: 1\r\n\r\nx",
		http.StatusUnauthorized},
}

// bother sends wrong requests, half requests and nothing at all, until ctx ends.
func (s *soak) bother(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(10 * time.Millisecond)
		c, err := net.Dial("tcp", s.server.addr)
		if err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(patience))
		w := wrong[n%len(wrong)]
		switch n % 4 {
		case 0:
			c.(*net.TCPConn).SetLinger(0)
		case 1:
			io.WriteString(c, w.request[:strings.Index(w.request, "\r\n\r\n")-1]) // and goes
		default:
			io.WriteString(c, w.request)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil && res.StatusCode == w.status {
				s.refused.Add(1)
			}
		}
		c.Close()
	}
}
