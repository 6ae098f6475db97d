package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals returns a context that ends with the first signal that asks us to stop. The second one ends the process
// at once, whatever it waits for, and Ctrl-\ does so at once; before that last is called, to leave nothing behind. undo
// leaves the signals to the system again.
func stopSignals(last func()) (stop context.Context, undo func()) {
	stop, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		for s := range signals {
			if s == syscall.SIGQUIT || stop.Err() != nil {
				last()
				dieOf(s)
			}
			cancel()
		}
	}()
	return stop, func() { signal.Stop(signals); cancel() }
}
