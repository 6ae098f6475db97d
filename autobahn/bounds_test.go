package autobahn

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"hawser.example/websocket"
)

// A server may call itself something else with a refusal, or nothing at all: a run has one agent.
func TestARunHasOneAgent(t *testing.T) {
	for _, tt := range []struct{ agents, want []string }{
		{[]string{"a", "a"}, []string{"a", "a"}},
		{[]string{unknownServer, "a", "b"}, []string{"a", "a", "a"}},
		{[]string{unknownServer, unknownServer}, []string{unknownServer, unknownServer}},
		{nil, nil},
	} {
		var results []*Result
		for _, a := range tt.agents {
			results = append(results, &Result{Agent: a})
		}
		settleAgent(results)
		for i, r := range results {
			if r.Agent != tt.want[i] {
				t.Errorf("%q: the agent of result %d is %q, want %q", tt.agents, i, r.Agent, tt.want[i])
			}
		}
	}
}

// A peer that does not stop talking ends its case, and costs a bounded amount of memory.
func TestPeerThatTalksTooMuch(t *testing.T) {
	for _, size := range []int{0, 1 << 20} {
		r := runAgainst(t, "1.1.1", func(c *websocket.Conn) {
			c.Drain()
			for c.WriteMessage(websocket.BinaryMessage, make([]byte, size)) == nil {
			}
		})
		total := 0
		for _, e := range r.Received {
			total += len(e.Payload)
		}
		if r.Behavior != Failed || len(r.Received) > maxReceived || total > maxReceivedBytes {
			t.Errorf("messages of %d bytes: %s, %s; %d events of %d bytes", size, r.Behavior, r.Reason, len(r.Received), total)
		}
	}
}

// runAgainst runs a case against a server that does what serve does with each connection.
func runAgainst(t *testing.T, id string, serve func(c *websocket.Conn)) *Result {
	t.Helper()
	u := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		serve(c)
	}))
	defer server.Close()
	cases, err := Select([]string{id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	results, err := RunServer(context.Background(), "ws"+strings.TrimPrefix(server.URL, "http"), Options{Cases: cases})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// What waits for a peer that does not read is bounded, in bytes and in pieces.
func TestWriterIsBounded(t *testing.T) {
	for _, size := range []int{1, 1000, mib} {
		ours, theirs := net.Pipe()
		w := newWriter(ours)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.run()
		}()
		total := 0
		for w.put(make([]byte, size)) {
			total += size + pieceCost
		}
		if total > maxQueued || total < maxQueued-size-pieceCost {
			t.Errorf("pieces of %d bytes: %d bytes wait, want %d", size, total, maxQueued)
		}
		theirs.Read(make([]byte, size))
		for !w.put(nil) {
			runtime.Gosched() // until the writer has seen that
		}
		theirs.Close()
		w.end()
		<-ended
		if w.queued != 0 {
			t.Errorf("%d bytes are still counted", w.queued)
		}
	}
}

// A peer that pings and never reads a Pong is failed when that is enough.
func TestPeerThatNeverReads(t *testing.T) {
	r := runAgainst(t, "9.1.4", func(c *websocket.Conn) {
		pings := bytes.Repeat(append(header{fin: true, opcode: opPing, length: 125}.append(nil), make([]byte, 125)...), 512)
		for {
			if _, err := c.NetConn().Write(pings); err != nil {
				return
			}
		}
	})
	if r.Behavior != Failed || !strings.Contains(r.Reason, "does not read") || r.BehaviorClose != Unclean {
		t.Errorf("%s, %s: %s", r.Behavior, r.BehaviorClose, r.Reason)
	}
}

// A log that nobody asked for in full ends at its bound, and says so.
func TestLogIsBounded(t *testing.T) {
	l := logger{on: true, bound: 3}
	for range 10 {
		l.add(WireEntry{Kind: "RO"})
	}
	var kinds []string
	for _, e := range l.entries {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []string{"RO", "RO", "RO", "WLM"}) {
		t.Errorf("the log is %q", kinds)
	}
}

// What a Close says of the reason in another Close that is not UTF-8 is what it says of text, RFC 6455 §8.1.
func TestReasonThatIsNotUTF8(t *testing.T) {
	for payload, want := range map[string]int{"\x03\xe8\xff": 1007, "\x03\xed": 1002, "\x03": 1002} {
		r := runAgainst(t, "1.1.1", func(c *websocket.Conn) {
			c.NetConn().Write(append(header{fin: true, opcode: opClose, length: uint64(len(payload))}.append(nil), payload...))
			c.ReadMessage()
		})
		if r.LocalCloseCode == nil || *r.LocalCloseCode != want {
			t.Errorf("%q: %+v", payload, r)
		}
	}
}

// After a block with BFINAL the message may go on, as often as it likes.
func TestFinalBlocks(t *testing.T) {
	const n = 1 << 16
	i := newInflater(false)
	p, err := i.inflate([]byte(strings.Repeat("\x4b\x04\x00", n)))
	if string(p) != strings.Repeat("a", n) {
		t.Errorf("%d blocks: %d bytes, error %v", n, len(p), err)
	}
}

// A bomb costs what the largest message may, and little more.
func TestInflaterIsBounded(t *testing.T) {
	i := newInflater(false)
	if _, err := i.inflate(bomb()); err != errBomb || len(i.out) > 3*maxMessage {
		t.Errorf("error %v, and room for %d bytes", err, len(i.out))
	}
	i = newInflater(true)
	stored := strings.Repeat("\x00\xff\xff\x00\x00"+strings.Repeat("*", 1<<16-1), 1<<9+1) + "\x00"
	if _, err := i.inflate([]byte(stored)); err != errBomb || len(i.out) > 3*maxMessage {
		t.Errorf("stored: error %v, and room for %d bytes", err, len(i.out))
	}
}
