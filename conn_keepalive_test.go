package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// readOne is a read whose message does not matter.
func readOne(c *Conn) func() error {
	return func() error { _, _, err := c.ReadMessage(); return err }
}

// wantPing wants the next frame that the peer reads to be a Ping, at this time.
func (p *rawPeer) wantPing(start time.Time, at time.Duration) rawFrame {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.Opcode != OpPing {
		p.t.Fatalf("the raw peer read %v, %v, want a Ping", f, err)
	}
	if d := time.Since(start); d != at {
		p.t.Errorf("a Ping after %v, want %v", d, at)
	}
	return f
}

// wantDead wants err to be keepalive's, at this time.
func wantDead(t *testing.T, err error, start time.Time, at time.Duration) {
	t.Helper()
	if d := time.Since(start); d != at {
		t.Errorf("%v after %v, want it after %v", err, d, at)
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) ||
		!strings.Contains(err.Error(), "Keepalive") {
		t.Errorf("%v is not a timeout that names Keepalive", err)
	}
}

// A peer of which nothing is received is pinged and then dead, to the nanosecond, however the connection is read.
func TestKeepaliveIsExact(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name              string
		cfg               Keepalive
		interval, timeout [2]time.Duration // of a server and a client; 0: off
	}{
		{"default", Keepalive{}, [2]time.Duration{30 * s, 0}, [2]time.Duration{30 * s, 0}},
		{"Interval", Keepalive{Interval: 7 * s}, [2]time.Duration{7 * s, 7 * s}, [2]time.Duration{30 * s, 30 * s}},
		{"Timeout", Keepalive{Timeout: 7 * s}, [2]time.Duration{30 * s, 0}, [2]time.Duration{7 * s, 0}},
		{"both", Keepalive{9 * s, 2 * s}, [2]time.Duration{9 * s, 9 * s}, [2]time.Duration{2 * s, 2 * s}},
		{"no Timeout", Keepalive{9 * s, -1}, [2]time.Duration{9 * s, 9 * s}, [2]time.Duration{30 * s, 30 * s}},
		{"short", Keepalive{1000, 1000}, [2]time.Duration{1000, 1000}, [2]time.Duration{lastLookTime, lastLookTime}},
		{"off", Keepalive{Interval: -1}, [2]time.Duration{}, [2]time.Duration{}},
	}
	ways := map[string]func(c *Conn) error{
		"ReadMessage": func(c *Conn) error { return readOne(c)() },
		"ReadContext": func(c *Conn) error { _, _, err := c.ReadContext(context.Background()); return err },
		"NextReader":  func(c *Conn) error { _, _, err := c.NextReader(); return err },
		"Serve":       func(c *Conn) error { return c.Serve(HandlerFuncs{}) },
		"Drain":       func(c *Conn) error { c.Drain(); <-c.Done(); return c.failed() },
	}
	for _, tt := range tests {
		for name, read := range ways {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				rawBubble(t, 1024, connConfig{keepalive: tt.cfg}, func(t *testing.T, c *Conn, peer *rawPeer) {
					start := time.Now()
					ended := async(func() error { return read(c) })
					interval, timeout := tt.interval[c.role], tt.timeout[c.role]
					if interval == 0 {
						time.Sleep(time.Hour)
						wantBlocked(t, name, ended)
						return
					}
					peer.wantPing(start, interval)
					wantDead(t, <-ended, start, interval+timeout)
					peer.wantEOF()
					if err := c.WriteMessage(TextMessage, nil); err != c.failed() {
						t.Errorf("a later write returned %v", err)
					}
				})
			})
		}
	}
}

// Any received byte is life, of whatever it is a part, before a Ping and at the last moment after one.
func TestKeepaliveAnyByteIsLife(t *testing.T) {
	const s = time.Second
	long := strings.Repeat("a part of a message", 100)
	tests := []struct {
		name     string
		op       Opcode
		from, to int // the part of the frame that is received; what is before it was received at the beginning
	}{
		{"a message", OpText, 0, -1},
		{"a Pong", OpPong, 0, -1},
		{"a Ping", OpPing, 0, -1},
		{"the first byte of a header", OpText, 0, 1},
		{"the second byte of a header", OpText, 1, 2},
		{"the first byte of a payload", OpText, -len(long), 1 - len(long)},
		{"the middle of a payload", OpText, -len(long) + 1, -9},
		{"the last byte of a payload", OpText, -1, 0},
		{"a part of a Ping", OpPing, 1, 2},
	}
	for _, tt := range tests {
		for _, at := range []time.Duration{29 * s, 60*s - 1} {
			t.Run(tt.name+" "+at.String(), func(t *testing.T) {
				cfg := connConfig{keepalive: Keepalive{30 * s, 30 * s}}
				rawBubble(t, 4096, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
					payload := long
					if tt.op != OpText {
						payload = "short"
					}
					frame := peer.frame(tt.op, true, payload)
					place := func(n int) int { return (n + len(frame)) % len(frame) }
					from, to := place(tt.from), place(tt.to-1)+1
					c.Drain()
					start := time.Now()
					peer.nc.Write(frame[:from])
					if at > 30*s {
						peer.wantPing(start, 30*s)
					}
					time.Sleep(time.Until(start.Add(at)))
					peer.write(frame[from:to])
					if tt.op == OpPing && to == len(frame) {
						peer.want(OpPong, payload)
					}
					peer.wantPing(start, at+30*s)
					<-c.Done()
					wantDead(t, c.failed(), start, at+60*s)
				})
			})
		}
	}
}

// A peer that answers lives as long as it does.
func TestKeepaliveGoesOn(t *testing.T) {
	cfg := connConfig{keepalive: Keepalive{Interval: 30 * time.Second}}
	rawBubble(t, 1024, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
		c.Drain()
		start := time.Now()
		for i := range 10 {
			f := peer.wantPing(start, time.Duration(i+1)*30*time.Second+time.Duration(i)*time.Second)
			time.Sleep(time.Second)
			peer.send(OpPong, f.payload)
		}
		synctest.Wait()
		if rtt := c.Stats().RTT; rtt != time.Second {
			t.Errorf("the round trip took %v, want 1s", rtt)
		}
	})
}

// A peer that has stopped reading cannot be pinged, and is dead all the same.
func TestKeepaliveOfAPeerThatReadsNothing(t *testing.T) {
	cfg := connConfig{keepalive: Keepalive{Interval: 30 * time.Second}, writeTimeout: -1}
	rawBubble(t, 64, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
		c.nc.Write(make([]byte, 64))
		start := time.Now()
		wantDead(t, readOne(c)(), start, time.Minute)
	})
}

// Death is judged only while a reader waits: the time that it was away does not count.
func TestKeepaliveIsNotJudgedWhileNobodyReads(t *testing.T) {
	const s = time.Second
	cfg := connConfig{keepalive: Keepalive{30 * s, 30 * s}}
	// away reads until a deadline at d, which leaves the connection usable, and stays away for an hour.
	away := func(t *testing.T, c *Conn, d time.Duration) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(d))
		if err := readOne(c)(); !errors.Is(err, os.ErrDeadlineExceeded) || c.failed() != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Time{})
		time.Sleep(time.Hour)
		if err := c.failed(); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("before the Ping", func(t *testing.T) {
		rawBubble(t, 1024, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
			start := time.Now()
			away(t, c, 10*s)
			dead := async(readOne(c))
			peer.wantPing(start, time.Hour+10*s)
			wantDead(t, <-dead, start, time.Hour+40*s)
		})
	})
	t.Run("between Ping and death", func(t *testing.T) {
		rawBubble(t, 1024, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
			start := time.Now()
			away(t, c, 40*s)
			peer.wantPing(start, time.Hour+40*s) // it was read now, and sent long ago
			wantDead(t, readOne(c)(), start, time.Hour+60*s)
		})
	})
	t.Run("several times", func(t *testing.T) {
		rawBubble(t, 1024, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
			start := time.Now()
			for range 3 {
				away(t, c, 11*s)
			}
			// The Ping left when the second read began; there have been 22 seconds of waiting since.
			wantDead(t, readOne(c)(), start, 3*time.Hour+33*s+8*s)
		})
	})
	for _, left := range []time.Duration{10 * s, 40 * s, 60*s - 1} {
		t.Run("input that nobody has read, "+left.String(), func(t *testing.T) {
			rawBubble(t, 1024, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
				start := time.Now()
				sent := async(func() error { time.Sleep(left + s); peer.send(OpText, "unread"); return nil })
				away(t, c, left)
				<-sent
				wantMessages(t, c, "unread")
				if d := time.Since(start); d != time.Hour+left {
					t.Errorf("the message was delivered after %v", d)
				}
				wantDead(t, readOne(c)(), start, time.Hour+left+60*s)
			})
		})
	}
	t.Run("never read", func(t *testing.T) {
		rawBubble(t, 1024, cfg, func(t *testing.T, c *Conn, peer *rawPeer) {
			time.Sleep(time.Hour)
			start := time.Now()
			dead := async(readOne(c))
			peer.wantPing(start, 30*s)
			wantDead(t, <-dead, start, 60*s)
		})
	})
}
