package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
)

// bubble runs f in a synctest bubble with both ends of a connection in memory whose directions hold size bytes.
func bubble(t *testing.T, size int, cfg connConfig, f func(t *testing.T, server, client *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, c := memconn.Pair(size)
		server, client := newConn(s, serverRole, cfg, nil), newConn(c, clientRole, cfg, nil)
		f(t, server, client)
		server.CloseNow()
		client.CloseNow()
		synctest.Wait()
	})
}

// async runs f in a goroutine; the channel has room for its error.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// wantBlocked wants nothing to come from done as long as nobody else does anything. It is for bubbles.
func wantBlocked(t *testing.T, what string, done <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("%s returned %v instead of waiting", what, err)
	default:
	}
}

// limit is one of the ways to bound a write, all in the same table.
type writeLimit struct {
	name string
	// write writes p and gives up after d.
	write func(c *Conn, d time.Duration, p []byte) error
	is    error // what its error is
}

var writeLimits = []writeLimit{
	{"context", func(c *Conn, d time.Duration, p []byte) error {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		return c.WriteContext(ctx, BinaryMessage, p)
	}, context.DeadlineExceeded},
	{"deadline", func(c *Conn, d time.Duration, p []byte) error {
		c.SetWriteDeadline(time.Now().Add(d))
		defer c.SetWriteDeadline(time.Time{})
		return c.WriteMessage(BinaryMessage, p)
	}, os.ErrDeadlineExceeded},
	{"NextWriter", func(c *Conn, d time.Duration, p []byte) error {
		c.SetWriteDeadline(time.Now().Add(d))
		defer c.SetWriteDeadline(time.Time{})
		w, err := c.NextWriter(BinaryMessage)
		if err != nil {
			return err
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		return w.Close()
	}, os.ErrDeadlineExceeded},
}

func eachWriteLimit(t *testing.T, f func(t *testing.T, l writeLimit)) {
	for _, l := range writeLimits {
		t.Run(l.name, func(t *testing.T) { f(t, l) })
	}
}

// wantGaveUp wants err to be l's, a timeout, after exactly d.
func wantGaveUp(t *testing.T, l writeLimit, err error, start time.Time, d time.Duration) {
	t.Helper()
	var timeout net.Error
	if !errors.Is(err, l.is) || !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, net.ErrClosed) {
		t.Errorf("the write returned %v, want a timeout that is %v", err, l.is)
	}
	if got := time.Since(start); got != d {
		t.Errorf("it took %v, want %v", got, d)
	}
}

// wantMessages reads messages from c and wants them to be these.
func wantMessages(t *testing.T, c *Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		_, p, err := c.ReadMessage()
		if err != nil || string(p) != w {
			t.Fatalf("read %.40q, %v, want %.40q", p, err, w)
		}
	}
}

func TestWriteGivenUpBeforeItsFirstByte(t *testing.T) {
	eachWriteLimit(t, func(t *testing.T, l writeLimit) {
		t.Run("nothing before it", func(t *testing.T) {
			bubble(t, 16, connConfig{}, func(t *testing.T, server, client *Conn) {
				drain := fillPipe(server, client, 16)
				start := time.Now()
				wantGaveUp(t, l, l.write(server, time.Second, []byte("given up")), start, time.Second)
				drain()
				sent := async(func() error { return server.WriteMessage(TextMessage, []byte("next")) })
				wantMessages(t, client, "next")
				if err := <-sent; err != nil {
					t.Error(err)
				}
			})
		})
		t.Run("an earlier message is stuck", func(t *testing.T) {
			bubble(t, 16, connConfig{writeTimeout: time.Minute}, func(t *testing.T, server, client *Conn) {
				earlier := string(bytes.Repeat([]byte("e"), 100))
				first := async(func() error { return server.WriteMessage(TextMessage, []byte(earlier)) })
				wantBlocked(t, "the earlier write", first)
				if l.is == os.ErrDeadlineExceeded {
					// Its deadline is the earlier message's too. That has begun, so the connection fails.
					l.write(server, time.Second, []byte("given up"))
					if err := <-first; !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("the earlier write: %v", err)
					}
					return
				}
				start := time.Now()
				wantGaveUp(t, l, l.write(server, time.Second, []byte("given up")), start, time.Second)
				wantMessages(t, client, earlier)
				if err := <-first; err != nil {
					t.Error(err)
				}
				server.WriteMessage(TextMessage, []byte("next"))
				wantMessages(t, client, "next")
			})
		})
		t.Run("collected replies are in the way", func(t *testing.T) {
			bubble(t, 16, connConfig{}, func(t *testing.T, server, client *Conn) {
				drain := fillPipe(server, client, 16)
				server.more.Store(true) // as if the read buffer held another frame
				reply := string(bytes.Repeat([]byte("r"), 9000))
				server.WriteMessage(TextMessage, []byte(reply))
				start := time.Now()
				wantGaveUp(t, l, l.write(server, time.Second, make([]byte, 9000)), start, time.Second)
				server.more.Store(false)
				drain()
				sent := async(func() error { return server.WriteMessage(TextMessage, []byte("next")) })
				wantMessages(t, client, reply, "next")
				if err := <-sent; err != nil {
					t.Error(err)
				}
			})
		})
		t.Run("a Pong waits for the socket", func(t *testing.T) {
			bubble(t, 16, connConfig{}, func(t *testing.T, server, client *Conn) {
				fillPipe(server, client, 16)
				server.sendControl(OpPong, []byte("pong"))
				start := time.Now()
				wantGaveUp(t, l, l.write(server, time.Second, []byte("given up")), start, time.Second)
				if err := server.failed(); err != nil {
					t.Errorf("the connection failed: %v", err)
				}
			})
		})
		t.Run("a message of NextWriter is open", func(t *testing.T) {
			bubble(t, 1024, connConfig{}, func(t *testing.T, server, client *Conn) {
				w, err := server.NextWriter(TextMessage)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				wantGaveUp(t, l, l.write(server, time.Second, []byte("given up")), start, time.Second)
				io.WriteString(w, "first")
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				server.WriteMessage(TextMessage, []byte("next"))
				wantMessages(t, client, "first", "next")
			})
		})
	})
}

func TestWriteGivenUpAfterItsFirstByte(t *testing.T) {
	for _, size := range []int{100, 40_000, 200_000} {
		for _, r := range []role{serverRole, clientRole} {
			eachWriteLimit(t, func(t *testing.T, l writeLimit) {
				bubble(t, 16, connConfig{}, func(t *testing.T, server, client *Conn) {
					c := server
					if r == clientRole {
						c = client
					}
					start := time.Now()
					err := l.write(c, time.Second, make([]byte, size))
					wantGaveUp(t, l, err, start, time.Second)
					if err2 := c.WriteMessage(TextMessage, nil); err2 != err {
						t.Errorf("the next write returned %v, want the same error again", err2)
					}
					if _, _, err2 := c.ReadMessage(); err2 != err {
						t.Errorf("the next read returned %v, want the same error again", err2)
					}
					<-c.Done()
				})
			})
		}
	}
}

func TestWriteTimeoutIsExact(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Second} {
		bubble(t, 16, connConfig{writeTimeout: limit}, func(t *testing.T, server, client *Conn) {
			want := limit
			if want == 0 {
				want = 10 * time.Second
			}
			start := time.Now()
			err := server.WriteMessage(BinaryMessage, make([]byte, 1000))
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != want {
				t.Errorf("%v after %v, want a timeout after %v", err, time.Since(start), want)
			}
			select {
			case <-server.Done():
			default:
				t.Error("the connection has not ended")
			}
		})
	}
	bubble(t, 16, connConfig{writeTimeout: -1}, func(t *testing.T, server, client *Conn) {
		done := async(func() error { return server.WriteMessage(BinaryMessage, make([]byte, 100)) })
		time.Sleep(time.Hour)
		wantBlocked(t, "a write without a limit", done)
		client.ReadMessage()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A peer that is slow but takes 64 KiB within the limit is no failure, however long the message takes.
func TestWriteTimeoutCountsFromTheLastProgress(t *testing.T) {
	bubble(t, 64<<10, connConfig{}, func(t *testing.T, server, client *Conn) {
		done := async(func() error { return server.WriteMessage(BinaryMessage, make([]byte, 640<<10)) })
		p := make([]byte, 64<<10)
		for range 10 {
			time.Sleep(9 * time.Second)
			io.ReadFull(client.nc, p)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestMovingTheWriteDeadlineOfABlockedWrite(t *testing.T) {
	for _, waiting := range []string{"socket", "lock", "stream"} {
		t.Run(waiting, func(t *testing.T) {
			bubble(t, 16, connConfig{writeTimeout: time.Hour}, func(t *testing.T, server, client *Conn) {
				switch waiting {
				case "socket":
					fillPipe(server, client, 16)
				case "lock":
					fillPipe(server, client, 16)
					server.sendControl(OpPong, nil)
				case "stream":
					server.NextWriter(TextMessage)
				}
				start := time.Now()
				server.SetWriteDeadline(start.Add(time.Second))
				done := async(func() error { return server.WriteMessage(TextMessage, []byte("x")) })
				wantBlocked(t, "the write", done)
				server.SetWriteDeadline(start.Add(time.Minute))
				time.Sleep(2 * time.Second)
				wantBlocked(t, "the write", done)
				server.SetWriteDeadline(time.Time{})
				time.Sleep(2 * time.Minute)
				wantBlocked(t, "the write", done)
				server.SetWriteDeadline(time.Now().Add(-time.Second))
				if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the write returned %v", err)
				}
				if err := server.failed(); err != nil {
					t.Errorf("the connection failed: %v", err)
				}
			})
		})
	}
}

// The transport says that a deadline passed, but it was moved before the writer could look.
func TestWriteDeadlineMovedWhileItPassed(t *testing.T) {
	bubble(t, 16, connConfig{}, func(t *testing.T, server, client *Conn) {
		drain := fillPipe(server, client, 16)
		done := async(func() error { return server.WriteMessage(TextMessage, []byte("x")) })
		wantBlocked(t, "the write", done)
		server.nc.SetWriteDeadline(longAgo) // wakes the writer although no deadline of its own has passed
		wantBlocked(t, "the write", done)
		drain()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A context that is cancelled at the very moment at which its write or read completes must not touch the next one.
func TestNoStaleCancel(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := connPair(t, p, connConfig{})
		go echo(server)
		for i := range 300 {
			ctx, cancel := context.WithCancel(context.Background())
			client.WriteMessage(TextMessage, []byte("a"))
			if i%2 == 0 {
				go cancel()
			}
			_, msg, err := client.ReadContext(ctx)
			if i%2 == 1 {
				go cancel()
			}
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				_, msg, err = client.ReadMessage()
			}
			if err != nil || string(msg) != "a" {
				t.Fatalf("round %d: %q, %v", i, msg, err)
			}
			cancel()
		}
		client.Close()
	})
}

func TestNoStaleCancelOfWrites(t *testing.T) {
	connect := func() (server *Conn, got chan int) { // got tells how many messages the client has got in the end
		server, client := connPair(t, transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(32) }}, connConfig{})
		got = make(chan int, 1)
		go func() {
			n := 0
			for {
				if _, _, err := client.ReadMessage(); err != nil {
					got <- n
					return
				}
				n++
			}
		}()
		return server, got
	}
	server, got := connect()
	sent := 0
	for range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		done := async(func() error { return server.WriteContext(ctx, BinaryMessage, make([]byte, 20)) })
		go cancel()
		switch err := <-done; {
		case err == nil:
			sent++
		case !errors.Is(err, context.Canceled):
			t.Fatal(err)
		case server.failed() != nil: // it was cancelled in the middle of the frame
			<-got
			server, got = connect()
			sent = 0
		}
		if err := server.WriteMessage(TextMessage, []byte("a message behind")); err != nil {
			t.Fatalf("the write behind a cancelled one: %v", err)
		}
		sent++
		cancel()
	}
	server.Close()
	if n := <-got; n != sent {
		t.Errorf("%d messages arrived, %d were sent", n, sent)
	}
}

// A PreparedMessage's text was judged when it was made; sending it to many does not judge it once for each.
func TestPreparedTextIsJudgedOnce(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		c, peer := withRaw(t, p, r, connConfig{})
		m, err := NewPreparedMessage(TextMessage, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		m.plain.payload[0] = 0xff // what nobody outside can do, and what a second look would notice
		sent := async(func() error { return c.WritePrepared(m) })
		peer.want(OpText, "\xffext")
		if err := <-sent; err != nil {
			t.Error(err)
		}
		c.CloseNow()
	})
}
