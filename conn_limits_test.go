package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// wholeReads is every way to read a whole message.
var wholeReads = []struct {
	name string
	read func(c *Conn) ([]byte, error)
}{
	{"ReadMessage", func(c *Conn) ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }},
	{"AppendMessage", func(c *Conn) ([]byte, error) { _, p, err := c.AppendMessage(nil); return p, err }},
	{"NextReader", func(c *Conn) ([]byte, error) {
		_, r, err := c.NextReader()
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}},
	{"NextReader, large buffer", func(c *Conn) ([]byte, error) {
		_, r, err := c.NextReader()
		if err != nil {
			return nil, err
		}
		p := make([]byte, 1<<20)
		n, err := io.ReadFull(r, p)
		if err == io.ErrUnexpectedEOF {
			err = nil // the message is shorter than p
		}
		return p[:n], err
	}},
	{"Serve", func(c *Conn) (got []byte, err error) {
		err = c.Serve(HandlerFuncs{OnMessage: func(c *Conn, _ MessageType, p []byte) {
			got = bytes.Clone(p)
			c.CloseNow()
		}})
		if got != nil {
			err = nil
		}
		return got, err
	}},
}

// wantTooBig wants err to be that of a message over the limit, and the peer to be told so with code 1009.
func wantTooBig(t *testing.T, peer *rawPeer, err error) {
	t.Helper()
	var violated *ProtocolError
	if !errors.Is(err, ErrReadLimit) || !errors.As(err, &violated) || violated.Code != CloseMessageTooBig {
		t.Errorf("the read returned %v, want ErrReadLimit", err)
	}
	peer.wantClose(CloseMessageTooBig)
}

// ReadLimit is exact: it counts the payload of a whole message, over all of its frames, for each message anew.
func TestReadLimitIsExact(t *testing.T) {
	const limit = 70_000
	tests := []struct {
		name   string
		frames []int // sizes
		ok     bool
	}{
		{"at the limit", []int{limit}, true},
		{"one more", []int{limit + 1}, false},
		{"fragments at the limit", []int{limit - 10, 0, 10}, true},
		{"fragments with one more", []int{limit - 10, 0, 11}, false},
		{"small fragments with one more", []int{limit - 3, 1, 1, 1, 1}, false},
	}
	for _, tt := range tests {
		for _, way := range wholeReads {
			t.Run(tt.name+" "+way.name, func(t *testing.T) {
				rawBubble(t, 1<<20, connConfig{readLimit: limit}, func(t *testing.T, c *Conn, peer *rawPeer) {
					size := 0
					for i, n := range tt.frames {
						op := OpContinuation
						if i == 0 {
							op = OpBinary
						}
						peer.write(peer.frame(op, i == len(tt.frames)-1, strings.Repeat("x", n)))
						size += n
					}
					p, err := way.read(c)
					switch {
					case !tt.ok:
						wantTooBig(t, peer, err)
					case err != nil || len(p) != size:
						t.Errorf("%d bytes, %v, want %d", len(p), err, size)
					}
				})
			})
		}
	}
}

// A message over the limit is refused by its header, before a byte of it was received, and no memory is spent on it.
func TestReadLimitIsJudgedByTheHeader(t *testing.T) {
	for _, limit := range []int64{0, 100, 1 << 40} {
		rawBubble(t, 1024, connConfig{readLimit: limit}, func(t *testing.T, c *Conn, peer *rawPeer) {
			most := limit
			if limit == 0 {
				most = DefaultReadLimit
			}
			h := Header{Fin: true, Opcode: OpBinary, Masked: peer.role == clientRole, Length: uint64(most) + 1}
			peer.write(AppendHeader(nil, h))
			wantTooBig(t, peer, readOne(c)())
		})
	}
}

// Small messages never sum up to the limit.
func TestReadLimitIsForEachMessage(t *testing.T) {
	rawBubble(t, 1024, connConfig{readLimit: 10}, func(t *testing.T, c *Conn, peer *rawPeer) {
		for range 5 {
			peer.send(OpPing, "control frames do not count")
			peer.send(OpText, "0123456789")
			wantMessages(t, c, "0123456789")
		}
	})
}

func TestReadLimitNegativeIsNone(t *testing.T) {
	rawBubble(t, 1024, connConfig{readLimit: -1}, func(t *testing.T, c *Conn, peer *rawPeer) {
		h := Header{Fin: true, Opcode: OpBinary, Masked: peer.role == clientRole, Length: 1 << 62}
		peer.write(append(AppendHeader(nil, h), "the beginning"...))
		_, r, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		if n, err := r.Read(p); err != nil || n != len("the beginning") {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
}

// SetReadLimit holds from the next message on, whoever calls it.
func TestSetReadLimitHoldsFromTheNextMessage(t *testing.T) {
	rawBubble(t, 1<<20, connConfig{readLimit: 20}, func(t *testing.T, c *Conn, peer *rawPeer) {
		twenty := strings.Repeat("x", 20)
		peer.write(peer.frame(OpText, false, twenty[:10]))
		read := async(func() error {
			_, p, err := c.ReadMessage()
			if string(p) != twenty {
				t.Errorf("read %q", p)
			}
			return err
		})
		wantBlocked(t, "the read", read)
		c.SetReadLimit(15)
		peer.write(peer.frame(OpContinuation, true, twenty[10:]))
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(-1)
		peer.send(OpBinary, strings.Repeat("x", 500_000))
		if _, p, err := c.ReadMessage(); err != nil || len(p) != 500_000 {
			t.Fatalf("%d bytes, %v", len(p), err)
		}
		c.SetReadLimit(5)
		peer.send(OpText, "123456")
		wantTooBig(t, peer, readOne(c)())
	})
}

// What NextReader has delivered of a message before its size passes the limit stays delivered; the Read that would
// deliver more fails, and goes on failing.
func TestNextReaderPastTheLimit(t *testing.T) {
	rawBubble(t, 1<<20, connConfig{readLimit: 30}, func(t *testing.T, c *Conn, peer *rawPeer) {
		peer.write(peer.frame(OpText, false, strings.Repeat("a", 30)))
		peer.write(peer.frame(OpContinuation, true, "b"))
		_, r, err := c.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		p, err := io.ReadAll(r)
		if string(p) != strings.Repeat("a", 30) {
			t.Errorf("%q was delivered", p)
		}
		wantTooBig(t, peer, err)
		if _, err2 := r.Read(make([]byte, 1)); err2 != err {
			t.Errorf("the next Read returned %v", err2)
		}
		if _, _, err2 := c.NextReader(); err2 != err {
			t.Errorf("the next NextReader returned %v", err2)
		}
	})
}

// A message that NextReader has delivered to its end is over: the next one is another, in whatever way it is read.
func TestNextReaderToTheEnd(t *testing.T) {
	for _, way := range wholeReads {
		t.Run(way.name, func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				peer.write(peer.frame(OpText, false, "fir"))
				peer.write(peer.frame(OpContinuation, true, "st"))
				peer.send(OpText, "second")
				_, r, err := c.NextReader()
				if err != nil {
					t.Fatal(err)
				}
				if p, err := io.ReadAll(r); err != nil || string(p) != "first" {
					t.Fatalf("%q, %v", p, err)
				}
				if p, err := way.read(c); err != nil || string(p) != "second" {
					t.Fatalf("%q, %v", p, err)
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("a Read behind the end: %d, %v", n, err)
				}
			})
		})
	}
}

// A reader of NextReader is good until the next call, which skips the rest; the limit holds for what is skipped too.
func TestNextReaderIsSkipped(t *testing.T) {
	for _, way := range wholeReads {
		t.Run(way.name, func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{readLimit: 50_000}, func(t *testing.T, c *Conn, peer *rawPeer) {
				peer.write(peer.frame(OpText, false, strings.Repeat("a", 30_000)))
				peer.send(OpPing, "1")
				peer.write(peer.frame(OpContinuation, true, strings.Repeat("b", 20_000)))
				peer.send(OpText, "next")
				_, r, err := c.NextReader()
				if err != nil {
					t.Fatal(err)
				}
				r.Read(make([]byte, 10))
				if p, err := way.read(c); err != nil || string(p) != "next" {
					t.Fatalf("read %.40q, %v", p, err)
				}
				if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
					t.Errorf("the Read of a message that was skipped: %d, %v", n, err)
				}
				if s := c.Stats(); s.MessagesIn != 2 || s.BytesIn != 50_000+int64(len("next")) {
					t.Errorf("%d messages, %d bytes were counted", s.MessagesIn, s.BytesIn)
				}
				peer.want(OpPong, "1")
			})
		})
	}
	rawBubble(t, 1<<20, connConfig{readLimit: 30}, func(t *testing.T, c *Conn, peer *rawPeer) {
		peer.write(peer.frame(OpText, false, strings.Repeat("a", 30)))
		peer.write(peer.frame(OpContinuation, true, "b"))
		c.NextReader()
		wantTooBig(t, peer, readOne(c)())
	})
}

// AppendMessage appends where there is room, and makes room where there is none; what was in dst stays.
func TestAppendMessage(t *testing.T) {
	for _, size := range []int{0, 1, 100, 5000, 100_000} {
		for _, room := range []int{0, size - 1, size, size + 10_000} {
			if room < 0 {
				continue
			}
			t.Run(fmt.Sprint(size, " bytes, room for ", room), func(t *testing.T) {
				rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
					peer.send(OpBinary, strings.Repeat("m", size))
					dst := append(make([]byte, 0, len("dst")+room), "dst"...)
					mt, p, err := c.AppendMessage(dst)
					if err != nil || mt != BinaryMessage || string(p) != "dst"+strings.Repeat("m", size) {
						t.Fatalf("%v, %d bytes, %v", mt, len(p), err)
					}
					if inPlace := &p[0] == &dst[0]; inPlace != (room >= size) {
						t.Errorf("in place: %v", inPlace)
					}
				})
			})
		}
	}
}

// After an error AppendMessage returns dst as it was.
func TestAppendMessageAfterAnError(t *testing.T) {
	rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		peer.write(peer.frame(OpBinary, false, "a part"))
		peer.nc.Close()
		dst := append(make([]byte, 0, 100), "dst"...)
		for range 2 {
			mt, p, err := c.AppendMessage(dst)
			if !errors.Is(err, io.ErrUnexpectedEOF) || string(p) != "dst" || mt != 0 {
				t.Errorf("%v, %q, %v", mt, p, err)
			}
		}
	})
}
