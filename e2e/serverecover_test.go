package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hawser.example/websocket/internal/feed"
)

// feedNumbers writes the numbers from 1 to last, a line each, at about perSecond, and closes w.
func feedNumbers(ctx context.Context, w io.WriteCloser, last, perSecond int) error {
	defer w.Close()
	const step = 10 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	var lines []byte
	for n := 1; n <= last; {
		lines = lines[:0]
		for range perSecond / int(time.Second/step) {
			if n <= last {
				lines = append(strconv.AppendInt(lines, int64(n), 10), '\n')
				n++
			}
		}
		if _, err := w.Write(lines); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// followWithCuts follows a topic up to the number last. It cuts its connection at random, on average behind every
// messages.
func followWithCuts(ctx context.Context, source feed.Source, f *feed.Follower, last, every int) error {
	topic := source.Topics[0]
	for f.Next(topic) <= last {
		stream, err := retries(ctx, source, f.Last)
		if err != nil {
			return err
		}
		for left := 1 + rand.N(2*every); f.Next(topic) <= last && left > 0; left-- {
			m, err := stream.Next()
			if code, _ := closeCode(err); code == 1013 || errors.Is(err, io.EOF) && source.Events {
				break // too slow, on a busy machine: what it has missed it gets
			}
			if err == nil {
				err = f.Take(m)
			}
			if err != nil {
				stream.Cut()
				return fmt.Errorf("behind %s: %w", f.Last, err)
			}
		}
		stream.Cut()
	}
	return nil
}

// TestServeRecovery: 100 000 numbers, 50 clients that are cut at random, and each ends with all of them, in order,
// once, or was told that some are lost.
func TestServeRecovery(t *testing.T) {
	for name, row := range map[string]struct {
		numbers, clients, every int
		flags                   []string
		complete                bool
	}{
		"all is kept": {100_000, 50, 4000, []string{"--history-messages", "100000", "--history-bytes", "64MiB",
			"--history-total", "256MiB"}, true},
		"little is kept": {20_000, 20, 500, []string{"--history-messages", "10"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			hawser, addr := startPublic(t, "127.0.0.1:0", append(row.flags, "--pipe", "load")...)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			followers := make([]feed.Follower, row.clients)
			errs := make([]error, row.clients)
			var done sync.WaitGroup
			for i := range followers {
				f := &followers[i]
				f.Expect("load", 1)
				source := feed.Source{Server: addr, Topics: []string{"load"}, Events: i%5 == 4}
				begin(t, source, f)
				done.Go(func() { errs[i] = followWithCuts(ctx, source, f, row.numbers, row.every) })
			}
			if err := feedNumbers(ctx, hawser.stdin, row.numbers, 20_000); err != nil {
				t.Fatal(err)
			}
			done.Wait()
			var total feed.Follower
			for i, f := range followers {
				if errs[i] != nil {
					t.Errorf("client %d: %v", i, errs[i])
				}
				if f.Received+f.Lost != row.numbers || row.complete && f.Incomplete > 0 {
					t.Errorf("client %d: %+v", i, f)
				}
				total.Received += f.Received
				total.Lost += f.Lost
				total.Recoveries += f.Recoveries
				total.Incomplete += f.Incomplete
			}
			t.Logf("%d clients, %d received, %d connections with a last id, of which %d were told of a loss, %d lost",
				row.clients, total.Received, total.Recoveries, total.Incomplete, total.Lost)
			if total.Recoveries < 2*row.clients {
				t.Errorf("%d connections were recovered; that is no test", total.Recoveries)
			}
			if !row.complete && (total.Incomplete == 0 || total.Incomplete == total.Recoveries) {
				t.Errorf("%d of %d were told of a loss; want some, not all", total.Incomplete, total.Recoveries)
			}
		})
	}
}

// TestServeSurvivesKill: a server that is killed and started again is another run, and tells so. Whoever was there goes
// on with what it publishes.
func TestServeSurvivesKill(t *testing.T) {
	hawser, addr := startPublic(t, "127.0.0.1:0")
	ctx := within(t)
	const clients, kills = 20, 3
	stop := make(chan struct{})
	var published sync.WaitGroup
	var last int
	published.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				// Once more, until it is certain that everybody can know the end.
				for postNumber(ctx, addr, "load", n) != nil && ctx.Err() == nil {
					time.Sleep(10 * time.Millisecond)
				}
				last = n
				return
			default:
				if postNumber(ctx, addr, "load", n) != nil {
					time.Sleep(5 * time.Millisecond) // perhaps it was published: it is not sent again
				}
			}
		}
	})
	followers := make([]feed.Follower, clients)
	errs := make([]error, clients)
	ended := make(chan struct{})
	var done sync.WaitGroup
	var welcomes atomic.Int64
	for i := range followers {
		source := feed.Source{Server: addr, Topics: []string{"load"}, Events: i%4 == 3}
		done.Go(func() { errs[i] = followThroughRestarts(ctx, source, &followers[i], &welcomes, ended) })
	}
	allAreBack := func(run int64) {
		for welcomes.Load() < clients*run && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond) // in which they receive
	}
	for run := range int64(kills) {
		allAreBack(run + 1)
		hawser.kill()
		time.Sleep(100 * time.Millisecond)
		hawser, _ = startPublic(t, addr)
	}
	allAreBack(kills + 1)
	close(stop)
	published.Wait()
	time.Sleep(500 * time.Millisecond)
	close(ended)
	hawser.terminate()
	done.Wait()
	for i, f := range followers {
		if errs[i] != nil {
			t.Errorf("client %d: %v", i, errs[i])
		}
		if f.Incomplete < kills || f.Next("load") != last+1 || f.Received == 0 {
			t.Errorf("client %d was told of %d losses, want at least %d; it has %d numbers, the next is %d, want %d",
				i, f.Incomplete, kills, f.Received, f.Next("load"), last+1)
		}
	}
}

// followThroughRestarts follows until the connection is lost and ended is closed. It counts its welcomes.
func followThroughRestarts(ctx context.Context, source feed.Source, f *feed.Follower, welcomes *atomic.Int64,
	ended <-chan struct{}) error {
	for {
		stream, err := retries(ctx, source, f.Last)
		if err != nil {
			return err
		}
		n := 0
		more := func() bool {
			if n++; n == 2 {
				welcomes.Add(1)
			}
			return true
		}
		if err := takeAll(stream, f, more); err != nil {
			return err
		}
		select {
		case <-ended:
			return nil
		default:
		}
	}
}
