package main

import (
	"fmt"
	"time"

	"hawser.example/websocket/bench/internal/frames"
	"hawser.example/websocket/bench/internal/load"
)

// What a scenario measures.
type kind int

const (
	messages   kind = iota // server CPU for a message
	handshakes             // server CPU for a connection's life
	idle                   // memory of a connection
)

// A scenario is one row of the comparison.
type scenario struct {
	name, title string
	kind        kind
	conns       int
	size        int // of a payload
	burst       int // messages that are sent at once, by each publisher if there are any; 0 means 1
	publishers  int // connections that broadcast; 0 for an echo
	text        bool
	compression string
	tls         bool

	weight int // how many times longer than others it is measured, because a turn takes long; 0 means 1
	rounds int // at most; 0 for no such limit
}

const maxIdleRounds = 3 // memory hardly varies

// scenarios are all there are.
var scenarios = makeScenarios()

// quick are those of -quick.
var quick = []string{
	"echo-128x100", "echo-16Kx100", "text-1Kx100", "burst-16", "broadcast-1000", "idle-1000",
}

func makeScenarios() (all []scenario) {
	add := func(s scenario, name, title string, args ...any) {
		s.name, s.title = name, fmt.Sprintf(title, args...)
		all = append(all, s)
	}
	for _, conns := range []int{1, 100, 1000} {
		for _, size := range []int{16, 128, 1 << 10, 16 << 10, 1 << 20} {
			add(scenario{conns: conns, size: size, weight: weigh(conns * size)},
				fmt.Sprintf("echo-%sx%d", short(size), conns), "echo of %s, %s", bytesOf(size), connections(conns))
		}
	}
	add(scenario{conns: 19000, size: 128, weight: 3, rounds: 5}, "echo-128x19000",
		"echo of 128 B, 19 000 connections")
	for _, conns := range []int{1, 100, 1000} {
		add(scenario{conns: conns, size: 1 << 10, text: true}, fmt.Sprintf("text-1Kx%d", conns),
			"echo of 1 KiB of text, %s", connections(conns))
	}
	for _, burst := range []int{16, 64} {
		add(scenario{conns: 100, size: 128, burst: burst}, fmt.Sprintf("burst-%d", burst),
			"bursts of %d × 128 B, 100 connections", burst)
	}
	for _, conns := range []int{1000, 10000} {
		s := scenario{conns: conns, size: 128, publishers: 1}
		if conns > 1000 {
			s.weight, s.rounds = 3, 5
		}
		name := fmt.Sprintf("broadcast-%d", conns)
		add(s, name, "broadcast of 128 B to %s", spaced(conns))
		s.burst = 8
		add(s, name+"-8", "broadcast of 8 × 128 B from one connection to %s", spaced(conns))
		s.burst, s.publishers = 1, 8
		add(s, name+"-by8", "broadcast of 128 B from each of 8 connections to %s", spaced(conns))
	}
	add(scenario{kind: handshakes}, "handshake", "connect, upgrade, close")
	for _, conns := range []int{1000, 10000, 19000} {
		add(scenario{kind: idle, conns: conns, size: 128, rounds: maxIdleRounds}, fmt.Sprintf("idle-%d", conns),
			"memory of a connection, %s of them", spaced(conns))
	}
	for _, c := range []struct{ name, title string }{{"takeover", "context taken over"}, {"none", "no context"}} {
		for _, size := range []int{1 << 10, 16 << 10} {
			add(scenario{conns: 100, size: size, text: true, compression: c.name},
				fmt.Sprintf("deflate-%s-%s", c.name, short(size)),
				"compressed echo of %s, %s, 100 connections", bytesOf(size), c.title)
		}
	}
	for _, size := range []int{128, 16 << 10} {
		add(scenario{conns: 100, size: size, tls: true}, "wss-"+short(size), "echo of %s over TLS, 100 connections",
			bytesOf(size))
	}
	return all
}

// weigh is for echoes with many bytes on their way at the same time.
func weigh(inFlight int) int {
	switch {
	case inFlight > 256<<20:
		return 6
	case inFlight > 32<<20:
		return 2
	}
	return 1
}

func short(size int) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprintf("%dM", size>>20)
	case size >= 1<<10:
		return fmt.Sprintf("%dK", size>>10)
	}
	return fmt.Sprint(size)
}

func bytesOf(size int) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprintf("%d MiB", size>>20)
	case size >= 1<<10:
		return fmt.Sprintf("%d KiB", size>>10)
	}
	return fmt.Sprintf("%d B", size)
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return spaced(n) + " connections"
}

func spaced(n int) string {
	if n >= 1000 {
		return fmt.Sprintf("%d %03d", n/1000, n%1000)
	}
	return fmt.Sprint(n)
}

func (s scenario) broadcast() bool { return s.publishers > 0 }

func (s scenario) opcode() byte {
	if s.text {
		return frames.Text
	}
	return frames.Binary
}

// span stretches the usual one.
func (s scenario) span(usual load.Span) load.Span {
	times := time.Duration(max(s.weight, 1))
	return load.Span{Warmup: usual.Warmup * max(times/2, 1), Measure: usual.Measure * times}
}

// load returns what the connections do. floor says that the server sends back what it gets.
func (s scenario) load(floor bool) load.Load {
	if s.compression != "" {
		return s.compressedLoad()
	}
	burst := max(s.burst, 1)
	payload := frames.Bytes(s.size)
	if s.text {
		payload = frames.UTF8(s.size)
	}
	k := frames.Kind{Opcode: s.opcode()}
	var sent, want []byte
	for range burst {
		sent = frames.AppendClient(sent, k, payload, frames.Key)
		want = frames.AppendServer(want, k, payload)
	}
	if floor {
		want = sent
	}
	sources := max(s.publishers, 1)
	reply := want
	for range sources - 1 {
		reply = append(reply[:len(reply):len(reply)], want...)
	}
	return load.Load{
		Turns:      [][]byte{sent},
		Check:      func(int) frames.Checker { return &frames.Exact{Want: reply} },
		Messages:   burst * sources,
		Publishers: s.publishers,
	}
}

const (
	variety  = 256 << 10 // bytes of different messages, many times the window of 32 KiB
	verified = 50        // one connection of so many inflates its replies
)

func (s scenario) compressedLoad() load.Load {
	k := frames.Kind{Opcode: s.opcode(), Compressed: true}
	var payloads, turns [][]byte
	for i := range max(variety/s.size, 2) {
		p := frames.JSON(s.size, i)
		payloads = append(payloads, p)
		turns = append(turns, frames.AppendClient(nil, k, frames.Deflate(p), frames.Key))
	}
	return load.Load{
		Turns:    turns,
		Messages: 1,
		Check: func(i int) frames.Checker {
			return &frames.Compressed{
				Payloads: payloads,
				Opcode:   s.opcode(),
				Takeover: s.compression == "takeover",
				Verify:   i%verified == 0,
			}
		},
	}
}
