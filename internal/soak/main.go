// Soak runs "hawser serve" for a while with some thousand clients that come and go, are cut off, misbehave and come
// back, and with publishers who never stop. In the end everything has to balance exactly: every follower has every
// message of its topics once and in order, what the publishers were told is what the server has counted, and memory,
// goroutines and descriptors are where they were.
//
//	go run ./internal/soak -duration 110s
//
//	main.go     the run: a first phase, after which the server is as warm as it gets, and a second one to compare
//	server.go   the server's process, and what its metrics say
//	publish.go  publishers
//	clients.go  followers, and all others who connect
//	faults.go   what followers do to their connections, and requests that are wrong
//	balance.go  what has to be equal
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// shortest is how long a phase has to be for everything to happen in it.
const shortest = 10 * time.Second

func main() {
	duration := flag.Duration("duration", 110*time.Second, "how long it takes in all, more or less")
	clients := flag.Int("clients", 2000, "connections at a time")
	binary := flag.String("hawser", "", "the binary; built if it is not given")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *duration, *clients, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// run is the whole of it.
func run(ctx context.Context, duration time.Duration, clients int, binary string) error {
	began := time.Now()
	server, err := startServer(ctx, binary)
	if err != nil {
		return err
	}
	defer server.kill()
	s := newSoak(server, clients)
	if err := s.press.fill(); err != nil { // so that all histories are as large as they get
		return err
	}
	if err := s.phase(ctx, duration/4); err != nil {
		return fmt.Errorf("first phase: %w", err)
	}
	before, err := server.settled(ctx)
	if err != nil {
		return err
	}
	left := duration - time.Since(began) - settleTime
	if left < shortest {
		return fmt.Errorf("the first phase ended after %v: too little of %v is left for the second", time.Since(began), duration)
	}
	if err := s.phase(ctx, left); err != nil {
		return fmt.Errorf("second phase: %w", err)
	}
	after, err := server.settled(ctx)
	if err != nil {
		return err
	}
	s.report(os.Stdout, before, after, time.Since(began))
	if err := s.balance(before, after); err != nil {
		return err
	}
	return server.terminate()
}
