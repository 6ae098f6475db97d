package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// A rawPeer is the other end of a Conn as bytes: it reads and writes frames, legal or not.
type rawPeer struct {
	t    testing.TB
	nc   net.Conn
	role role
	buf  []byte
}

// rawFrame is a frame that a rawPeer has read, unmasked.
type rawFrame struct {
	Header
	payload string
}

func (f rawFrame) String() string {
	return fmt.Sprintf("%v fin=%v %d bytes %.60q", f.Opcode, f.Fin, len(f.payload), f.payload)
}

// frame returns a frame as the peer's role sends it.
func (p *rawPeer) frame(op Opcode, fin bool, payload string) []byte {
	e := encoder{role: p.role, keys: nextMaskKey}
	return e.appendFrame(nil, op, fin, []byte(payload))
}

func (p *rawPeer) send(op Opcode, payload string) { p.write(p.frame(op, true, payload)) }

func (p *rawPeer) write(b []byte) {
	if _, err := p.nc.Write(b); err != nil {
		p.t.Errorf("the raw peer's write: %v", err)
	}
}

// read returns the next frame. RFC 6455, section 5.1: it is masked if a client sends it, and only then.
func (p *rawPeer) read() (rawFrame, error) {
	for {
		h, n := ParseHeader(p.buf)
		if n > 0 && uint64(len(p.buf)-n) >= h.Length {
			if h.Masked != (p.role == serverRole) {
				return rawFrame{}, fmt.Errorf("frame with Masked = %v", h.Masked)
			}
			payload := bytes.Clone(p.buf[n : n+int(h.Length)])
			p.buf = p.buf[n+int(h.Length):]
			if h.Masked {
				Mask(payload, h.MaskKey, 0)
			}
			return rawFrame{h, string(payload)}, nil
		}
		b := make([]byte, 32<<10)
		n, err := p.nc.Read(b)
		p.buf = append(p.buf, b[:n]...)
		if n == 0 && err != nil {
			if len(p.buf) > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return rawFrame{}, err
		}
	}
}

// want reads a frame and wants it to be this one.
func (p *rawPeer) want(op Opcode, payload string) {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.Opcode != op || f.payload != payload || !f.Fin {
		p.t.Fatalf("the raw peer read %v, %v, want %v %.60q", f, err, op, payload)
	}
}

// wantClose reads frames until a Close and wants it to have this code.
func (p *rawPeer) wantClose(code CloseCode) {
	p.t.Helper()
	for {
		f, err := p.read()
		if err != nil {
			p.t.Fatalf("the raw peer read %v before a Close with %v", err, code)
		}
		if f.Opcode == OpClose {
			if got := closeCodeOf(f.payload); got != code {
				p.t.Fatalf("the raw peer read a Close with %v, want %v", got, code)
			}
			return
		}
	}
}

// wantEOF wants the stream to end here.
func (p *rawPeer) wantEOF() {
	p.t.Helper()
	if f, err := p.read(); err != io.EOF {
		p.t.Fatalf("the raw peer read %v, %v, want EOF", f, err)
	}
}

func closeCodeOf(payload string) CloseCode {
	if len(payload) < 2 {
		return CloseNoStatus
	}
	return CloseCode(binary.BigEndian.Uint16([]byte(payload)))
}

func closePayload(code CloseCode, reason string) string {
	return string(appendClosePayload(nil, code, reason))
}

// withRaw makes a Conn of role r with a raw peer at its other end.
func withRaw(t *testing.T, p transportPair, r role, cfg connConfig) (*Conn, *rawPeer) {
	s, c := p.make(t)
	if r == serverRole {
		return newConn(s, r, cfg, nil), &rawPeer{t: t, nc: c, role: clientRole}
	}
	return newConn(c, r, cfg, nil), &rawPeer{t: t, nc: s, role: serverRole}
}

// eachEnd runs f once for each transport and role.
func eachEnd(t *testing.T, f func(t *testing.T, p transportPair, r role)) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		for _, r := range []role{serverRole, clientRole} {
			t.Run(r.String(), func(t *testing.T) {
				wstest.NoLeaks(t)
				f(t, p, r)
			})
		}
	})
}

// rawBubble runs f in a synctest bubble, with a Conn in memory and a raw peer, once for each role.
func rawBubble(t *testing.T, size int, cfg connConfig, f func(t *testing.T, c *Conn, peer *rawPeer)) {
	roleBubble(t, size, func(t *testing.T, mem transportPair, r role) (*Conn, net.Conn) {
		c, peer := withRaw(t, mem, r, cfg)
		f(t, c, peer)
		return c, peer.nc
	})
}

// roleBubble runs f in a synctest bubble, once for each role, with a transport in memory. The two ends that f returns
// are closed behind it.
func roleBubble(t *testing.T, size int, f func(*testing.T, transportPair, role) (*Conn, net.Conn)) {
	for _, r := range []role{serverRole, clientRole} {
		t.Run(r.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := f(t, transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(size) }}, r)
				c.CloseNow()
				peer.Close()
				time.Sleep(time.Second) // for the peer's goroutines to notice
			})
		})
	}
}

// wantErrClosed wants err to say that we closed.
func wantErrClosed(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%s returned %v, want one that is net.ErrClosed", what, err)
	}
}

// finishPeer answers our Close as a polite peer of role peer.role does, and wants the transport to be closed in the right
// order. RFC 6455, section 7.1.1.
func (p *rawPeer) finish(code CloseCode) {
	p.t.Helper()
	p.wantClose(code)
	p.send(OpClose, closePayload(code, ""))
	if p.role == serverRole {
		p.nc.Close() // the client waits for that
		return
	}
	p.wantEOF()
	p.nc.Close()
}

func TestCloseFromWhereverItIsCalled(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, from := range []string{"nobody reads", "another goroutine reads", "another goroutine reads and leaves", "handler", "handler's goroutine", "NextWriter is open"} {
			t.Run(from, func(t *testing.T) {
				c, peer := withRaw(t, p, r, connConfig{})
				start := time.Now()
				peerDone := make(chan struct{})
				var ended <-chan error
				switch from {
				case "nobody reads", "NextWriter is open":
					if from == "NextWriter is open" {
						w, _ := c.NextWriter(TextMessage)
						defer func() {
							_, err := w.Write(make([]byte, 100<<10))
							wantErrClosed(t, "a Write of the open NextWriter", err)
						}()
					}
					go func() { defer close(peerDone); peer.finish(3000) }()
					if err := c.CloseWith(3000, "bye"); err != nil {
						t.Error(err)
					}
				case "another goroutine reads":
					reading := make(chan struct{})
					ended = async(func() error {
						close(reading)
						_, _, err := c.ReadMessage()
						return err
					})
					<-reading
					go func() { defer close(peerDone); peer.finish(3000) }()
					if err := c.CloseWith(3000, "bye"); err != nil {
						t.Error(err)
					}
				case "another goroutine reads and leaves":
					// The reader gets a message just as Close is called, and does not come back.
					c.reading.Store(true)
					closed := async(func() error { return c.CloseWith(3000, "bye") })
					go func() {
						defer close(peerDone)
						peer.wantClose(3000)
						c.stopReading()
						peer.send(OpClose, closePayload(3000, ""))
						if peer.role == clientRole {
							peer.wantEOF()
						}
						peer.nc.Close()
					}()
					if err := <-closed; err != nil {
						t.Error(err)
					}
				default:
					go func() { defer close(peerDone); peer.send(OpText, "go"); peer.finish(3000) }()
					ended = async(func() error {
						return c.Serve(HandlerFuncs{OnMessage: func(c *Conn, _ MessageType, _ []byte) {
							closed := async(func() error { return c.CloseWith(3000, "bye") })
							if from == "handler" {
								c.CloseWith(3000, "bye")
							}
							if err := <-closed; err != nil {
								t.Error(err)
							}
						}})
					})
				}
				if ended != nil {
					wantErrClosed(t, "the reader", <-ended)
				}
				<-c.Done()
				<-peerDone
				if d := time.Since(start); d > 3*time.Second {
					t.Errorf("it took %v", d)
				}
				for range 2 {
					if err := c.Close(); err != nil {
						t.Errorf("a later Close: %v", err)
					}
				}
				_, _, err := c.ReadMessage()
				wantErrClosed(t, "a later read", err)
				wantErrClosed(t, "a later write", c.WriteMessage(TextMessage, nil))
			})
		}
	})
}

func TestCloseManyTimesAtOnce(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		wstest.NoLeaks(t)
		server, client := connPair(t, p, connConfig{})
		var wg sync.WaitGroup
		for _, c := range []*Conn{server, client} {
			wg.Go(func() {
				for {
					if _, _, err := c.ReadMessage(); err != nil {
						return
					}
				}
			})
			for i := range 10 {
				wg.Go(func() {
					if i == 9 {
						c.WriteMessage(TextMessage, make([]byte, 10_000))
						return
					}
					if err := c.CloseWith(CloseCode(3000+i), ""); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		<-server.Done()
		<-client.Done()
	})
}

// Both sides send their Close before they read the other's. Neither owes an echo.
func TestCloseFromBothSides(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		c, peer := withRaw(t, p, r, connConfig{})
		peer.send(OpClose, closePayload(CloseGoingAway, "first"))
		closed := async(c.Close)
		peer.want(OpClose, closePayload(CloseNormal, ""))
		if r == serverRole {
			peer.wantEOF()
		} else {
			select {
			case <-c.Done():
				t.Error("the client closed TCP before the server did")
			default:
			}
		}
		peer.nc.Close()
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestPeerAnswersWithAnotherCode(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		c, peer := withRaw(t, p, r, connConfig{})
		closed := async(c.Close)
		peer.wantClose(CloseNormal)
		peer.send(OpClose, closePayload(CloseInternalError, "oops"))
		peer.nc.Close()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		_, _, err := c.ReadMessage()
		wantErrClosed(t, "a read", err)
	})
}

// RFC 6455, section 5.5.1: the echo has the code that was received; section 7.1.1: the server closes TCP, the client waits.
func TestPeerCloses(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, payload := range []string{"", closePayload(CloseNormal, ""), closePayload(4999, "see you")} {
			c, peer := withRaw(t, p, r, connConfig{})
			ended := async(func() error { _, _, err := c.ReadMessage(); return err })
			peer.send(OpClose, payload)
			peer.want(OpClose, payload[:min(len(payload), 2)])
			if r == serverRole {
				peer.wantEOF()
			}
			peer.nc.Close()
			err := <-ended
			var ce *CloseError
			if !errors.As(err, &ce) || ce.Code != closeCodeOf(payload) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("payload %q: %v", payload, err)
			}
			if err2 := c.WriteMessage(TextMessage, nil); err2 != err {
				t.Errorf("a write returned %v, not %v", err2, err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close after the peer's: %v", err)
			}
		}
	})
}

// The client waits for the server to close TCP, but not for ever.
func TestClosesAreBounded(t *testing.T) {
	for _, limit := range []time.Duration{0, -1, 700 * time.Millisecond} {
		want := limit
		if limit <= 0 {
			want = 5 * time.Second
		}
		t.Run(want.String(), func(t *testing.T) {
			for _, what := range []string{"no answer", "no answer to a reader", "nothing is read", "a writer is blocked", "no end of TCP", "peer closed, no end of TCP", "data without end"} {
				t.Run(what, func(t *testing.T) {
					rawBubble(t, 64, connConfig{closeTimeout: limit, writeTimeout: -1}, func(t *testing.T, c *Conn, peer *rawPeer) {
						if c.role == serverRole && (what == "no end of TCP" || what == "peer closed, no end of TCP") {
							return
						}
						var other <-chan error
						start := time.Now()
						switch what {
						case "no answer to a reader":
							other = async(func() error { _, _, err := c.ReadMessage(); return err })
						case "nothing is read":
							c.nc.Write(make([]byte, 64))
						case "a writer is blocked":
							other = async(func() error { return c.WriteMessage(TextMessage, make([]byte, 100)) })
						case "no end of TCP":
							go func() { peer.wantClose(CloseNormal); peer.send(OpClose, closePayload(CloseNormal, "")) }()
						case "peer closed, no end of TCP":
							peer.send(OpClose, "")
							_, _, err := c.ReadMessage()
							var ce *CloseError
							if !errors.As(err, &ce) || time.Since(start) != want {
								t.Errorf("%v after %v", err, time.Since(start))
							}
							return
						case "data without end":
							go func() {
								for {
									if _, err := peer.nc.Write(peer.frame(OpText, true, "late")); err != nil {
										return
									}
									time.Sleep(time.Millisecond)
								}
							}()
						}
						synctest.Wait()
						err := c.Close()
						if what == "no end of TCP" { // the closing handshake is complete
							if err != nil || time.Since(start) != want {
								t.Errorf("Close returned %v after %v", err, time.Since(start))
							}
							<-c.Done()
							return
						}
						var timeout net.Error
						if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != want {
							t.Errorf("Close returned %v after %v", err, time.Since(start))
						}
						if other != nil {
							wantErrClosed(t, "the other goroutine", <-other)
						}
						<-c.Done()
					})
				})
			}
		})
	}
}

// Close says so if the connection was lost before the peer answered.
func TestCloseOfALostConnection(t *testing.T) {
	for _, what := range []string{"before", "instead of an answer", "reset"} {
		t.Run(what, func(t *testing.T) {
			rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				switch what {
				case "before":
					peer.nc.Close()
				case "instead of an answer":
					go func() { peer.wantClose(CloseNormal); peer.nc.Close() }()
				case "reset":
					peer.nc.(*memconn.Conn).Reset()
				}
				if err := c.Close(); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("Close returned %v", err)
				}
				<-c.Done()
				if err := c.Close(); err != nil {
					t.Errorf("the second Close: %v", err)
				}
			})
		})
	}
}

func TestNothingIsDeliveredAfterClose(t *testing.T) {
	for _, part := range []int{0, 3, 20_000} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			for _, read := range []string{"ReadMessage", "NextReader", "Serve"} {
				rawBubble(t, 64<<10, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
					long := peer.frame(OpBinary, true, string(make([]byte, 40_000)))
					peer.write(long[:part]) // it began before Close
					ended := async(func() error {
						switch read {
						case "Serve":
							return c.Serve(HandlerFuncs{OnMessage: func(*Conn, MessageType, []byte) { t.Error("a message was delivered") }})
						case "NextReader":
							_, r, err := c.NextReader()
							if err == nil {
								var p []byte
								if p, err = io.ReadAll(r); err == nil || len(p) > part {
									t.Errorf("%d bytes were delivered, %v", len(p), err)
								}
							}
							return err
						}
						_, _, err := c.ReadMessage()
						return err
					})
					synctest.Wait()
					closed := async(c.Close)
					peer.wantClose(CloseNormal)
					peerDone := make(chan struct{})
					go func() {
						defer close(peerDone)
						peer.write(long[part:])
						peer.send(OpText, "late")
						peer.send(OpPing, "late, and not answered")
						peer.send(OpClose, closePayload(CloseNormal, ""))
						if peer.role == clientRole {
							peer.wantEOF()
						}
						peer.nc.Close()
					}()
					wantErrClosed(t, read, <-ended)
					if err := <-closed; err != nil {
						t.Error(err)
					}
					<-peerDone
				})
			}
		})
	}
}

// What was owed leaves before the Close frame: collected replies, Pongs, messages of a Hub.
func TestWhatIsOwedLeavesBeforeTheClose(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		for _, how := range []string{"Close", "handler", "violation", "peer's Close"} {
			c, peer := withRaw(t, p, r, connConfig{})
			in := peer.frame(OpPing, true, "1")
			in = append(in, peer.frame(OpText, true, "a")...)
			in = append(in, peer.frame(OpPing, true, "2")...)
			in = append(in, peer.frame(OpText, true, "b")...)
			code := CloseNormal
			switch how {
			case "violation":
				code = CloseProtocolError
				in = append(in, 0xF0, 0x80)
			case "peer's Close":
				in = append(in, peer.frame(OpClose, true, closePayload(CloseNormal, ""))...)
			default:
				in = append(in, peer.frame(OpText, true, "close")...)
				in = append(in, peer.frame(OpPing, true, "3")...)
			}
			peer.write(in)
			ended := async(func() error {
				if how == "Close" {
					for range 3 {
						mt, m, _ := c.ReadMessage()
						c.WriteMessage(mt, m)
					}
					return c.Close()
				}
				return c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, m []byte) {
					c.WriteMessage(mt, m)
					if string(m) == "close" {
						c.Close()
					}
				}})
			})
			peer.want(OpPong, "1")
			peer.want(OpText, "a")
			peer.want(OpPong, "2")
			peer.want(OpText, "b")
			if how == "Close" || how == "handler" {
				peer.want(OpText, "close")
			}
			peer.wantClose(code)
			peer.nc.Close()
			<-ended
			<-c.Done()
		}
	})
}

func TestCloseRefusesBadCodesAndReasons(t *testing.T) {
	server, client := Pipe(nil)
	for _, code := range []CloseCode{0, 999, 1004, 1006, 1015, 1016, 2999, 5000} {
		if err := server.CloseWith(code, ""); !errors.Is(err, errCloseCode) {
			t.Errorf("CloseWith(%d) = %v", code, err)
		}
	}
	if err := server.CloseWith(CloseNormal, "\xff"); !errors.Is(err, errCloseReason) {
		t.Errorf("CloseWith with bad UTF-8 = %v", err)
	}
	if err := server.WriteMessage(TextMessage, []byte("usable")); err != nil {
		t.Error(err)
	}
	wantMessages(t, client, "usable")
	client.CloseNow()
	server.CloseNow()
}

func TestCloseNow(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		c, peer := withRaw(t, p, r, connConfig{})
		reader := async(func() error { _, _, err := c.ReadMessage(); return err })
		writer := async(func() error { return c.WriteMessage(BinaryMessage, make([]byte, 64<<20)) })
		f := make([]byte, 1)
		io.ReadFull(peer.nc, f) // the writer has begun, and will block
		for range 2 {
			if err := c.CloseNow(); err != nil {
				t.Error(err)
			}
		}
		wantErrClosed(t, "the reader", <-reader)
		wantErrClosed(t, "the writer", <-writer)
		wantErrClosed(t, "Ping", func() error { _, err := c.Ping(t.Context()); return err }())
		wantErrClosed(t, "Flush", c.Flush())
		_, err := c.NextWriter(TextMessage)
		wantErrClosed(t, "NextWriter", err)
		_, _, err = c.NextReader()
		wantErrClosed(t, "NextReader", err)
		_, _, err = c.ReadContext(t.Context())
		wantErrClosed(t, "ReadContext", err)
		wantErrClosed(t, "ReadJSON", c.ReadJSON(new(int)))
		closedCalls := 0
		wantErrClosed(t, "Serve", c.Serve(HandlerFuncs{OnClosed: func(*Conn, error) { closedCalls++ }}))
		if closedCalls != 1 {
			t.Errorf("Closed was called %d times", closedCalls)
		}
		c.Drain()
		peer.nc.Close()
	})
}

// The peer's Close is read while another goroutine has yet to send ours: it leaves before the socket is closed.
func TestCloseCrossesOneThatIsNotSentYet(t *testing.T) {
	for _, how := range []string{"Close", "violation"} {
		t.Run(how, func(t *testing.T) {
			rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				c.waitLock(nil, false) // a writer is at work
				closed := async(c.Close)
				synctest.Wait()
				if how == "Close" {
					peer.send(OpClose, closePayload(CloseGoingAway, ""))
				} else {
					peer.write([]byte{0xF0, 0x80})
				}
				ended := async(func() error { _, _, err := c.ReadMessage(); return err })
				synctest.Wait()
				c.wlock.unlock()
				peer.wantClose(CloseNormal)
				peer.nc.Close()
				if err := <-closed; err != nil {
					t.Error(err)
				}
				wantErrClosed(t, "the reader", <-ended)
			})
		})
	}
}
