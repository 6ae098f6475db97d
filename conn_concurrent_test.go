package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

const (
	crowdWriters  = 100
	crowdMessages = 4 // of each writer
)

// crowdText is message number seq of writer id: it tells which one it is, and its size is one of several that take
// different ways to the socket.
func crowdText(id, seq int) string {
	size := [...]int{0, 3, 500, 16 << 10, 125, 20_000, 1, 70_000}[(id+seq)%8]
	return fmt.Sprintf("%d %d ", id, seq) + strings.Repeat(string(rune('a'+id%26)), size)
}

// crowdWrite sends message seq of writer id, each writer in its own way.
func crowdWrite(c *Conn, id, seq int) error {
	p := []byte(crowdText(id, seq))
	switch id % 4 {
	case 0:
		m, err := NewPreparedMessage(TextMessage, p)
		if err != nil {
			return err
		}
		return c.WritePrepared(m)
	case 1:
		w, err := c.NextWriter(BinaryMessage)
		if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		return w.Close()
	}
	return c.WriteMessage(BinaryMessage, p)
}

// A crowdPeer parses the raw frames of a crowd. It answers Pings and our Close.
type crowdPeer struct {
	*rawPeer
	seen    [crowdWriters]int // messages of each writer
	message strings.Builder   // the one that is arriving in fragments
	inside  bool
}

// run reads until the end of the stream. It calls each for each message. An error says what was out of place.
func (p *crowdPeer) run(each func()) error {
	for {
		f, err := p.read()
		if err != nil {
			return fmt.Errorf("before a Close: %w", err)
		}
		switch f.Opcode {
		case OpPing:
			p.send(OpPong, f.payload)
		case OpPong:
		case OpClose:
			p.send(OpClose, f.payload)
			if p.role == serverRole {
				return p.nc.Close() // the client waits for that
			}
			if f, err := p.read(); err == nil {
				return fmt.Errorf("%v behind the Close", f)
			}
			return nil
		default:
			if err := p.data(f); err != nil {
				return err
			}
			if f.Fin {
				each()
			}
		}
	}
}

// data takes a frame of a message. RFC 6455, section 5.4: fragments of two messages are not interleaved.
func (p *crowdPeer) data(f rawFrame) error {
	if p.inside != (f.Opcode == OpContinuation) {
		return fmt.Errorf("inside a message: %v, and then %v", p.inside, f)
	}
	p.inside = !f.Fin
	p.message.WriteString(f.payload)
	if !f.Fin {
		return nil
	}
	text := p.message.String()
	p.message.Reset()
	var id, seq int
	if _, err := fmt.Sscanf(text, "%d %d ", &id, &seq); err != nil || id < 0 || id >= crowdWriters {
		return fmt.Errorf("a message that nobody sent: %.60q", text)
	}
	if seq != p.seen[id] || text != crowdText(id, seq) {
		return fmt.Errorf("message %d of writer %d where %d was next, or damaged: %.60q", seq, id, p.seen[id], text)
	}
	p.seen[id]++
	return nil
}

// 100 writers, a reader, Pings and messages from both sides and a Close, on one connection. Whatever a write accepted
// arrives whole, in its writer's order, before the Close; what it refused does not arrive.
func TestManyWritersOneReaderPingsAndClose(t *testing.T) {
	for _, moment := range []string{"at the end", "at a random moment"} {
		t.Run(moment, func(t *testing.T) {
			eachEnd(t, func(t *testing.T, tr transportPair, r role) {
				closeAfter := crowdWriters * crowdMessages
				if moment != "at the end" {
					closeAfter = rand.IntN(closeAfter)
					t.Logf("Close after %d messages", closeAfter)
				}
				testCrowd(t, tr, r, closeAfter)
			})
		})
	}
}

func testCrowd(t *testing.T, tr transportPair, r role, closeAfter int) {
	c, raw := withRaw(t, tr, r, connConfig{})
	peer := &crowdPeer{rawPeer: raw}
	now, arrived := make(chan struct{}), 0
	if closeAfter == 0 {
		close(now)
	}
	parsed := async(func() error {
		return peer.run(func() {
			peer.send(OpText, fmt.Sprint(arrived))
			peer.send(OpPing, "p")
			if arrived++; arrived == closeAfter {
				close(now)
			}
		})
	})
	var others sync.WaitGroup
	others.Go(func() { crowdReader(t, c) })
	for range 3 {
		others.Go(func() {
			for {
				if _, err := c.Ping(t.Context()); err != nil {
					wantErrClosed(t, "Ping", err)
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	var accepted [crowdWriters]int
	for id := range crowdWriters {
		writers.Go(func() {
			for accepted[id] < crowdMessages {
				if err := crowdWrite(c, id, accepted[id]); err != nil {
					wantErrClosed(t, "a write", err)
					return
				}
				accepted[id]++
			}
		})
	}
	written := async(func() error { writers.Wait(); return nil })
	select {
	case <-now:
	case <-written:
	case err := <-parsed:
		c.CloseNow()
		t.Fatalf("the peer read %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-parsed; err != nil {
		t.Errorf("the peer read %v", err)
	}
	writers.Wait()
	others.Wait()
	if peer.seen != accepted {
		t.Errorf("messages that arrived:\n%v\naccepted:\n%v", peer.seen, accepted)
	}
}

// crowdReader is the one reader. The peer's messages are numbered.
func crowdReader(t *testing.T, c *Conn) {
	for i := 0; ; i++ {
		_, p, err := c.ReadMessage()
		if err != nil {
			wantErrClosed(t, "the reader", err)
			return
		}
		if string(p) != fmt.Sprint(i) {
			t.Errorf("read %q, want %d", p, i)
		}
	}
}

// readCalls is every way to read.
var readCalls = []connCall{
	{"ReadMessage", func(c *Conn) error { _, _, err := c.ReadMessage(); return err }},
	{"AppendMessage", func(c *Conn) error { _, _, err := c.AppendMessage(make([]byte, 1, 8)); return err }},
	{"ReadContext", func(c *Conn) error { _, _, err := c.ReadContext(context.Background()); return err }},
	{"NextReader", func(c *Conn) error { _, _, err := c.NextReader(); return err }},
	{"ReadJSON", func(c *Conn) error { return c.ReadJSON(new(any)) }},
	{"Serve", func(c *Conn) error { return c.Serve(HandlerFuncs{}) }},
}

// A second reader gets an error at once, and the first one gets its message.
func TestSecondReaderIsRefused(t *testing.T) {
	for _, call := range readCalls {
		t.Run(call.name, func(t *testing.T) {
			bubble(t, 1024, connConfig{}, func(t *testing.T, server, client *Conn) {
				first := async(func() error {
					_, p, err := server.ReadMessage()
					if string(p) != "for the first" {
						t.Errorf("the first reader got %q", p)
					}
					return err
				})
				wantBlocked(t, "the first reader", first)
				if err := call.call(server); !errors.Is(err, ErrConcurrentRead) {
					t.Errorf("the second reader got %v", err)
				}
				server.Drain() // does nothing
				client.WriteMessage(TextMessage, []byte("for the first"))
				if err := <-first; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A reader of a part of a message counts as a reader.
func TestSecondReaderOfAPartIsRefused(t *testing.T) {
	bubble(t, 1024, connConfig{}, func(t *testing.T, server, client *Conn) {
		client.NetConn().Write((&encoder{role: clientRole, keys: nextMaskKey}).appendFrame(nil, OpText, false, nil))
		_, r, err := server.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		part := async(func() error { _, err := r.Read(make([]byte, 10)); return err })
		wantBlocked(t, "the Read of a part", part)
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, ErrConcurrentRead) {
			t.Errorf("the second Read got %v", err)
		}
		for _, call := range readCalls {
			if err := call.call(server); !errors.Is(err, ErrConcurrentRead) {
				t.Errorf("%s got %v", call.name, err)
			}
		}
		client.CloseNow()
		if err := <-part; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first Read: %v", err)
		}
	})
}

// Many goroutines that read anyway share the messages: each arrives once, and the rest is errors, not races.
func TestManyReadersLoseNothing(t *testing.T) {
	const messages, readers = 500, 8
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := connPair(t, p, connConfig{})
		var mu sync.Mutex
		got := map[string]int{}
		var wg sync.WaitGroup
		for range readers {
			wg.Go(func() {
				for {
					_, m, err := server.ReadMessage()
					switch {
					case err == nil:
						mu.Lock()
						got[string(m)]++
						mu.Unlock()
					case errors.Is(err, ErrConcurrentRead):
						runtime.Gosched()
					default:
						return
					}
				}
			})
		}
		for i := range messages {
			if err := client.WriteMessage(TextMessage, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		client.Close()
		wg.Wait()
		for i := range messages {
			if n := got[fmt.Sprint(i)]; n != 1 {
				t.Errorf("message %d arrived %d times", i, n)
			}
		}
	})
}
