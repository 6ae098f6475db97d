package websocket

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket/internal/memconn"
)

// The tests in this file weigh what a connection that compresses holds between its messages: the heap behind many of
// them, after a collection, beside that of as many that do not compress.

// weighed is how many connections are made; the race detector takes its time.
var weighed = map[bool]int{false: 1000, true: 100}[raceEnabled]

// weigh returns how many bytes of heap make adds for each of n things that it makes.
func weigh(n int, make func() []any) int {
	before := liveHeap()
	held := make()
	after := liveHeap()
	runtime.KeepAlive(held)
	return int(after-before) / n
}

// liveHeap is the size of what is in use. A pool gives its memory up in the second collection.
func liveHeap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

type errorFunc = func(format string, args ...any)

// steadily weighs again, twice at most, if something is wrong: the heap is that of the whole process, where what
// earlier tests have left may go at any moment.
func steadily(t *testing.T, weighing func(t *testing.T, errorf errorFunc)) {
	t.Helper()
	for again := 2; ; again-- {
		var wrong []string
		weighing(t, func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) })
		if len(wrong) == 0 {
			return
		}
		if again == 0 {
			t.Fatal(strings.Join(wrong, "\n"))
		}
	}
}

// heapAtMost is liveHeap when that has come down to most, or will not: connections may take a moment to come to wait.
func heapAtMost(most int64) (heap int64) {
	for end := time.Now().Add(faultPatience / 2); ; time.Sleep(10 * time.Millisecond) {
		if heap = liveHeap(); heap <= most || time.Now().After(end) {
			return heap
		}
	}
}

// pipes makes connections, over each of which messages then go in both directions.
func pipes(tb testing.TB, options *Compression, messages []string) func() []any {
	return func() []any {
		var held []any
		for range weighed {
			side := PipeSide{Compression: options, Keepalive: Keepalive{Interval: -1}}
			server, client := Pipe(&PipeOptions{Server: side, Client: side})
			exchange(tb, server, client, messages)
			held = append(held, server, client)
		}
		return held
	}
}

func exchange(tb testing.TB, server, client *Conn, messages []string) {
	var in []byte
	for _, text := range messages {
		for _, ends := range [][2]*Conn{{server, client}, {client, server}} {
			err := ends[0].WriteMessage(BinaryMessage, []byte(text))
			if err == nil {
				_, in, err = ends[1].AppendMessage(in[:0])
			}
			if err != nil || string(in) != text {
				tb.Fatalf("%d bytes, %v", len(in), err)
			}
		}
	}
}

// halves makes connections of which one half is at work: it sends to a peer that throws everything away, or receives
// from one that sends the same to all.
func halves(tb testing.TB, agreed deflateParams, messages []string, send bool) func() []any {
	peer := encoder{role: clientRole, keys: nextMaskKey}
	if agreed.on {
		peer = *deflatingEncoder(clientRole, agreed.receive, 0)
	}
	var frames [][]byte
	for _, text := range messages {
		frame, _ := peer.appendMessage(nil, BinaryMessage, []byte(text))
		frames = append(frames, frame)
	}
	return func() []any {
		var held []any
		far := make([]byte, 1<<20)
		var in []byte
		for range weighed {
			near, peer := memconn.Pair(0)
			c := newConn(near, serverRole, connConfig{deflate: agreed, keepalive: Keepalive{Interval: -1}}, nil)
			for i, text := range messages {
				var err error
				if send {
					if err = c.WriteMessage(BinaryMessage, []byte(text)); err == nil {
						_, err = peer.Read(far)
					}
				} else {
					peer.Write(frames[i])
					_, in, err = c.AppendMessage(in[:0])
				}
				if err != nil {
					tb.Fatal(err)
				}
			}
			held = append(held, c, peer)
		}
		return held
	}
}

// fillWindow is traffic that fills every window and more.
func fillWindow() (messages []string) {
	for i := range 3 {
		messages = append(messages, jsonText(10_000, 100*i), noise(2000, uint64(i)))
	}
	return messages
}

// The bounds: a connection that has taken contexts over keeps for what it sends at most one and a half windows and 1 KiB,
// for what it receives a window and 1 KiB, and without takeover nothing.
func TestMemoryOfCompressedConnections(t *testing.T) { steadily(t, weighCompressed) }

func weighCompressed(t *testing.T, errorf errorFunc) {
	traffic := fillWindow()
	plainIdle, plain := weigh(weighed, pipes(t, nil, nil)), weigh(weighed, pipes(t, nil, traffic))
	for _, c := range []struct {
		name     string
		options  Compression
		contexts int // that both ends together keep for each direction
	}{
		{"15 bits", Compression{Send: upTo(15), Receive: upTo(15)}, 2},
		{"10 bits", Compression{Send: upTo(10), Receive: upTo(10), Level: CompressionBalanced}, 2},
		{"no takeover", Compression{Send: no(15), Receive: no(15)}, 0},
	} {
		window := 1 << c.options.Send.WindowBits
		most := 1024 + c.contexts*(window*3/2+1024+window+1024)
		idle := weigh(weighed, pipes(t, &c.options, nil)) - plainIdle
		worked := weigh(weighed, pipes(t, &c.options, traffic)) - plain
		t.Logf("%s: %d bytes idle, %d after traffic", c.name, idle, worked)
		if idle > 1024 || worked > most {
			errorf("%s: both ends hold %d bytes idle, and %d after traffic, want at most 1024 and %d", c.name, idle, worked, most)
		}
	}
}

// Each direction by itself, beside a connection without compression: it keeps to its bound, and the table in the
// documentation of Compression is no lower than what is weighed, and not much higher.
func TestMemoryOfEachDirection(t *testing.T) { steadily(t, weighDirections) }

func weighDirections(t *testing.T, errorf errorFunc) {
	traffic := fillWindow()
	half := func(agreed deflateParams, send bool) int { return weigh(weighed, halves(t, agreed, traffic, send)) }
	none, _ := agreement(&Compression{Send: no(15), Receive: no(15)}, &Compression{})
	plainSend, plainReceive := half(deflateParams{}, true), half(deflateParams{}, false)
	fixedSend, fixedReceive := half(none, true)-plainSend, half(none, false)-plainReceive
	if fixedSend > 512 || fixedReceive > 512 {
		errorf("without takeover: %d bytes to send, %d to receive", fixedSend, fixedReceive)
	}
	rows := 0
	for _, row := range memoryRow.FindAllStringSubmatch(readPage(t, "deflate.go"), -1) {
		rows++
		number := func(s string) int { n, _ := strconv.Atoi(strings.ReplaceAll(s, " ", "")); return n }
		bits := number(row[1])
		agreed, _ := agreement(&Compression{Send: upTo(bits), Receive: upTo(bits)}, &Compression{})
		for _, c := range []struct {
			what             string
			is, fixed        int
			most, inTheTable int
		}{
			{"to send", half(agreed, true) - plainSend, fixedSend, 1<<bits*3/2 + 1024, number(row[2])},
			{"to receive", half(agreed, false) - plainReceive, fixedReceive, 1<<bits + 1024, number(row[3])},
		} {
			t.Logf("%d bits: %d bytes %s, %d of them without takeover too", bits, c.is, c.what, c.fixed)
			if c.is > c.most {
				errorf("%d bits: %d bytes %s, want at most %d", bits, c.is, c.what, c.most)
			}
			if n := c.is - c.fixed; n > c.inTheTable+128 || n < c.inTheTable*3/4-128 { // what is weighed varies a little
				errorf("%d bits: %d bytes %s are documented, %d weighed", bits, c.inTheTable, c.what, n)
			}
		}
	}
	if rows != 4 {
		errorf("the table has %d rows", rows)
	}
}

var memoryRow = regexp.MustCompile(`(?m)^//\t(\d+) +([\d ]+?) {2,}([\d ]+?) {2,}`)

// BenchmarkCompressedMemory prints what the contexts of a connection weigh, in both directions, beside what they do with
// compress/flate.
func BenchmarkCompressedMemory(b *testing.B) {
	traffic := fillWindow()
	for _, bits := range []int{8, 10, 12, 15} {
		b.Run(fmt.Sprintf("hawser/%d", bits), func(b *testing.B) {
			agreed, _ := agreement(&Compression{Send: upTo(bits), Receive: upTo(bits)}, &Compression{})
			for b.Loop() {
				plain := weigh(weighed, halves(b, deflateParams{}, traffic, true)) + weigh(weighed, halves(b, deflateParams{}, traffic, false))
				ours := weigh(weighed, halves(b, agreed, traffic, true)) + weigh(weighed, halves(b, agreed, traffic, false))
				b.ReportMetric(float64(ours-plain), "B/conn")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("flate", func(b *testing.B) {
		n := weighed / 20
		for b.Loop() {
			b.ReportMetric(float64(weigh(n, func() []any { return flateContexts(n, traffic) })), "B/conn")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// flateContexts makes a writer and a reader for each of n connections, and sends messages through them.
func flateContexts(n int, messages []string) (held []any) {
	for range n {
		var wire strings.Builder
		w, _ := flate.NewWriter(&wire, flate.BestSpeed)
		in := new(strings.Reader)
		r := flate.NewReader(in)
		for _, text := range messages {
			wire.Reset()
			io.WriteString(w, text)
			w.Flush()
			in.Reset(wire.String())
			io.ReadFull(r, make([]byte, len(text)))
		}
		wire.Reset()
		held = append(held, w, r)
	}
	return held
}

// A bomb that was refused is not kept while the connection ends, which takes as long as the peer likes, up to a second.
func TestRefusedBombIsNotKept(t *testing.T) {
	limit := 32 << 20
	if raceEnabled {
		limit = 4 << 20
	}
	bomb := newFlateSender(takeover15).deflate(strings.Repeat("\x00", limit+1))
	ways := map[string]func(c *Conn) error{
		"ReadMessage":   func(c *Conn) error { _, _, err := c.ReadMessage(); return err },
		"AppendMessage": func(c *Conn) error { _, _, err := c.AppendMessage(nil); return err },
		"Serve":         func(c *Conn) error { return c.Serve(HandlerFuncs{}) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			mem := transportPair{"", func(*testing.T) (net.Conn, net.Conn) { return memconn.Pair(4 << 20) }}
			c, peer := withFlate(t, mem, serverRole, &Compression{Receive: upTo(15)})
			c.SetReadLimit(int64(limit))
			before := liveHeap()
			ended := async(func() error { return way(c) })
			peer.write(peer.compressedFrame(OpBinary, true, bomb))
			peer.wantClose(CloseMessageTooBig)
			select {
			case err := <-ended:
				t.Fatalf("it does not wait for the peer: %v", err)
			default:
			}
			if kept := liveHeap() - before; kept > int64(limit/8) {
				t.Errorf("%d KiB are kept", kept>>10)
			}
			peer.nc.Close()
			if err := <-ended; !errors.Is(err, ErrReadLimit) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
