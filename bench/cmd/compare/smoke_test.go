package main

import (
	"os"
	"testing"
	"time"

	"hawser.example/websocket/bench/internal/load"
)

var programs string // where the servers are

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bench-")
	if err == nil {
		_, err = build(dir, servers)
	}
	if err != nil {
		panic(err)
	}
	programs = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// TestScenarios takes every server through every scenario, made small. The load generator compares what comes back.
func TestScenarios(t *testing.T) {
	b := &bench{
		dir:    programs,
		cores:  cores{-1, -1},
		span:   load.Span{Warmup: time.Millisecond, Measure: 2 * time.Millisecond},
		settle: time.Millisecond,
	}
	seen := make(map[scenario]bool)
	for _, sc := range scenarios {
		small := sc.smaller(20, 64<<10)
		kind := small
		kind.name, kind.title, kind.weight, kind.rounds = "", "", 0, 0
		if seen[kind] {
			continue // it differs from another one only in what was made smaller
		}
		seen[kind] = true
		t.Run(sc.name, func(t *testing.T) {
			ms, err := b.compare(small, servers, 1)
			if err != nil {
				t.Error(err)
			}
			able := 0
			for _, s := range servers {
				if s.runs(sc) {
					able++
				}
			}
			for _, m := range ms {
				if len(m.Servers) != able {
					t.Errorf("%q has figures of %d servers, %d were to run", m.Title, len(m.Servers), able)
				}
				checkFigures(t, sc, m)
			}
		})
	}
}

// checkFigures looks for figures that cannot be. Memory can be anything with so few connections.
func checkFigures(t *testing.T, sc scenario, m measure) {
	for _, l := range m.Servers {
		if sc.kind != idle && (l.Summary.Median <= 0 || l.LoadBusy <= 0) {
			t.Errorf("%s: %v µs for a message, the load generator was busy for %v of the time",
				l.Name, l.Summary.Median, l.LoadBusy)
		}
	}
}

// TestLargeMessages has every server send back messages that fill all socket buffers.
func TestLargeMessages(t *testing.T) {
	sc := scenario{name: "large", conns: 3, size: 1 << 20}
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) { takeTurns(t, s, sc, 3) })
	}
}

// TestCompressedTurns inflates every reply on one connection, over more bytes than the window has.
func TestCompressedTurns(t *testing.T) {
	for _, compression := range []string{"takeover", "none"} {
		sc := scenario{name: compression, conns: 1, size: 1 << 10, text: true, compression: compression}
		for _, s := range servers {
			if s.runs(sc) {
				t.Run(s.name+"-"+compression, func(t *testing.T) { takeTurns(t, s, sc, 300) })
			}
		}
	}
}

func takeTurns(t *testing.T, s server, sc scenario, turns int) {
	p, err := start(programs, s, sc, cores{-1, -1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	c, err := load.Open(p.target, sc.conns)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Turns(sc.load(s.floor()), turns); err != nil {
		t.Error(err)
	}
}

// smaller returns s with fewer connections and fewer bytes.
func (s scenario) smaller(conns, size int) scenario {
	s.conns, s.size = min(s.conns, conns), min(s.size, size)
	return s
}
