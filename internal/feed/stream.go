package feed

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"hawser.example/websocket"
)

// A Stream is one connection to a server. One goroutine reads, any may end it.
type Stream interface {
	Next() (Message, error)
	NetConn() net.Conn // for a test that sends what is wrong
	Cut()              // ends the connection as a network that fails does, with a reset
	Close() error      // ends it well
}

// A Source says where a Stream comes from.
type Source struct {
	Server string      // HOST:PORT
	Topics []string    // names and patterns
	Header http.Header // such as Authorization
	Events bool        // server-sent events, not WebSocket
}

// Open connects, behind the message with the id last if that is not empty.
func (s Source) Open(ctx context.Context, last string) (Stream, error) {
	query := url.Values{"topic": s.Topics}
	if last != "" && !s.Events {
		query.Set("last-id", last)
	}
	target := s.Server + "/ws?" + query.Encode()
	if s.Events {
		return openEvents(ctx, "http://"+target, last, s.Header)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"hawser.v1"}}
	c, _, err := dialer.Dial(ctx, "ws://"+target, s.Header)
	if err != nil {
		return nil, err
	}
	return &socket{c: c}, nil
}

// A socket is a Stream over WebSocket.
type socket struct {
	c      *websocket.Conn
	buffer []byte
}

func (s *socket) Next() (Message, error) {
	_, p, err := s.c.AppendMessage(s.buffer[:0])
	if err != nil {
		return Message{}, err
	}
	s.buffer = p
	return parse(p)
}

func (s *socket) NetConn() net.Conn { return s.c.NetConn() }

func (s *socket) Cut() {
	if tcp, ok := s.c.NetConn().(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	s.c.CloseNow()
}

func (s *socket) Close() error { return s.c.Close() }

// An events is a Stream of server-sent events.
type events struct {
	body   io.ReadCloser
	lines  *bufio.Reader
	cancel context.CancelFunc

	mu     sync.Mutex
	socket net.Conn
}

// openEvents subscribes with a connection of its own, which Cut can reset.
func openEvents(ctx context.Context, target, last string, header http.Header) (Stream, error) {
	e := new(events)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.socket = c
		return c, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx)) // that of the body; ctx is for connecting
	e.cancel = cancel
	defer context.AfterFunc(ctx, cancel)()
	r, err := http.NewRequestWithContext(life, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := client.Do(r)
	if err != nil {
		e.cancel()
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer e.cancel()
		defer res.Body.Close()
		why, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return nil, fmt.Errorf("feed: %s: %s", res.Status, why)
	}
	e.body, e.lines = res.Body, bufio.NewReader(res.Body)
	return e, nil
}

// Next returns the next event's data. Comments and the fields of no interest are skipped.
func (e *events) Next() (Message, error) {
	var data []byte
	for {
		line, err := e.lines.ReadBytes('\n')
		switch {
		case err != nil:
			return Message{}, err
		case strings.TrimRight(string(line), "\r\n") == "" && data != nil:
			return parse(data)
		}
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimSpace(value)...)
		}
	}
}

func (e *events) NetConn() net.Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.socket
}

func (e *events) Cut() {
	if tcp, ok := e.NetConn().(*net.TCPConn); ok {
		tcp.SetLinger(0)
		tcp.Close()
	}
	e.cancel()
}

func (e *events) Close() error {
	e.cancel()
	return e.body.Close()
}
