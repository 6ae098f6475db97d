package websocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// The tests in this file are about connections that compress. The peer is one with compress/flate, where it matters what
// goes over the wire, and else the other end of the same kind.

// compressions is options that differ in what a connection does.
var compressions = map[string]*Compression{
	"takeover":       {Send: upTo(15), Receive: upTo(15)},
	"small windows":  {Send: upTo(9), Receive: upTo(9)},
	"8 bits":         {Send: upTo(8), Receive: upTo(8)},
	"no takeover":    {Send: no(15), Receive: no(15)},
	"balanced":       {Send: upTo(12), Receive: no(10), Level: CompressionBalanced},
	"Huffman only":   {Send: upTo(15), Receive: upTo(15), Level: CompressionHuffman},
	"all compressed": {Threshold: -1, Fragments: true},
}

func eachCompression(t *testing.T, f func(t *testing.T, c *Compression)) {
	for name, c := range compressions {
		t.Run(name, func(t *testing.T) { f(t, c) })
	}
}

// flateBubble runs f in a synctest bubble, with a Conn in memory and a peer, once for each role.
func flateBubble(t *testing.T, size int, ours *Compression, f func(t *testing.T, c *Conn, peer *flatePeer)) {
	roleBubble(t, size, func(t *testing.T, mem transportPair, r role) (*Conn, net.Conn) {
		c, peer := withFlate(t, mem, r, ours)
		f(t, c, peer)
		return c, peer.nc
	})
}

// variedText is text of n bytes, every third of which does not compress.
func variedText(n, seed int) string {
	if seed%3 == 2 {
		return noise(n, uint64(seed))
	}
	return jsonText(n, seed)
}

// everyWrite is every way to write a message.
var everyWrite = []struct {
	name  string
	write func(c *Conn, p []byte) error
}{
	{"WriteMessage", func(c *Conn, p []byte) error { return c.WriteMessage(BinaryMessage, p) }},
	{"WriteContext", func(c *Conn, p []byte) error { return c.WriteContext(context.Background(), BinaryMessage, p) }},
	{"WritePrepared", func(c *Conn, p []byte) error {
		m, err := NewPreparedMessage(BinaryMessage, p)
		if err != nil {
			return err
		}
		return c.WritePrepared(m)
	}},
	{"NextWriter", func(c *Conn, p []byte) error {
		w, err := c.NextWriter(BinaryMessage)
		if err != nil {
			return err
		}
		for chunk := range bytes.SplitAfterSeq(p, []byte(",")) {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return w.Close()
	}},
	{"StreamConn", func(c *Conn, p []byte) error {
		if len(p) == 0 { // which a stream does not send
			return c.WriteMessage(BinaryMessage, p)
		}
		_, err := StreamConn(c, BinaryMessage).Write(p)
		return err
	}},
}

// tinyRead reads a message through a NextReader, few bytes at a time.
func tinyRead(c *Conn) ([]byte, error) {
	_, r, err := c.NextReader()
	if err != nil {
		return nil, err
	}
	var got []byte
	p := make([]byte, 70)
	for i := 0; ; i++ {
		n, err := r.Read(p[:1+i%len(p)])
		got = append(got, p[:n]...)
		if err == io.EOF {
			return got, nil
		}
		if err != nil || n == 0 {
			return got, fmt.Errorf("%d bytes, %w", n, err)
		}
	}
}

var everyRead = []struct {
	name string
	read func(c *Conn) ([]byte, error)
}{
	{"ReadMessage", func(c *Conn) ([]byte, error) { _, p, err := c.ReadMessage(); return p, err }},
	{"AppendMessage", func(c *Conn) ([]byte, error) {
		_, p, err := c.AppendMessage([]byte("before"))
		if !bytes.HasPrefix(p, []byte("before")) {
			return nil, fmt.Errorf("what was there before is %.10q", p)
		}
		return p[len("before"):], err
	}},
	{"ReadContext", func(c *Conn) ([]byte, error) { _, p, err := c.ReadContext(context.Background()); return p, err }},
	{"NextReader", func(c *Conn) ([]byte, error) {
		_, r, err := c.NextReader()
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}},
	{"NextReader, tiny reads", tinyRead},
}

// compressedPair returns two connections that have agreed on what both want.
func compressedPair(t *testing.T, p transportPair, options *Compression) (server, client *Conn) {
	s, c := agreement(options, options)
	sc, cc := p.make(t)
	return newConn(sc, serverRole, connConfig{deflate: s}, nil), newConn(cc, clientRole, connConfig{deflate: c}, nil)
}

// Whatever way messages are written and read, on one connection in turn, they arrive as they were.
func TestCompressedMessagesArrive(t *testing.T) {
	sizes := []int{0, 1, 127, 128, 129, 1000, 5000, collectLimit - 1, collectLimit, collectLimit + 1, 100_000}
	eachCompression(t, func(t *testing.T, options *Compression) {
		eachTransport(t, func(t *testing.T, p transportPair) {
			wstest.NoLeaks(t)
			server, client := compressedPair(t, p, options)
			for _, ends := range [][2]*Conn{{server, client}, {client, server}} {
				sent := async(func() error {
					for i, n := range sizes {
						for j := range everyWrite {
							w := everyWrite[(i+j)%len(everyWrite)]
							if err := w.write(ends[0], []byte(variedText(n, i+j))); err != nil {
								return fmt.Errorf("%s, %d bytes: %w", w.name, n, err)
							}
						}
					}
					return nil
				})
				for i, n := range sizes {
					for j := range everyWrite {
						r := everyRead[(2*i+j)%len(everyRead)]
						got, err := r.read(ends[1])
						if want := variedText(n, i+j); err != nil || string(got) != want {
							t.Fatalf("%s, %d bytes: got %d bytes, %v", r.name, n, len(got), err)
						}
					}
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			server.CloseNow()
			client.CloseNow()
		})
	})
}

// A compressed message is one frame. NextWriter's larger ones are plain, unless Fragments says otherwise.
func TestCompressedMessagesAreOneFrame(t *testing.T) {
	eachCompression(t, func(t *testing.T, options *Compression) {
		flateBubble(t, 1<<21, options, func(t *testing.T, c *Conn, peer *flatePeer) {
			for i, n := range []int{200, 5000, collectLimit, collectLimit + 1, 40_000, 200_000} {
				text := jsonText(n, i)
				for _, w := range everyWrite[:4] {
					fragmented := w.name == "NextWriter" && n > collectLimit
					if err := w.write(c, []byte(text)); err != nil {
						t.Fatal(err)
					}
					m, err := peer.next()
					if err != nil || m.text != text {
						t.Fatalf("%s, %d bytes: %d bytes, %v", w.name, n, len(m.text), err)
					}
					if m.frames > 1 != fragmented || m.deflated == (fragmented && !options.Fragments) {
						t.Errorf("%s, %d bytes: %d frames, compressed %v", w.name, n, m.frames, m.deflated)
					}
					if m.deflated && options.Level != CompressionHuffman && m.size > n/2 {
						t.Errorf("%s, %d bytes: compressed to %d", w.name, n, m.size)
					}
				}
			}
		})
	})
}

// The threshold is exact, and counts for every way to write.
func TestCompressionThreshold(t *testing.T) {
	for _, c := range []struct{ option, from int }{{0, DefaultCompressionThreshold}, {-1, 0}, {1, 1}, {1000, 1000}, {20_000, 20_000}} {
		for _, takeover := range []bool{true, false} {
			options := &Compression{Threshold: c.option, Send: CompressionContext{NoTakeover: !takeover, WindowBits: 15}}
			flateBubble(t, 1<<20, options, func(t *testing.T, conn *Conn, peer *flatePeer) {
				for _, n := range []int{0, c.from - 1, c.from, c.from + 1, c.from + 100} {
					if n < 0 {
						continue
					}
					for _, w := range everyWrite {
						if n > streamChunk && (w.name == "NextWriter" || w.name == "StreamConn") {
							continue // in fragments
						}
						text := strings.Repeat("a", n)
						if err := w.write(conn, []byte(text)); err != nil {
							t.Fatal(err)
						}
						gains := takeover && w.name != "WritePrepared" || n > 20
						m, err := peer.next()
						if err != nil || m.text != text || m.deflated != (n >= c.from && gains) && n > 20 || m.deflated && n < c.from {
							t.Errorf("%s, %d bytes of %d: compressed %v, %v", w.name, n, c.from, m.deflated, err)
						}
					}
				}
			})
		}
	}
}

// Without takeover what does not gain by compression leaves as it is.
func TestIncompressibleMessagesLeavePlain(t *testing.T) {
	for _, options := range []*Compression{{Send: no(15)}, {Level: CompressionHuffman}} {
		flateBubble(t, 1<<20, options, func(t *testing.T, c *Conn, peer *flatePeer) {
			for _, n := range []int{200, collectLimit, 50_000} {
				text := noise(n, uint64(n))
				for _, w := range everyWrite[:3] {
					w.write(c, []byte(text))
					peer.wantMessage(text, false)
				}
				w := jsonText(n, 0)
				c.WriteMessage(TextMessage, []byte(w))
				peer.wantMessage(w, true)
			}
			if got := c.Stats(); got.CompressedOut != 3 || got.MessagesOut != 12 {
				t.Errorf("%d of %d messages were compressed, want 3 of 12", got.CompressedOut, got.MessagesOut)
			}
		})
	}
}

// A message that is skipped, or read in part, stays in the context of those behind it.
func TestSkippedMessagesStayInTheContext(t *testing.T) {
	skips := map[string]func(t *testing.T, c *Conn){
		"NextReader, nothing of it": func(t *testing.T, c *Conn) { c.NextReader() },
		"NextReader, a part of it": func(t *testing.T, c *Conn) {
			_, r, _ := c.NextReader()
			if _, err := io.ReadFull(r, make([]byte, 777)); err != nil {
				t.Error(err)
			}
		},
		"StreamConn, a part of it": func(t *testing.T, c *Conn) {
			if _, err := io.ReadFull(StreamConn(c, BinaryMessage), make([]byte, 777)); err != nil {
				t.Error(err)
			}
		},
		"ReadJSON of what is none": func(t *testing.T, c *Conn) {
			var syntax *json.SyntaxError
			if err := c.ReadJSON(new(any)); !errors.As(err, &syntax) {
				t.Error(err)
			}
		},
	}
	for name, skip := range skips {
		t.Run(name, func(t *testing.T) {
			flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
				first, second := jsonText(30_000, 0), jsonText(20_000, 0)
				for range 3 {
					peer.sendDeflated(OpBinary, first)
					skip(t, c)
					peer.sendDeflated(OpBinary, second)
					wantMessages(t, c, second)
				}
				if got := c.Stats(); got.MessagesIn != 6 || got.BytesIn != 150_000 || got.CompressedIn != 6 {
					t.Errorf("the counts are %+v", got)
				}
			})
		})
	}
}

// Who throws messages away inflates them all the same: what is wrong with them is found.
func TestMessagesThrownAwayAreJudged(t *testing.T) {
	h := new(Hub)
	ways := map[string]func(c *Conn) error{
		"Drain": func(c *Conn) error { c.Drain(); <-c.Done(); return c.failed() },
		"Hub":   func(c *Conn) error { return h.Serve(c, "topic") },
		"NextReader": func(c *Conn) error {
			for {
				if _, _, err := c.NextReader(); err != nil {
					return err
				}
			}
		},
	}
	for name, way := range ways {
		for code, bad := range map[CloseCode]string{
			CloseInvalidPayload: "\x06", CloseMessageTooBig: newFlateSender(noTakeover15).deflate(jsonText(1001, 0)),
		} {
			t.Run(fmt.Sprint(name, int(code)), func(t *testing.T) {
				flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
					c.SetReadLimit(1000)
					ended := async(func() error { return way(c) })
					for i := range 3 {
						peer.sendDeflated(OpText, jsonText(1000, i))
					}
					peer.write(peer.compressedFrame(OpBinary, true, bad))
					if name == "NextReader" {
						peer.send(OpText, "one more, so that the last is skipped")
					}
					var violated *ProtocolError
					if err := <-ended; !errors.As(err, &violated) || violated.Code != code {
						t.Errorf("it ended with %v, want code %d", err, code)
					}
					peer.wantClose(code)
				})
			})
		}
	}
}

// What is no message is delivered by no way of reading. A part of it may come from a NextReader, which ends with the
// error and not with io.EOF.
func TestBadCompressedMessagesAreNotDelivered(t *testing.T) {
	good := newFlateSender(noTakeover15).deflate(jsonText(40_000, 0))
	corrupt := good[:len(good)/2] + "\xff\xff\xff\xff" + good[len(good)/2:]
	for name, bad := range map[string]string{"cut short": good[:len(good)-10], "corrupt": corrupt, "empty": "", "not UTF-8": storedMessage("a\xffb")} {
		for _, r := range append(wholeReads, everyRead...) {
			t.Run(name+", "+r.name, func(t *testing.T) {
				flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
					peer.write(peer.compressedFrame(OpText, true, bad))
					_, err := r.read(c)
					var violated *ProtocolError
					if !errors.As(err, &violated) || violated.Code != CloseInvalidPayload {
						t.Errorf("the read returned %v", err)
					}
					peer.wantClose(CloseInvalidPayload)
					if _, err2 := r.read(c); !errors.As(err2, &violated) {
						t.Errorf("the next read returned %v", err2)
					}
				})
			})
		}
	}
}

// The read limit counts inflated bytes, exactly.
func TestReadLimitOfCompressedMessages(t *testing.T) {
	for _, r := range append(wholeReads, everyRead...) {
		t.Run(r.name, func(t *testing.T) {
			flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
				c.SetReadLimit(50_000)
				if r.name != "Serve" { // which reads one message here
					peer.sendDeflated(OpText, jsonText(50_000, 0))
					if p, err := r.read(c); err != nil || len(p) != 50_000 {
						t.Fatalf("%d bytes, %v", len(p), err)
					}
				}
				peer.sendDeflated(OpText, jsonText(50_001, 0))
				_, err := r.read(c)
				wantTooBig(t, peer.rawPeer, err)
			})
		})
	}
}

// A bomb costs no more memory than the read limit allows, whoever reads it.
func TestBombCostsNoMoreThanTheLimit(t *testing.T) {
	const limit = 1 << 20
	size := 64 << 20 // of which are sent about 300 KiB
	if raceEnabled {
		size = 8 << 20
	}
	bomb := newFlateSender(takeover15).deflate(strings.Repeat("\x00", size))
	ways := map[string]func(c *Conn) error{
		"Drain": func(c *Conn) error { c.Drain(); <-c.Done(); return c.failed() },
	}
	for _, r := range append(wholeReads, everyRead...) {
		if !strings.Contains(r.name, "large buffer") && r.name != "NextReader, tiny reads" {
			ways[r.name] = func(c *Conn) error { _, err := r.read(c); return err }
		}
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			mem := transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(4 << 20) }}
			c, peer := withFlate(t, mem, serverRole, &Compression{Receive: upTo(15)})
			c.SetReadLimit(limit)
			peer.write(peer.compressedFrame(OpBinary, true, bomb))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := way(c)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrReadLimit) {
				t.Errorf("it ended with %v", err)
			}
			// Memory that doubles adds up to twice its last size; io.ReadAll takes its time to get there.
			if cost := after.TotalAlloc - before.TotalAlloc; cost > 8*limit || strings.Contains(name, "Append") && cost > 4*limit {
				t.Errorf("a message of %d bytes that inflates to %d MiB cost %d KiB with a limit of %d KiB", len(bomb), size>>20, cost>>10, limit>>10)
			}
			c.CloseNow()
		})
	}
	if len(bomb) > limit/2 {
		t.Errorf("the bomb has %d bytes", len(bomb))
	}
}

// Text is judged as it comes: the bad byte in the first part of a message is enough.
func TestInflatedTextFailsFast(t *testing.T) {
	flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
		ended := async(readOne(c))
		frame := peer.deflated(OpText, "\xff"+noise(5000, 1))
		peer.write(frame[:1000]) // the rest never comes
		peer.wantClose(CloseInvalidPayload)
		if err := <-ended; err == nil {
			t.Error("it was delivered")
		}
	})
}

// Replies that collect are compressed as any message, in the order in which they leave.
func TestCompressedRepliesLeaveInOneWrite(t *testing.T) {
	for name, options := range compressions {
		if name == "Huffman only" || options.Receive.NoTakeover {
			continue
		}
		t.Run(name, func(t *testing.T) {
			flateBubble(t, 1<<20, options, func(t *testing.T, c *Conn, peer *flatePeer) {
				var replies []string
				var frames []byte
				for i := range 20 {
					replies = append(replies, jsonText(150+i, i%2))
					frames = append(frames, peer.deflated(OpText, replies[i])...)
				}
				writes := 0
				c.wire = &countingWire{c.wire, &writes}
				go c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }})
				peer.write(frames)
				for _, want := range replies {
					peer.wantMessage(want, true)
				}
				synctest.Wait()
				c.waitLock(nil, false)
				if writes != 1 {
					t.Errorf("%d writes", writes)
				}
				c.wlock.unlock()
			})
		})
	}
}

// A countingWire counts writes. Whoever holds the write lock owns the count.
type countingWire struct {
	wire
	writes *int
}

func (w *countingWire) tryWrite(p []byte) (int, error) {
	*w.writes++
	return w.wire.tryWrite(p)
}

// Many goroutines write to one connection in all ways. Each message arrives whole, and each writer's in their order.
func TestCompressedConcurrentWriters(t *testing.T) {
	const each = 40
	eachCompression(t, func(t *testing.T, options *Compression) {
		eachTransport(t, func(t *testing.T, p transportPair) {
			wstest.NoLeaks(t)
			server, client := compressedPair(t, p, options)
			echoing := async(func() error {
				return server.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }})
			})
			var writing sync.WaitGroup
			for who, w := range everyWrite {
				writing.Go(func() {
					for i := range each {
						text := fmt.Sprintf("%d %d %s", who, i, variedText(i*i*17, i))
						if err := w.write(client, []byte(text)); err != nil {
							t.Errorf("%s: %v", w.name, err)
							return
						}
						client.sendControl(OpPing, []byte("ping"))
					}
				})
			}
			next := make([]int, len(everyWrite))
			for range each * len(everyWrite) {
				_, p, err := client.ReadMessage()
				if err != nil {
					t.Error(err)
					break
				}
				var who, i int
				fmt.Sscan(string(p[:min(len(p), 8)]), &who, &i)
				if want := fmt.Sprintf("%d %d %s", who, next[who], variedText(i*i*17, i)); string(p) != want {
					t.Errorf("got %.20q, want %.20q", p, want)
					break
				}
				next[who]++
			}
			client.CloseNow()
			writing.Wait()
			<-echoing
		})
	})
}

// JSON and reads with a context are messages as any other.
func TestCompressedJSON(t *testing.T) {
	flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
		type thing struct{ Name, Text string }
		want := thing{"a", jsonText(3000, 0)}
		for range 3 {
			if err := c.WriteJSON(want); err != nil {
				t.Fatal(err)
			}
			m, err := peer.next()
			if err != nil || !m.deflated || m.op != OpText {
				t.Fatal(m, err)
			}
			peer.sendDeflated(OpText, m.text)
			var got thing
			if err := c.ReadJSON(&got); err != nil || got != want {
				t.Errorf("ReadJSON: %.100v, %v", got, err)
			}
		}
	})
}

// A read that is given up between two messages leaves the context as it is.
func TestReadContextWithCompression(t *testing.T) {
	flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
		for i := range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			if _, _, err := c.ReadContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			text := jsonText(2000, i/2)
			peer.sendDeflated(OpText, text)
			wantText(t, c, text)
		}
	})
}

// A deadline in the middle of a compressed message loses nothing of a stream.
func TestStreamDeadlineInsideACompressedMessage(t *testing.T) {
	flateBubble(t, 1<<20, &Compression{Receive: upTo(15)}, func(t *testing.T, c *Conn, peer *flatePeer) {
		s := StreamConn(c, BinaryMessage)
		text := jsonText(5000, 0)
		for range 2 {
			frame := peer.deflated(OpBinary, text)
			got := ""
			for len(got) < len(text) {
				n := min(len(frame), 100)
				peer.write(frame[:n])
				frame = frame[n:]
				s.SetReadDeadline(time.Now().Add(time.Second))
				p := make([]byte, len(text))
				for {
					n, err := s.Read(p)
					got += string(p[:n])
					if err != nil {
						if n, _ := err.(net.Error); n == nil || !n.Timeout() {
							t.Fatal(err)
						}
						break
					}
				}
			}
			if got != text {
				t.Errorf("got %d bytes", len(got))
			}
		}
	})
}

// The counts tell what was compressed, and to how much.
func TestCompressionStats(t *testing.T) {
	flateBubble(t, 1<<21, &Compression{Send: upTo(15), Receive: upTo(15), Fragments: true}, func(t *testing.T, c *Conn, peer *flatePeer) {
		var want Stats
		for i, n := range []int{10, 500, 20_000, 70_000} {
			text := jsonText(n, i)
			for _, w := range everyWrite[:4] {
				w.write(c, []byte(text))
				m, err := peer.next()
				if err != nil {
					t.Fatal(err)
				}
				want.MessagesOut++
				want.BytesOut += int64(n)
				if m.deflated {
					want.CompressedOut++
					want.CompressedBytesOut += int64(m.size)
				}
			}
			payload := peer.out.deflate(text)
			cut := len(payload) / 2
			peer.write(peer.compressedFrame(OpText, false, payload[:cut]))
			peer.write(peer.frame(OpContinuation, true, payload[cut:]))
			wantText(t, c, text)
			peer.send(OpText, text)
			wantText(t, c, text)
			want.MessagesIn += 2
			want.BytesIn += 2 * int64(n)
			want.CompressedIn++
			want.CompressedBytesIn += int64(len(payload))
		}
		if got := c.Stats(); got != want {
			t.Errorf("the counts are\n%+v, want\n%+v", got, want)
		}
	})
}
