package autobahn

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
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
		u := websocket.Upgrader{}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := u.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			c.Drain()
			for c.WriteMessage(websocket.BinaryMessage, make([]byte, size)) == nil {
			}
		}))
		cases, err := Select([]string{"1.1.1"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		results, err := RunServer(context.Background(), "ws"+strings.TrimPrefix(server.URL, "http"), Options{Cases: cases})
		if err != nil {
			t.Fatal(err)
		}
		r := results[0]
		total := 0
		for _, e := range r.Received {
			total += len(e.Payload)
		}
		if r.Behavior != Failed || len(r.Received) > maxReceived || total > maxReceivedBytes {
			t.Errorf("messages of %d bytes: %s, %s; %d events of %d bytes", size, r.Behavior, r.Reason, len(r.Received), total)
		}
		server.CloseClientConnections()
		server.Close()
	}
}

// Each block with BFINAL costs a new reader, so a message has a bound of them.
func TestFinalBlocksAreBounded(t *testing.T) {
	i := newInflater(false)
	if _, err := i.inflate([]byte(strings.Repeat("\x03\x00", maxFinalBlocks-1))); err != nil {
		t.Errorf("%d blocks: %v", maxFinalBlocks-1, err)
	}
	if _, err := i.inflate([]byte(strings.Repeat("\x03\x00", 1<<20))); !errors.Is(err, errFinalBlocks) {
		t.Errorf("a million blocks: %v", err)
	}
}
