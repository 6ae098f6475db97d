//go:build !386 && !s390x

package websocket

import (
	"net"
	"syscall"
	"testing"
)

// A countingTaker counts how often it is asked where bytes go: that is once for each read.
type countingTaker struct {
	w     *socketWire
	reply bool
	late  bool // a write that began before the first read is through only now
	reads int
	got   []byte
	buf   [1024]byte
}

func (t *countingTaker) space() []byte {
	t.reads++
	if t.late && t.reads == 1 {
		t.w.wroteIn.Store(t.w.reads.Load() - 1) // as writeOnce does
	}
	return t.buf[:]
}

func (t *countingTaker) take(n int) bool {
	t.got = append(t.got, t.buf[:n]...)
	if t.reply {
		t.w.tryWrite([]byte("reply"))
	}
	return true
}

func (t *countingTaker) idle() {}

// What a reader may park on: the second trap. The callback of serve is called as the poller would when the socket has
// become ready once, whatever has come by then.
func TestParksOnlyWhenNothingCanBeMissed(t *testing.T) {
	half := func(peer *net.TCPConn) { peer.CloseWrite() }
	reset := func(peer *net.TCPConn) { peer.SetLinger(0); peer.Close() }
	tests := []struct {
		name  string
		reply bool
		bytes int
		end   func(peer *net.TCPConn)
		reads int
		parks bool
		late  bool // see countingTaker
	}{
		{"nothing", false, 0, nil, 1, true, false},
		{"a message that is answered", true, 7, nil, 1, true, false},
		{"a message that is not answered", false, 7, nil, 2, true, false},
		{"more than there is space for", true, 1500, nil, 2, true, false},
		{"just as much as there is space for", true, 1024, nil, 1, true, false},
		{"just as much as there is space for and the end", true, 1024, half, 2, false, false},
		{"a message and the end", true, 7, half, 2, false, false},
		{"a message and a reset", true, 7, reset, 2, false, false},
		{"a message that is not answered and a reset", false, 7, reset, 2, false, false},
		{"a message and a reset, behind a write from elsewhere", false, 7, reset, 2, false, true},
		{"a reset", false, 0, reset, 1, false, false},
		{"the end", false, 0, half, 1, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, peer := tcpPair(t)
			w := newSocketWire(ours).(*socketWire)
			w.inq.enable(w.raw)
			if !w.inq.enabled {
				t.Fatal("the kernel has no TCP_INQ")
			}
			peer.Write(make([]byte, tt.bytes))
			if tt.end != nil {
				tt.end(peer.(*net.TCPConn))
			}
			awaitArrival(t, w, tt.bytes, tt.end != nil)
			taker := &countingTaker{w: w, reply: tt.reply, late: tt.late}
			w.taker = taker
			parked := false
			if err := w.raw.Control(func(fd uintptr) { parked = !w.readOn(fd) }); err != nil {
				t.Fatal(err)
			}
			if parked != tt.parks || taker.reads > tt.reads {
				t.Errorf("parked: %v; %d reads, want at most %d; %q came", parked, taker.reads, tt.reads, taker.got)
			}
			if tt.parks && taker.reads != tt.reads {
				t.Errorf("%d reads, want %d", taker.reads, tt.reads)
			}
		})
	}
}

// awaitArrival waits until so many bytes have arrived, and what ends the stream behind them.
func awaitArrival(t *testing.T, w *socketWire, bytes int, end bool) {
	t.Helper()
	const established = 1 // the first byte of TCP_INFO, the state
	waitFor(t, func() (arrived bool) {
		w.raw.Control(func(fd uintptr) {
			if end {
				info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
				arrived = err == nil && info&0xff != established
				return
			}
			n, _, _ := syscall.Recvfrom(int(fd), make([]byte, 4096), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			arrived = n == bytes || bytes == 0
		})
		return arrived
	})
}
