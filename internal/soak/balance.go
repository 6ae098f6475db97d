package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	spareGoroutines  = 10      // of net/http for the listener, our own requests for metrics
	spareDescriptors = 10      // the same
	spareHeap        = 2 << 20 // bytes: pools, maps that do not shrink
)

// total adds up connections.
func (s *soak) total() (n int) {
	for i := range s.opened {
		n += int(s.opened[i].Load())
	}
	return n
}

// balance returns everything that is not equal and has to be.
func (s *soak) balance(before, after figures) error {
	var errs []error
	equal := func(what string, server, client int) {
		if server != client {
			errs = append(errs, fmt.Errorf("%s: the server counts %d, its clients %d", what, server, client))
		}
	}
	equal("messages", after.sum("hawser_messages_published_total"), int(s.press.published.Load()))
	equal("deliveries", after.sum("hawser_deliveries_total"), int(s.press.subscribers.Load()))
	for kind, name := range kindNames {
		equal("connections, "+name, after.sum(`hawser_connections_opened_total{kind="`+name+`"}`), int(s.opened[kind].Load()))
	}
	equal("connections that ended", after.sum("hawser_connections_closed_total"), s.total())
	equal("recoveries", after.sum(`hawser_recoveries_total{result="complete"}`), int(s.recoveries.Load()))
	equal("recoveries with a loss", after.sum(`hawser_recoveries_total{result="incomplete"}`), 0)
	equal("refusals", after.sum("hawser_refusals_total"), int(s.refused.Load()))
	for kind, name := range faultNames {
		if s.faults[kind].Load() == 0 {
			errs = append(errs, fmt.Errorf("no client had the fault %q", name))
		}
	}
	returns := func(name string, spare int) {
		if b, a := after.sum(name), before.sum(name); b > a+spare {
			errs = append(errs, fmt.Errorf("%s: %d after the first phase, %d after the second", name, a, b))
		}
	}
	returns("go_goroutines", spareGoroutines)
	returns("process_open_fds", spareDescriptors)
	returns("go_memstats_heap_alloc_bytes", spareHeap)
	return errors.Join(errs...)
}

// report says what was.
func (s *soak) report(w io.Writer, before, after figures, took time.Duration) {
	fmt.Fprintf(w, "%d clients, %v: %d connections (", s.clients, took.Round(time.Second), s.total())
	for kind, name := range kindNames {
		fmt.Fprintf(w, "%d %s, ", s.opened[kind].Load(), name)
	}
	fmt.Fprintf(w, "%d recovered), %d requests refused\n", s.recoveries.Load(), s.refused.Load())
	fmt.Fprintf(w, "%d messages published, %d deliveries, %d received by those who stayed or came back\n",
		s.press.published.Load(), s.press.subscribers.Load(), s.received.Load())
	for kind, name := range faultNames {
		fmt.Fprintf(w, "%s: %d; ", name, s.faults[kind].Load())
	}
	fmt.Fprintln(w)
	for _, name := range []string{"go_goroutines", "process_open_fds", "go_memstats_heap_alloc_bytes"} {
		fmt.Fprintf(w, "%s: %d, then %d\n", name, before.sum(name), after.sum(name))
	}
}
