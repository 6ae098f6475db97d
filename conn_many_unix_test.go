//go:build linux || darwin

package websocket

import (
	"net/http"
	"sync"
	"syscall"
	"testing"

	"hawser.example/websocket/internal/wstest"
)

// manyConnections returns how many pairs of sockets this process may have for a test, at most 10 000.
func manyConnections(t *testing.T) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	most := uint64(10_000)
	if raceEnabled {
		most = 2000
	}
	return int(min(most, (limit.Cur-min(limit.Cur/10, 200))/2))
}

// Thousands of dialled connections in one process, each with a reader that waits, hold no buffer: neither at first nor
// after messages of many sizes have come and gone. The same goes for the servers at their other ends.
func TestManyDialledConnectionsHoldNoBuffers(t *testing.T) {
	wstest.NoLeaks(t)
	n := manyConnections(t)
	ln := listen(t)
	u := &Upgrader{Keepalive: Keepalive{Interval: -1}}
	server := &http.Server{Handler: u.Handler(func(*Conn, *http.Request) Handler {
		return HandlerFuncs{OnMessage: func(c *Conn, mt MessageType, p []byte) { c.WriteMessage(mt, p) }}
	})}
	go server.Serve(ln)
	defer server.Close()

	before := liveHeap()
	conns := make([]*Conn, n)
	var echoed, readers sync.WaitGroup // messages to come back; goroutines
	inParallel(n, func(i int) {
		c, _, err := (&Dialer{}).Dial(t.Context(), "ws://"+ln.Addr().String(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		conns[i] = c
		readers.Go(func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
				echoed.Done()
			}
		})
	})
	if t.Failed() {
		t.FailNow()
	}
	// The smallest buffer has 4 KiB. A pair of Conns with their sockets needs less than twice that.
	idle := heapAtMost(before + int64(n)*2*smallBuffer)
	sizes := []int{100, 5000, 40_000}
	payload := make([]byte, 40_000)
	inParallel(n, func(i int) {
		for _, size := range sizes {
			echoed.Add(1)
			if err := conns[i].WriteMessage(BinaryMessage, payload[:size]); err != nil {
				t.Error(err)
				echoed.Done()
			}
		}
	})
	echoed.Wait()
	after := heapAtMost(idle + int64(n)*512)
	t.Logf("%d connections and their servers: %d bytes of heap each, %d after traffic", n,
		(idle-before)/int64(n), (after-before)/int64(n))
	if each := (idle - before) / int64(n); each > 2*smallBuffer {
		t.Errorf("%d bytes each before any traffic", each)
	}
	if each := (after - idle) / int64(n); each > 512 {
		t.Errorf("%d bytes each remain of the traffic", each)
	}
	for _, c := range conns {
		c.CloseNow()
	}
	readers.Wait()
}

// inParallel calls f with 0 to n-1 in a few goroutines.
func inParallel(n int, f func(i int)) {
	const workers = 16
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
