package main

import (
	"fmt"
	"runtime"
	"time"

	"hawser.example/websocket/bench/internal/load"
)

// A figure is what one run of a server in a scenario gave: one value for each of the scenario's measures.
type figure struct {
	values []float64
	busy   busy
}

// busy is how much of their cores server and load generator used; 0 where that does not matter.
type busy struct{ server, load float64 }

// measures are those of a kind of scenario, with their units.
func (k kind) measures() (names []string, unit string) {
	switch k {
	case idle:
		return []string{"before traffic", "after traffic", "after a garbage collection"}, "B"
	case handshakes:
		return []string{""}, "µs of server CPU for a connection"
	}
	return []string{""}, "µs of server CPU for a message"
}

// A bench is where servers are run.
type bench struct {
	dir    string // of the programs
	cores  cores
	span   load.Span
	settle time.Duration // before memory is read
}

// run starts a server for one scenario, measures, and stops it.
func (b *bench) run(s server, sc scenario) (figure, error) {
	runtime.LockOSThread() // which start needs, and the clock of the thread
	defer runtime.UnlockOSThread()
	p, err := start(b.dir, s, sc, b.cores)
	if err != nil {
		return figure{}, err
	}
	defer p.stop()
	var f figure
	switch sc.kind {
	case idle:
		f.values, err = b.idle(p, sc)
	case handshakes:
		f, err = single(load.Handshakes(p.target, parallelHandshakes, b.span))
	default:
		f, err = b.messages(p, sc)
	}
	if err != nil {
		err = fmt.Errorf("%s, %s: %w", sc.name, s.name, err)
	}
	return f, err
}

const parallelHandshakes = 16

func (b *bench) messages(p *process, sc scenario) (figure, error) {
	c, err := load.Open(p.target, sc.conns)
	if err != nil {
		return figure{}, err
	}
	defer c.Close()
	if sc.broadcast() {
		if err := p.awaitJoined(sc.conns); err != nil {
			return figure{}, err
		}
	}
	l := sc.load(p.target.Floor)
	runtime.GC() // not while we measure
	return single(c.Measure(l, sc.span(b.span)))
}

func single(r load.Result, err error) (figure, error) {
	if err != nil {
		return figure{}, err
	}
	return figure{[]float64{r.PerMessage()}, busy{r.ServerBusy(), r.LoadBusy()}}, nil
}

const warmConnections = 64

// idle counts from a process that has served some connections before, so that its code and its pools are in memory.
func (b *bench) idle(p *process, sc scenario) ([]float64, error) {
	l := sc.load(p.target.Floor)
	warm, err := load.Open(p.target, min(warmConnections, sc.conns))
	if err != nil {
		return nil, err
	}
	err = warm.Turns(l, 1)
	warm.Close()
	if err != nil {
		return nil, err
	}
	time.Sleep(b.settle)
	if err := p.collect(); err != nil {
		return nil, err
	}
	before, err := p.memory()
	if err != nil {
		return nil, err
	}
	c, err := load.Open(p.target, sc.conns)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var values []float64
	for _, step := range []func() error{
		func() error { return nil },
		func() error { return c.Turns(l, 1) },
		p.collect,
	} {
		if err := step(); err != nil {
			return nil, err
		}
		time.Sleep(b.settle)
		now, err := p.memory()
		if err != nil {
			return nil, err
		}
		values = append(values, (now-before)/float64(sc.conns))
	}
	return values, nil
}
