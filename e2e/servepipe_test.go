package e2e

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"hawser.example/websocket/internal/feed"
)

// follow follows a topic, with a new connection whenever one is lost, until its number last has come.
func follow(ctx context.Context, source feed.Source, f *feed.Follower, last int) error {
	more := func() bool { return f.Next(source.Topics[0]) <= last }
	for more() {
		stream, err := retries(ctx, source, f.Last)
		if err != nil {
			return err
		}
		if err := takeAll(stream, f, more); err != nil {
			return err
		}
	}
	return nil
}

// takeAll gives f what comes from stream, while there is to be more, until the connection is lost.
func takeAll(stream feed.Stream, f *feed.Follower, more func() bool) error {
	defer stream.Cut()
	for more() {
		m, err := stream.Next()
		if err != nil {
			return nil
		}
		if err := f.Take(m); err != nil {
			return err
		}
	}
	return nil
}

// begin has f connect for the first time, so that it has an id to go on behind.
func begin(t *testing.T, source feed.Source, f *feed.Follower) {
	t.Helper()
	stream, err := openStream(within(t), source, "")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Cut()
	welcome, err := stream.Next()
	if err := errors.Join(err, f.Take(welcome)); err != nil {
		t.Fatal(err)
	}
}

// TestPipeThroughRestarts: hawser pipe waits for a server that restarts. Every line arrives, in order, once.
func TestPipeThroughRestarts(t *testing.T) {
	const lines = 30_000
	hawser, addr := startPublic(t, "127.0.0.1:0", "--history-messages", "100000", "--drain", "100ms")
	ctx := within(t)
	var f feed.Follower
	f.Expect("load", 1)
	source := feed.Source{Server: addr, Topics: []string{"load"}}
	begin(t, source, &f)
	followed := make(chan error, 1)
	go func() { followed <- follow(ctx, source, &f, lines) }()
	pipe := start(t, "hawser", "pipe", "-v", "--url", "http://"+addr, "--key", publishKey, "load")
	fed := make(chan error, 1)
	go func() { fed <- feedNumbers(ctx, pipe.stdin, lines, 10_000) }()
	for range 2 {
		time.Sleep(500 * time.Millisecond) // some thousand lines
		if code := hawser.terminate(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		hawser, _ = startPublic(t, addr, "--history-messages", "100000", "--drain", "100ms")
	}
	if err := <-fed; err != nil {
		t.Error(err)
	}
	if code := pipe.wait(); code != 0 {
		t.Errorf("the pipe's exit code is %d", code)
	}
	pipe.says(`30000 published, 0 left out`)
	if err := <-followed; err != nil || f.Received != lines || f.Lost > 0 {
		t.Errorf("%d lines came, %d are lost, %v; want %d", f.Received, f.Lost, err, lines)
	}
}

// TestServePipe: the server publishes its own standard input, and goes on after its end.
func TestServePipe(t *testing.T) {
	hawser, addr := startPublic(t, "127.0.0.1:0", "--pipe", "lines")
	stream, err := openStream(within(t), feed.Source{Server: addr, Topics: []string{"lines"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Cut()
	next := func(want string) {
		t.Helper()
		if m, err := stream.Next(); err != nil || m.Type != "message" || m.Data+string(m.Base64) != want {
			t.Fatalf("%+v, %v; want %q", m, err, want)
		}
	}
	if m, err := stream.Next(); err != nil || m.Type != "welcome" {
		t.Fatalf("%+v, %v", m, err)
	}
	io.WriteString(hawser.stdin, "eins\nzwei ü\n\xff\n")
	for _, want := range []string{"eins", "zwei ü", "\xff"} {
		next(want)
	}
	hawser.stdin.Close()
	post(t, addr, "lines", "by HTTP")
	next("by HTTP")
	stream.Cut() // nobody reads the goodbye
	if code := hawser.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
