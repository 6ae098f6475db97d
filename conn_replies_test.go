package websocket

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// A writeLog is a transport in memory that remembers what it was given, and when.
type writeLog struct {
	*memconn.Conn
	start  time.Time
	writes chan logged // has room for those of a test
}

// logged is one write to the transport: a system call, if it were a socket.
type logged struct {
	at     time.Duration
	frames []string // what each frame says: the payload, or "close"
	size   int
}

func (l *writeLog) TryWrite(p []byte) (int, error) {
	w := logged{at: time.Since(l.start), size: len(p)}
	for rest := p; len(rest) > 0; {
		h, n := ParseHeader(rest)
		if n == 0 || uint64(len(rest)-n) < h.Length {
			w.frames = append(w.frames, "a part")
			break
		}
		payload := bytes.Clone(rest[n : n+int(h.Length)])
		if h.Masked {
			Mask(payload, h.MaskKey, 0)
		}
		if h.Opcode == OpClose || h.Opcode == OpPing {
			payload = []byte(h.Opcode.String())
		}
		w.frames = append(w.frames, string(payload))
		rest = rest[n+int(h.Length):]
	}
	l.writes <- w
	return l.Conn.TryWrite(p)
}

// repliesBubble runs f in a bubble, once for each role, with a Conn whose writes are logged.
func repliesBubble(t *testing.T, f func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer)) {
	for _, r := range []role{serverRole, clientRole} {
		t.Run(r.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := memconn.Pair(1 << 20)
				log := &writeLog{Conn: ours, start: time.Now(), writes: make(chan logged, 100)}
				tr := transportPair{"", func(t *testing.T) (net.Conn, net.Conn) {
					if r == clientRole {
						return theirs, log
					}
					return log, theirs
				}}
				c, peer := withRaw(t, tr, r, connConfig{})
				f(t, c, log, peer)
				c.CloseNow()
				theirs.Close()
				synctest.Wait()
			})
		})
	}
}

// burst sends one frame for each text in one write, so that they lie in the read buffer together. Texts that begin with
// "ping" are Pings.
func (p *rawPeer) burst(texts ...string) {
	var all []byte
	for _, text := range texts {
		op := OpText
		if strings.HasPrefix(text, "ping") {
			op = OpPing
		}
		all = append(all, p.frame(op, true, text)...)
	}
	p.write(all)
}

// serveReplies serves c with a Handler that answers each message with reply and its own text, and then does what do
// holds for that text.
func serveReplies(c *Conn, reply string, do map[string]func()) {
	go c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) {
		c.WriteMessage(mt, append([]byte(reply), p...))
		if f := do[string(p)]; f != nil {
			f()
		}
	}})
}

// want wants the next write to have held these frames, at this time, without anybody's doing anything more.
func (l *writeLog) want(t *testing.T, at time.Duration, frames ...string) {
	t.Helper()
	synctest.Wait()
	select {
	case w := <-l.writes:
		if w.at != at || strings.Join(w.frames, ",") != strings.Join(frames, ",") {
			t.Errorf("write of %q after %v, want %q after %v", w.frames, w.at, frames, at)
		}
	default:
		t.Errorf("nothing was written, want %q", frames)
	}
}

func (l *writeLog) wantNothing(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if len(l.writes) > 0 {
		t.Errorf("write of %q", (<-l.writes).frames)
	}
}

func TestRepliesLeaveInOneWrite(t *testing.T) {
	ways := map[string]func(c *Conn) error{
		"ReadMessage": echo,
		"Serve": func(c *Conn) error {
			return c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }})
		},
	}
	inputs := map[string][]string{
		"a single message": {"a"},
		"messages":         strings.Split("abcdefghijklmnop", ""),
		"Pings":            {"ping1", "ping2", "ping3"},
		"both":             {"ping1", "a", "ping2", "ping3", "b"},
		"Ping at the end":  {"a", "b", "ping"},
	}
	for name, way := range ways {
		for what, in := range inputs {
			t.Run(name+" "+what, func(t *testing.T) {
				repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
					peer.burst(in...)
					go way(c)
					log.want(t, 0, in...)
					log.wantNothing(t)
				})
			})
		}
	}
}

// The beginning of a frame does not hold up the replies to those before it: the rest may be long in coming.
func TestRepliesDoNotWaitForAnIncompleteFrame(t *testing.T) {
	whole := (&rawPeer{role: clientRole}).frame(OpText, true, "c")
	for part := 1; part < len(whole); part++ {
		repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
			c3 := peer.frame(OpText, true, "c")
			part := min(part, len(c3)-1)
			in := append(peer.frame(OpText, true, "a"), peer.frame(OpText, true, "b")...)
			peer.write(append(in, c3[:part]...))
			block := make(chan struct{})
			serveReplies(c, "", map[string]func(){"b": func() { <-block }})
			log.want(t, 0, "a", "b")
			close(block)
			peer.write(c3[part:])
			log.want(t, 0, "c")
		})
	}
}

// When the read buffer is empty replies leave, whether or not its last message was answered.
func TestRepliesLeaveWhenInputIsWorkedOff(t *testing.T) {
	repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
		peer.burst("a", "b", "no answer")
		go c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) {
			if string(p) != "no answer" {
				c.WriteMessage(mt, p)
			}
		}})
		log.want(t, 0, "a", "b")
	})
}

// While the reader waits nothing collects, whatever it has read last.
func TestNothingCollectsWhileTheReaderWaits(t *testing.T) {
	repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
		peer.write(append(peer.frame(OpText, true, "a"), peer.frame(OpPong, true, "unsolicited")...))
		go echo(c)
		log.want(t, 0, "a")
		c.WriteMessage(TextMessage, []byte("later"))
		log.want(t, 0, "later")
	})
}

// Less than 16 KiB of replies is held, although more input is at hand and the Handler does not return.
func TestRepliesLeaveAtTheirLimit(t *testing.T) {
	tests := []struct {
		size, replies int // of the frames of a server
		writes        int
	}{
		{collectLimit, 1, 1},
		{collectLimit / 2, 2, 1},
		{collectLimit / 2, 3, 1},
		{collectLimit / 2, 4, 2},
		{collectLimit/3 - 8, 3, 0}, // a client's headers are longer
		{collectLimit/3 - 8, 4, 1},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.replies, " of ", tt.size), func(t *testing.T) {
			repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
				names := strings.Split("abcde", "")
				peer.burst(names...)
				block := make(chan struct{})
				defer close(block)
				reply := strings.Repeat("r", tt.size-4-1) // a header of 4 bytes, a name of 1
				serveReplies(c, reply, map[string]func(){names[tt.replies-1]: func() { <-block }})
				synctest.Wait()
				if n := len(log.writes); n != tt.writes {
					t.Errorf("%d writes, want %d", n, tt.writes)
				}
				held := tt.replies * tt.size
				for range len(log.writes) {
					held -= (<-log.writes).size
				}
				if held >= collectLimit {
					t.Errorf("%d bytes are held", held)
				}
			})
		})
	}
}

// Nothing is held behind application code for more than a millisecond, again and again.
func TestRepliesLeaveWithinAMillisecond(t *testing.T) {
	repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
		peer.burst("a", "b", "c", "d", "e")
		done := make(chan struct{})
		serveReplies(c, "", map[string]func(){
			"a": func() { time.Sleep(collectTime / 2) }, // b joins
			"b": func() { time.Sleep(5 * time.Second) },
			"c": func() { time.Sleep(5 * time.Second) },
			"d": func() { c.Flush() },
			"e": func() { close(done) },
		})
		<-done
		log.want(t, collectTime, "a", "b")
		log.want(t, 5*time.Second+collectTime/2+collectTime, "c")
		log.want(t, 10*time.Second+collectTime/2, "d")
		log.want(t, 10*time.Second+collectTime/2, "e")
		log.wantNothing(t)
	})
}

// A reader that does not come back holds up nothing either.
func TestRepliesOfAReaderThatStopsLeave(t *testing.T) {
	repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
		peer.burst("ping", "a", "b")
		wantMessages(t, c, "a")
		c.WriteMessage(TextMessage, []byte("reply"))
		log.wantNothing(t)
		time.Sleep(collectTime)
		log.want(t, collectTime, "ping", "reply")
	})
}

// What else makes replies leave, at once.
func TestWhatHastensReplies(t *testing.T) {
	tests := []struct {
		name string
		do   func(c *Conn)
		want string // the writes
	}{
		{"Flush", func(c *Conn) { c.Flush() }, "a"},
		{"Close", func(c *Conn) { c.Close() }, "a|close"},
		{"Close of another goroutine", func(c *Conn) { go c.Close() }, "a|close"},
		{"Ping", func(c *Conn) { go c.Ping(context.Background()) }, "a,ping"},
		{"a message of NextWriter", func(c *Conn) {
			w, _ := c.NextWriter(TextMessage)
			w.Write([]byte("streamed"))
			w.Close()
		}, "a,streamed"},
		{"a message of a Hub", func(c *Conn) {
			var hub Hub
			hub.Subscribe(c, "topic")
			hub.Publish("topic", TextMessage, []byte("shared"))
		}, "a,shared"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
				peer.burst("a", "b")
				block := make(chan struct{})
				serveReplies(c, "", map[string]func(){"a": func() { tt.do(c); <-block }})
				for write := range strings.SplitSeq(tt.want, "|") {
					log.want(t, 0, strings.Split(write, ",")...)
				}
				close(block)
			})
		})
	}
}

// A message of another goroutine cannot be told from a reply. It joins them, and leaves when they do.
func TestOtherWritesJoinReplies(t *testing.T) {
	repliesBubble(t, func(t *testing.T, c *Conn, log *writeLog, peer *rawPeer) {
		peer.burst("a", "b")
		block := make(chan struct{})
		serveReplies(c, "", map[string]func(){"a": func() { <-block }})
		synctest.Wait()
		if err := c.WriteMessage(TextMessage, []byte("other")); err != nil {
			t.Error(err)
		}
		time.Sleep(collectTime)
		log.want(t, collectTime, "a", "other")
		close(block)
	})
}

// The reason for all these limits: a Handler that answers one message and then waits for what the peer does on that
// answer, while a second message is already in the read buffer.
func TestHandlerMayWaitForThePeersReaction(t *testing.T) {
	eachEnd(t, func(t *testing.T, p transportPair, r role) {
		c, peer := withRaw(t, p, r, connConfig{})
		reacted := make(chan struct{})
		served := async(func() error {
			return c.Serve(HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) {
				c.WriteMessage(mt, append([]byte("answer to "), p...))
				<-reacted
			}})
		})
		peer.burst("one", "two")
		peer.want(OpText, "answer to one")
		close(reacted)
		peer.want(OpText, "answer to two")
		peer.nc.Close()
		within(t, "Serve", served)
	})
}

// The answer to a Ping that found the write lock taken goes before a message that was written later, whoever gets the
// lock first. RFC 6455, section 5.5.3, asks for no order, but a peer that reads its answers in order expects one.
func TestQueuedPongGoesBeforeLaterMessages(t *testing.T) {
	wstest.NoLeaks(t)
	server, peer := withRaw(t, transports[0], serverRole, connConfig{})
	server.Drain()
	server.waitLock(nil, false)
	peer.send(OpPing, "first")
	for !server.queued.Load() {
		time.Sleep(time.Millisecond)
	}
	written := async(func() error { return server.WriteMessage(TextMessage, []byte("second")) })
	time.Sleep(10 * time.Millisecond) // it waits for the lock by now; if it does not, the order is right anyway
	server.wlock.unlock()             // as unlockWrite gives it back, after its last look at the queue
	peer.want(OpPong, "first")
	peer.want(OpText, "second")
	if err := <-written; err != nil {
		t.Error(err)
	}
	server.CloseNow()
}
