package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"hawser.example/websocket/internal/memconn"
)

// streamPair makes two streams over a transport.
func streamPair(t *testing.T, p transportPair, mt MessageType) (server, client net.Conn) {
	s, c := connPair(t, p, connConfig{})
	return StreamConn(s, mt), StreamConn(c, mt)
}

// memStream makes a server's stream whose peer is a Conn, in memory with so much room.
func memStream(size int, mt MessageType) (s net.Conn, peer *Conn) {
	server, client := Pipe(&PipeOptions{BufferSize: size})
	return StreamConn(server, mt), client
}

func wantRead(t *testing.T, r io.Reader, room int, want string) {
	t.Helper()
	p := make([]byte, room)
	if n, err := r.Read(p); err != nil || string(p[:n]) != want {
		t.Fatalf("Read = %q, %v, want %q", p[:n], err, want)
	}
}

func wantTimeout(t *testing.T, n int, err error) {
	t.Helper()
	var timeout net.Error
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("%d, %v, want 0 and a timeout", n, err)
	}
}

func wantMessage(t *testing.T, c *Conn, mt MessageType, want string) {
	t.Helper()
	got, p, err := c.ReadMessage()
	if err != nil || got != mt || string(p) != want {
		t.Fatalf("ReadMessage = %v %.40q (%d bytes), %v, want %v %.40q (%d bytes)", got, p, len(p), err, mt, want, len(want))
	}
}

func TestStreamReadCrossesMessages(t *testing.T) {
	for _, mt := range []MessageType{TextMessage, BinaryMessage} {
		s, peer := memStream(0, mt)
		for _, m := range []string{"abcde", "", "f", "ghi"} {
			if err := peer.WriteMessage(mt, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		wantRead(t, s, 2, "ab")
		wantRead(t, s, 2, "cd")
		wantRead(t, s, 2, "e") // a Read does not wait for the next message
		wantRead(t, s, 2, "f") // nor does it return an empty one
		if n, err := s.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v", n, err)
		}
		wantRead(t, s, 100, "ghi")
	}
}

func TestStreamReadsFragments(t *testing.T) {
	s, peer := memStream(0, BinaryMessage)
	sc := peer.NetConn()
	for _, f := range []struct {
		op  Opcode
		fin bool
		p   string
	}{{OpBinary, false, "ab"}, {OpPing, true, "?"}, {OpContinuation, false, ""}, {OpContinuation, true, "c"}, {OpBinary, true, "d"}} {
		e := encoder{role: clientRole, keys: nextMaskKey}
		sc.Write(e.appendFrame(nil, f.op, f.fin, []byte(f.p)))
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "abcd" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestStreamEachWriteIsOneMessage(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		for _, r := range []role{serverRole, clientRole} {
			server, client := connPair(t, p, connConfig{})
			c, peer := server, client
			if r == clientRole {
				c, peer = client, server
			}
			s := StreamConn(c, TextMessage)
			sizes := []int{1, 125, 126, streamChunk - 1, streamChunk, streamChunk + 1, 3*streamChunk + 7, 300_000}
			go func() {
				for _, size := range sizes {
					p := []byte(strings.Repeat("äx", size)[:size-size%3])
					if n, err := s.Write(p); n != len(p) || err != nil {
						t.Errorf("Write of %d = %d, %v", len(p), n, err)
					}
				}
			}()
			var total int
			for _, size := range sizes {
				size -= size % 3
				if size == 0 {
					continue
				}
				total += size
				wantMessage(t, peer, TextMessage, strings.Repeat("äx", size)[:size])
			}
			if st := peer.Stats(); st.BytesIn != int64(total) {
				t.Errorf("%d bytes arrived, want %d", st.BytesIn, total)
			}
			peer.CloseNow()
		}
	})
}

func TestStreamEmptyWriteSendsNothing(t *testing.T) {
	s, peer := memStream(0, BinaryMessage)
	for _, p := range [][]byte{nil, {}, []byte("x")} {
		if n, err := s.Write(p); n != len(p) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", p, n, err)
		}
	}
	wantMessage(t, peer, BinaryMessage, "x")
	if out := peer.Stats().MessagesIn; out != 1 {
		t.Errorf("%d messages arrived", out)
	}
	peer.CloseNow()
	s.Read(make([]byte, 1))
	if _, err := s.Write(nil); err == nil {
		t.Error("an empty Write on a lost connection succeeds")
	}
}

func TestStreamTextHasToBeUTF8(t *testing.T) {
	s, peer := memStream(0, TextMessage)
	for _, p := range []string{"caf\xc3", "\xff", strings.Repeat("x", 2*streamChunk) + "\xff"} {
		if n, err := s.Write([]byte(p)); n != 0 || err != ErrInvalidUTF8 {
			t.Fatalf("Write = %d, %v, want ErrInvalidUTF8", n, err)
		}
	}
	if _, err := s.Write([]byte("still usable")); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, peer, TextMessage, "still usable")
}

func TestStreamOfNoType(t *testing.T) {
	s, _ := memStream(0, MessageType(7))
	if n, err := s.Write([]byte("x")); n != 0 || err != ErrMessageType {
		t.Errorf("Write = %d, %v, want ErrMessageType", n, err)
	}
}

func TestStreamEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(s net.Conn, peer *Conn)
		want error
	}{
		{"Close 1000", func(_ net.Conn, peer *Conn) { go peer.CloseWith(CloseNormal, "bye") }, io.EOF},
		{"Close 1001", func(_ net.Conn, peer *Conn) { go peer.CloseWith(CloseGoingAway, "") }, io.EOF},
		{"Close without a code", func(_ net.Conn, peer *Conn) { go peer.CloseWith(CloseNoStatus, "") }, io.EOF},
		{"lost", func(_ net.Conn, peer *Conn) { peer.CloseNow() }, io.ErrUnexpectedEOF},
		{"reset", func(_ net.Conn, peer *Conn) { peer.NetConn().(interface{ Reset() }).Reset() }, io.ErrUnexpectedEOF},
		{"own Close", func(s net.Conn, peer *Conn) { peer.Drain(); s.Close() }, net.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, peer := memStream(0, BinaryMessage)
				c.end(s, peer)
				synctest.Wait()
				for range 3 {
					if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, c.want) || c.want == io.EOF && err != io.EOF {
						t.Fatalf("Read = %d, %v, want %v", n, err, c.want)
					}
					s.SetReadDeadline(time.Now().Add(-time.Second)) // the end goes before a deadline
				}
				if n, err := s.Write([]byte("x")); n != 0 || err == nil || err == io.EOF {
					t.Errorf("Write = %d, %v", n, err)
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			})
		})
	}
}

func TestStreamOtherCloseCodesAreErrors(t *testing.T) {
	for _, code := range []CloseCode{CloseProtocolError, CloseInternalError, CloseTryAgainLater, 3000, 4999} {
		s, peer := memStream(0, BinaryMessage)
		peer.WriteMessage(BinaryMessage, []byte("last"))
		go peer.CloseWith(code, "why")
		wantRead(t, s, 10, "last")
		_, err := s.Read(make([]byte, 1))
		var ce *CloseError
		if !errors.As(err, &ce) || ce.Code != code || errors.Is(err, io.EOF) {
			t.Errorf("after code %v: %v", code, err)
		}
	}
}

func TestStreamRefusesTheOtherType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := memStream(0, BinaryMessage)
		peer.WriteMessage(BinaryMessage, []byte("ok"))
		peer.WriteMessage(TextMessage, []byte("not ok"))
		peer.WriteMessage(BinaryMessage, []byte("never delivered"))
		told := make(chan error, 1)
		go func() { _, _, err := peer.ReadMessage(); told <- err }()
		wantRead(t, s, 10, "ok")
		for range 2 {
			n, err := s.Read(make([]byte, 10))
			var pe *ProtocolError
			if n != 0 || !errors.As(err, &pe) || pe.Code != CloseUnsupportedData {
				t.Fatalf("Read = %d, %v, want a ProtocolError with code 1003", n, err)
			}
		}
		var ce *CloseError
		if err := <-told; !errors.As(err, &ce) || ce.Code != CloseUnsupportedData || ce.Reason != "a text message on a stream of binary messages" {
			t.Errorf("the peer was told %v", err)
		}
	})
}

func TestStreamReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := memStream(0, BinaryMessage)
		start := time.Now()
		p := make([]byte, 2)

		s.SetReadDeadline(start.Add(time.Second))
		n, err := s.Read(p)
		wantTimeout(t, n, err)
		if d := time.Since(start); d != time.Second {
			t.Errorf("timeout after %v", d)
		}

		// A deadline that has passed goes before what is there to read, and nothing is lost.
		peer.WriteMessage(BinaryMessage, []byte("abcd"))
		n, err = s.Read(p)
		wantTimeout(t, n, err)
		s.SetReadDeadline(time.Time{})
		wantRead(t, s, 2, "ab")
		s.SetReadDeadline(start)
		n, err = s.Read(p)
		wantTimeout(t, n, err)
		s.SetReadDeadline(time.Now().Add(time.Second))
		wantRead(t, s, 2, "cd")

		// Moved while a Read waits.
		go func() {
			time.Sleep(time.Second / 2)
			s.SetReadDeadline(time.Now().Add(time.Minute))
			time.Sleep(2 * time.Second)
			peer.WriteMessage(BinaryMessage, []byte("ef"))
		}()
		wantRead(t, s, 2, "ef")
		go func() {
			time.Sleep(time.Second)
			s.SetReadDeadline(time.Unix(1, 0))
		}()
		n, err = s.Read(p)
		wantTimeout(t, n, err)
	})
}

// The bytes of a frame arrive one by one, and a deadline passes before each of them.
func TestStreamReadDeadlineInsideAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := memStream(0, TextMessage)
		e := encoder{role: clientRole, keys: nextMaskKey}
		frames := e.appendFrame(nil, OpText, false, []byte("añ"))
		frames = e.appendFrame(frames, OpContinuation, false, nil)
		frames = e.appendFrame(frames, OpContinuation, true, []byte("b"))
		frames = e.appendFrame(frames, OpText, true, []byte("c"))
		var got []byte
		for i := range frames {
			s.SetReadDeadline(time.Now().Add(time.Second))
			n, err := s.Read(make([]byte, 8))
			wantTimeout(t, n, err)
			peer.NetConn().Write(frames[i : i+1])
			s.SetReadDeadline(time.Now().Add(time.Second))
			p := make([]byte, 8)
			n, err = s.Read(p)
			if err != nil {
				wantTimeout(t, n, err)
			}
			got = append(got, p[:n]...)
		}
		if string(got) != "añbc" {
			t.Fatalf("got %q", got)
		}
		if _, err := s.Write([]byte("usable")); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, peer, TextMessage, "usable")
	})
}

// A write deadline that passes before the first byte has left: nothing is sent, then or later.
func TestStreamWriteDeadlineBeforeTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{10, 5 * streamChunk} {
			s, peer := memStream(8, BinaryMessage)
			full := []byte("12345678")
			s.(*streamConn).c.NetConn().Write(full)
			start := time.Now()
			s.SetWriteDeadline(start.Add(time.Second))
			n, err := s.Write(make([]byte, size))
			wantTimeout(t, n, err)
			if d := time.Since(start); d != time.Second {
				t.Errorf("timeout after %v", d)
			}
			n, err = s.Write([]byte("x"))
			wantTimeout(t, n, err)
			io.ReadFull(peer.NetConn(), full)
			s.SetWriteDeadline(time.Time{})
			go s.Write([]byte("later"))
			wantMessage(t, peer, BinaryMessage, "later")
		}
	})
}

// A write deadline that passes in the middle of a frame: the frame leaves later, and its bytes count as written.
func TestStreamWriteDeadlineInsideAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := memStream(8, BinaryMessage)
		s.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := s.Write([]byte("longer than eight")); n != 17 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		n, err := s.Write([]byte("x"))
		wantTimeout(t, n, err)

		// The rest is in the way of the next Write, which waits for it until its own deadline.
		start := time.Now()
		s.SetWriteDeadline(start.Add(3 * time.Second))
		n, err = s.Write([]byte("y"))
		wantTimeout(t, n, err)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("timeout after %v", d)
		}
		s.SetWriteDeadline(time.Time{})
		go s.Write([]byte("next"))
		wantMessage(t, peer, BinaryMessage, "longer than eight")
		wantMessage(t, peer, BinaryMessage, "next")
	})
}

// A write deadline that passes in the middle of a message of many frames: the message ends with what counts as written.
func TestStreamWriteDeadlineInsideAMessage(t *testing.T) {
	for _, mt := range []MessageType{TextMessage, BinaryMessage} {
		for _, room := range []int{8, streamChunk - 1, streamChunk + 4, streamChunk + 5, 2*streamChunk + 9, 50_000} {
			t.Run(fmt.Sprint(mt, room), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, peer := memStream(room, mt)
					p := []byte(strings.Repeat("xä世🌍", 10_000))
					s.SetWriteDeadline(time.Now().Add(time.Second))
					n, err := s.Write(p)
					if n == 0 || n == len(p) || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("Write = %d, %v", n, err)
					}
					if mt == TextMessage && !utf8.Valid(p[:n]) {
						t.Errorf("cut inside a character at %d", n)
					}
					s.SetWriteDeadline(time.Time{})
					go func() {
						s.Write(p[n:])
						s.Write([]byte("next"))
					}()
					wantMessage(t, peer, mt, string(p[:n]))
					wantMessage(t, peer, mt, string(p[n:]))
					wantMessage(t, peer, mt, "next")
				})
			})
		}
	}
}

// Writes that wait for another one to finish have deadlines too.
func TestStreamWriteDeadlineWhileAnotherMessageIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(nil)
		s := StreamConn(server, BinaryMessage)
		w, err := server.NextWriter(BinaryMessage)
		if err != nil {
			t.Fatal(err)
		}
		s.SetWriteDeadline(time.Now().Add(time.Minute))
		go func() {
			time.Sleep(time.Second)
			s.SetWriteDeadline(time.Now().Add(time.Second)) // sooner, while Write waits
		}()
		start := time.Now()
		n, err := s.Write([]byte("x"))
		wantTimeout(t, n, err)
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("timeout after %v", d)
		}
		w.Close()
		s.SetDeadline(time.Now().Add(time.Second))
		if _, err := s.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, client, BinaryMessage, "")
		wantMessage(t, client, BinaryMessage, "y")
	})
}

func TestStreamPastWriteDeadlineSendsNothing(t *testing.T) {
	s, peer := memStream(0, BinaryMessage)
	s.SetDeadline(time.Now().Add(-time.Second))
	n, err := s.Write([]byte("x"))
	wantTimeout(t, n, err)
	n, err = s.Write(nil)
	wantTimeout(t, n, err)
	s.SetDeadline(time.Time{})
	s.Write([]byte("y"))
	wantMessage(t, peer, BinaryMessage, "y")
}

// A transport that can only wait is broken by a write deadline, and says so from then on.
func TestStreamWriteDeadlineOnATransportThatOnlyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := memconn.Pair(8)
		s := StreamConn(newConn(struct{ net.Conn }{a}, serverRole, connConfig{}, nil), BinaryMessage)
		s.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := s.Write([]byte("longer than eight"))
		wantTimeout(t, n, err)
		s.SetDeadline(time.Time{})
		if _, err := s.Write([]byte("x")); err == nil {
			t.Error("Write succeeds on a broken connection")
		}
		if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("Read on a broken connection: %v", err)
		}
	})
}

func TestStreamCloseWakesCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := memStream(8, BinaryMessage)
		errs := make(chan error, 3)
		for range 2 { // the second waits for the first
			go func() { _, err := s.Read(make([]byte, 1)); errs <- err }()
		}
		go func() { _, err := s.Write(make([]byte, 100)); errs <- err }()
		synctest.Wait()
		start := time.Now()
		if err := s.Close(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != DefaultCloseTimeout {
			t.Errorf("Close = %v after %v; the peer never answered", err, time.Since(start))
		}
		for range 3 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v, want net.ErrClosed", err)
			}
		}
		peer.CloseNow()
	})
}

// TestStreamCopy sends random bytes in random pieces both ways at once.
func TestStreamCopy(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := streamPair(t, p, BinaryMessage)
		sent := make([]byte, 1<<20)
		rng := rand.New(rand.NewPCG(9, 8))
		for i := range sent {
			sent[i] = byte(rng.Uint32())
		}
		var wg sync.WaitGroup
		for i, s := range []net.Conn{server, client} {
			wg.Go(func() {
				pieces := rand.New(rand.NewPCG(7, uint64(i)))
				for rest := sent; len(rest) > 0; {
					n := min(len(rest), 1+pieces.IntN(60_000))
					if _, err := s.Write(rest[:n]); err != nil {
						t.Errorf("Write: %v", err)
						return
					}
					rest = rest[n:]
				}
			})
			wg.Go(func() {
				pieces := rand.New(rand.NewPCG(6, uint64(i)))
				got := make([]byte, len(sent))
				for n := 0; n < len(got); {
					m, err := s.Read(got[n:min(len(got), n+1+pieces.IntN(60_000))])
					if err != nil || m == 0 {
						t.Errorf("Read = %d, %v", m, err)
						return
					}
					n += m
				}
				if !bytes.Equal(got, sent) {
					t.Error("other bytes arrived than were sent")
				}
			})
		}
		wg.Wait()
		go io.Copy(io.Discard, client)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamConcurrentUse(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := streamPair(t, p, BinaryMessage)
		go io.Copy(client, client)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 100 {
					server.Write([]byte("some bytes"))
				}
			})
			wg.Go(func() {
				for range 50 {
					server.Read(make([]byte, 7))
				}
			})
			wg.Go(func() {
				for range 100 {
					server.SetDeadline(time.Now().Add(time.Minute))
					server.SetWriteDeadline(time.Time{})
				}
			})
		}
		wg.Wait()
		server.Close()
		client.Close()
	})
}

// net/http uses all of a net.Conn: deadlines in the past to take its background Read back, large and small writes, and the
// end of the stream.
func TestStreamCarriesHTTP(t *testing.T) {
	eachTransport(t, func(t *testing.T, p transportPair) {
		server, client := streamPair(t, p, BinaryMessage)
		ln := &oneConnListener{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		ln.conn <- server
		srv := &http.Server{ReadTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		})}
		go srv.Serve(ln)
		tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
		for _, size := range []int{0, 10, 100_000, 10} {
			body := strings.Repeat("b", size)
			req, _ := http.NewRequest("POST", "http://stream.example/", strings.NewReader(body))
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(got) != body {
				t.Fatalf("%d bytes, %v, want %d", len(got), err, size)
			}
		}
		tr.CloseIdleConnections()
		srv.Close()
	})
}

type oneConnListener struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConnListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConnListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConnListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestStreamAddresses(t *testing.T) {
	server, client := streamPair(t, transports[0], BinaryMessage)
	if server.LocalAddr().String() != client.RemoteAddr().String() || server.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("%v→%v and %v→%v", server.LocalAddr(), server.RemoteAddr(), client.LocalAddr(), client.RemoteAddr())
	}
}
