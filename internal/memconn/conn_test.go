package memconn

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// read wants the next Read on c to return exactly want.
func read(t *testing.T, c *Conn, want string) {
	t.Helper()
	p := make([]byte, len(want)+1)
	if n, err := c.Read(p); err != nil || string(p[:n]) != want {
		t.Fatalf("Read = %q, %v, want %q", p[:n], err, want)
	}
}

// readFails wants Read to return nothing but an error that matches.
func readFails(t *testing.T, c *Conn, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Read = %d, %v, want %v", n, err, want)
	}
}

func write(t *testing.T, c *Conn, p string) {
	t.Helper()
	if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func writeFails(t *testing.T, c *Conn, want error) {
	t.Helper()
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Write = %d, %v, want %v", n, err, want)
	}
	if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, want) {
		t.Fatalf("TryWrite = %d, %v, want %v", n, err, want)
	}
}

// result is what a Read or Write in another goroutine returned, and when.
type result struct {
	n     int
	err   error
	after time.Duration
}

// async runs f in another goroutine; the channel has room for its result.
func async(f func() (int, error)) <-chan result {
	done := make(chan result, 1)
	begin := time.Now()
	go func() {
		n, err := f()
		done <- result{n, err, time.Since(begin)}
	}()
	return done
}

// blocked wants nothing to come from done while nothing else happens.
func blocked(t *testing.T, done <-chan result) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-done:
		t.Fatalf("returned %d, %v instead of blocking", r.n, r.err)
	default:
	}
}

func TestBothDirections(t *testing.T) {
	a, b := Pair(0)
	write(t, a, "to b")
	write(t, b, "to a")
	write(t, b, ", more")
	read(t, a, "to a, more")
	read(t, b, "to b")
}

func TestReadInPieces(t *testing.T) {
	a, b := Pair(0)
	write(t, a, "abcdef")
	p := make([]byte, 4)
	if n, err := b.Read(p); n != 4 || err != nil || string(p) != "abcd" {
		t.Fatalf("Read = %d, %v, %q", n, err, p)
	}
	read(t, b, "ef")
}

func TestEmptyReadAndWriteReturnAtOnce(t *testing.T) {
	a, b := Pair(1)
	write(t, a, "x")
	write(t, a, "")
	if n, err := a.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) = %d, %v", n, err)
	}
	if n, err := b.Read([]byte{}); n != 0 || err != nil {
		t.Errorf("Read(empty) = %d, %v", n, err)
	}
	read(t, b, "x")
}

func TestWriteBlocksWhileThePeerIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(4)
		done := async(func() (int, error) { return a.Write([]byte("abcdefgh")) })
		blocked(t, done)
		read(t, b, "abcd")
		synctest.Wait()
		read(t, b, "efgh")
		if r := <-done; r.n != 8 || r.err != nil {
			t.Fatalf("Write = %d, %v", r.n, r.err)
		}
	})
}

func TestReadBlocksUntilBytesArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(0)
		p := make([]byte, 10)
		done := async(func() (int, error) { return b.Read(p) })
		blocked(t, done)
		write(t, a, "hi")
		if r := <-done; r.n != 2 || r.err != nil || string(p[:2]) != "hi" {
			t.Fatalf("Read = %d, %v", r.n, r.err)
		}
	})
}

func TestTryWriteTakesWhatFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(4)
		for _, step := range []struct {
			p string
			n int
		}{{"ab", 2}, {"cdef", 2}, {"gh", 0}, {"", 0}} {
			if n, err := a.TryWrite([]byte(step.p)); n != step.n || err != nil {
				t.Fatalf("TryWrite(%q) = %d, %v, want %d", step.p, n, err, step.n)
			}
		}
		done := async(func() (int, error) { return a.Write([]byte("xy")) })
		blocked(t, done)
		if n, err := a.TryWrite([]byte("z")); n != 0 || err != nil {
			t.Fatalf("TryWrite beside a blocked Write = %d, %v", n, err)
		}
		read(t, b, "abcd")
		<-done
		read(t, b, "xy")
	})
}

func TestWritesDoNotMix(t *testing.T) {
	const writers, size = 4, 1000
	a, b := Pair(7)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			a.Write(bytes.Repeat([]byte{byte('a' + i)}, size))
		})
	}
	go func() {
		wg.Wait()
		a.Close()
	}()
	all, err := io.ReadAll(b)
	if err != nil || len(all) != writers*size {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
	for i := 0; i < len(all); i += size {
		if strings.Trim(string(all[i:i+size]), string(all[i:i+1])) != "" {
			t.Fatalf("writes mixed in bytes %d to %d", i, i+size)
		}
	}
}

func TestCloseWrite(t *testing.T) {
	a, b := Pair(0)
	write(t, a, "last words")
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	writeFails(t, a, syscall.EPIPE)
	read(t, b, "last words")
	for range 2 {
		if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("Read = %d, %v, want io.EOF itself", n, err)
		}
	}
	write(t, b, "still heard")
	read(t, a, "still heard")
	if err := a.CloseWrite(); err != nil {
		t.Errorf("second CloseWrite: %v", err)
	}
}

func TestClose(t *testing.T) {
	a, b := Pair(0)
	write(t, a, "last words")
	write(t, b, "unread")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	readFails(t, a, net.ErrClosed)
	writeFails(t, a, net.ErrClosed)
	writeFails(t, b, syscall.EPIPE)
	read(t, b, "last words")
	readFails(t, b, io.EOF)
	for name, err := range map[string]error{
		"Close":            a.Close(),
		"CloseWrite":       a.CloseWrite(),
		"SetDeadline":      a.SetDeadline(time.Now()),
		"SetReadDeadline":  a.SetReadDeadline(time.Now()),
		"SetWriteDeadline": a.SetWriteDeadline(time.Now()),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Errorf("the peer's Close: %v", err)
	}
}

func TestReset(t *testing.T) {
	a, b := Pair(0)
	write(t, a, "lost")
	write(t, b, "lost")
	a.Reset()
	readFails(t, a, net.ErrClosed)
	writeFails(t, a, net.ErrClosed)
	readFails(t, b, syscall.ECONNRESET)
	writeFails(t, b, syscall.ECONNRESET)
	if err := b.Close(); err != nil {
		t.Errorf("Close after the peer's reset: %v", err)
	}
	readFails(t, b, net.ErrClosed)
}

// Whatever ends a connection must wake who waits on it, on both ends.
func TestBlockedCallsWake(t *testing.T) {
	for _, c := range []struct {
		name                         string
		do                           func(a *Conn)
		aRead, aWrite, bRead, bWrite error
	}{
		{name: "Close", do: func(a *Conn) { a.Close() },
			aRead: net.ErrClosed, aWrite: net.ErrClosed, bRead: io.EOF, bWrite: syscall.EPIPE},
		{name: "Reset", do: (*Conn).Reset,
			aRead: net.ErrClosed, aWrite: net.ErrClosed, bRead: syscall.ECONNRESET, bWrite: syscall.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, call := range []struct {
				name string
				fill bool
				f    func(a, b *Conn) (int, error)
				want error
			}{
				{"own Read", false, func(a, _ *Conn) (int, error) { return a.Read(make([]byte, 1)) }, c.aRead},
				{"own Write", true, func(a, _ *Conn) (int, error) { return a.Write([]byte("xy")) }, c.aWrite},
				{"peer's Read", false, func(_, b *Conn) (int, error) { return b.Read(make([]byte, 1)) }, c.bRead},
				{"peer's Write", true, func(_, b *Conn) (int, error) { return b.Write([]byte("xy")) }, c.bWrite},
			} {
				t.Run(call.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a, b := Pair(1)
						if call.fill {
							write(t, a, "f")
							write(t, b, "f")
						}
						done := async(func() (int, error) { return call.f(a, b) })
						blocked(t, done)
						c.do(a)
						if r := <-done; r.n != 0 || !errors.Is(r.err, call.want) {
							t.Fatalf("returned %d, %v, want %v", r.n, r.err, call.want)
						}
					})
				})
			}
		})
	}
	t.Run("CloseWrite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pair(1)
			reader := async(func() (int, error) { return b.Read(make([]byte, 1)) })
			blocked(t, reader)
			a.CloseWrite()
			if r := <-reader; r.err != io.EOF {
				t.Fatalf("the peer's Read = %v", r.err)
			}
		})
	})
}

func TestWriteCountsWhatWasTakenBeforeTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(3)
		done := async(func() (int, error) { return a.Write([]byte("abcdef")) })
		blocked(t, done)
		b.Close()
		if r := <-done; r.n != 3 || !errors.Is(r.err, syscall.EPIPE) {
			t.Fatalf("Write = %d, %v", r.n, r.err)
		}
	})
}

func TestErrorsLookLikeThoseOfNet(t *testing.T) {
	a, _ := Pair(0)
	a.SetReadDeadline(time.Now().Add(-time.Second))
	_, err := a.Read(make([]byte, 1))
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "read" || op.Net != "pipe" {
		t.Errorf("%#v is no *net.OpError of a read on a pipe", err)
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
	a.Close()
	if _, err = a.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%v is a timeout", err)
	}
	for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr()} {
		if addr.Network() != "pipe" || addr.String() != "pipe" {
			t.Errorf("address %s %s", addr.Network(), addr)
		}
	}
}

func TestDeadlinesWakeBlockedCallsOnTime(t *testing.T) {
	calls := map[string]struct {
		set func(*Conn, time.Time) error
		f   func(*Conn) (int, error)
	}{
		"read":        {(*Conn).SetReadDeadline, func(c *Conn) (int, error) { return c.Read(make([]byte, 1)) }},
		"write":       {(*Conn).SetWriteDeadline, func(c *Conn) (int, error) { return c.Write([]byte("xy")) }},
		"both, read":  {(*Conn).SetDeadline, func(c *Conn) (int, error) { return c.Read(make([]byte, 1)) }},
		"both, write": {(*Conn).SetDeadline, func(c *Conn) (int, error) { return c.Write([]byte("xy")) }},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := Pair(1)
				write(t, a, "f")
				expect := func(done <-chan result, after time.Duration) {
					t.Helper()
					r := <-done
					if !errors.Is(r.err, os.ErrDeadlineExceeded) || r.n != 0 || r.after != after {
						t.Fatalf("%d, %v after %v, want a timeout after %v", r.n, r.err, r.after, after)
					}
				}
				f := func() (int, error) { return call.f(a) }

				call.set(a, time.Now().Add(time.Second))
				expect(async(f), time.Second)
				expect(async(f), 0)

				// Moved while a call is blocked: later, then sooner.
				call.set(a, time.Now().Add(time.Second))
				done := async(f)
				blocked(t, done)
				call.set(a, time.Now().Add(time.Hour))
				time.Sleep(2 * time.Second)
				blocked(t, done)
				call.set(a, time.Now().Add(time.Second))
				expect(done, 3*time.Second)

				// Into the past while a call is blocked.
				call.set(a, time.Time{})
				done = async(f)
				time.Sleep(time.Minute)
				blocked(t, done)
				call.set(a, time.Unix(1, 0))
				expect(done, time.Minute)
			})
		})
	}
}

func TestUsableAfterADeadline(t *testing.T) {
	a, b := Pair(2)
	past := time.Now().Add(-time.Second)
	a.SetDeadline(past)
	b.SetDeadline(past)
	readFails(t, b, os.ErrDeadlineExceeded)
	writeFails(t, a, os.ErrDeadlineExceeded)
	a.SetDeadline(time.Time{})
	write(t, a, "ok")
	readFails(t, b, os.ErrDeadlineExceeded) // although there are bytes, as on a socket
	b.SetDeadline(time.Now().Add(time.Hour))
	read(t, b, "ok")
}

func TestWriteDeadlineWhileAnotherWriteIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pair(1)
		first := async(func() (int, error) { return a.Write([]byte("abc")) })
		blocked(t, first)
		second := async(func() (int, error) { return a.Write([]byte("d")) })
		blocked(t, second)
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if r := <-first; r.n != 1 || !errors.Is(r.err, os.ErrDeadlineExceeded) {
			t.Errorf("first Write = %d, %v", r.n, r.err)
		}
		if r := <-second; r.n != 0 || !errors.Is(r.err, os.ErrDeadlineExceeded) {
			t.Errorf("second Write = %d, %v", r.n, r.err)
		}
		read(t, b, "a")
	})
}

// TestStream sends random bytes in random pieces through buffers of odd sizes.
func TestStream(t *testing.T) {
	for _, size := range []int{1, 3, 511, 512, 700, 5000, 100_000} {
		a, b := Pair(size)
		rng := rand.New(rand.NewPCG(1, uint64(size)))
		sent := make([]byte, 20_000+2*size)
		for i := range sent {
			sent[i] = byte(rng.Uint32())
		}
		go func() {
			pieces := rand.New(rand.NewPCG(2, uint64(size)))
			for rest := sent; len(rest) > 0; {
				n := 1 + pieces.IntN(min(len(rest), 2*size))
				a.Write(rest[:n])
				rest = rest[n:]
			}
			a.CloseWrite()
		}()
		var got []byte
		for p := make([]byte, 2*size); ; {
			n, err := b.Read(p[:1+rng.IntN(len(p))])
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("size %d: %d bytes arrived, not the %d that were sent", size, len(got), len(sent))
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	a, b := Pair(16)
	var wg sync.WaitGroup
	for _, c := range []*Conn{a, b} {
		wg.Go(func() { io.Copy(io.Discard, c) })
		for range 2 {
			wg.Go(func() {
				for range 500 {
					c.Write([]byte("some bytes for the peer"))
					c.TryWrite([]byte("and some more"))
				}
				c.CloseWrite()
			})
		}
		wg.Go(func() {
			for range 100 {
				c.SetDeadline(time.Now().Add(time.Hour))
				c.SetDeadline(time.Time{})
			}
		})
	}
	wg.Wait()
	a.Close()
	b.Reset()
}

func TestMemoryFollowsTheBytes(t *testing.T) {
	a, b := Pair(1 << 20)
	if a.out.data.mem != nil {
		t.Error("an idle connection has a buffer")
	}
	write(t, a, "few")
	if n := len(a.out.data.mem.bytes); n > 512 {
		t.Errorf("%d bytes of buffer for 3", n)
	}
	write(t, a, strings.Repeat("x", 5000))
	if n := len(a.out.data.mem.bytes); n > 8192 {
		t.Errorf("%d bytes of buffer for 5003", n)
	}
	io.ReadFull(b, make([]byte, 5003))
	if a.out.data.mem != nil {
		t.Error("the buffer stays after the last byte")
	}
	write(t, a, "unread")
	b.Close()
	if a.out.data.mem != nil {
		t.Error("the buffer stays after Close")
	}
}

func TestIdlePairIsSmall(t *testing.T) {
	const pairs = 1000
	keep := make([]*Conn, 0, 2*pairs)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range pairs {
		a, b := Pair(0)
		keep = append(keep, a, b)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := int64(after.HeapAlloc-before.HeapAlloc) / pairs; n > 1024 {
		t.Errorf("%d bytes for each idle pair", n)
	}
	runtime.KeepAlive(keep)
}

// The peer never sees an orderly end, whenever it looks.
func TestResetIsNoEnd(t *testing.T) {
	for range 2000 {
		a, b := Pair(0)
		go a.Reset()
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("Read = %v, want one that is ECONNRESET", err)
		}
	}
}
