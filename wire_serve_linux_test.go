//go:build !386 && !s390x

package websocket

import (
	"net"
	"syscall"
	"testing"
	"time"
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
	tests := []struct {
		name  string
		reply bool
		sends func(peer *net.TCPConn)
		reads int
		parks bool
		late  bool // see countingTaker
	}{
		{"nothing", false, func(*net.TCPConn) {}, 1, true, false},
		{"a message that is answered", true, func(p *net.TCPConn) { p.Write([]byte("message")) }, 1, true, false},
		{"a message that is not answered", false, func(p *net.TCPConn) { p.Write([]byte("message")) }, 2, true, false},
		{"more than there is space for", true, func(p *net.TCPConn) { p.Write(make([]byte, 1500)) }, 2, true, false},
		{"just as much as there is space for", true, func(p *net.TCPConn) { p.Write(make([]byte, 1024)) }, 1, true, false},
		{"just as much as there is space for and the end", true,
			func(p *net.TCPConn) { p.Write(make([]byte, 1024)); p.CloseWrite() }, 2, false, false},
		{"a message and the end", true, func(p *net.TCPConn) { p.Write([]byte("message")); p.CloseWrite() }, 2, false, false},
		{"a message and a reset", true, func(p *net.TCPConn) { p.Write([]byte("message")); p.SetLinger(0); p.Close() }, 2, false, false},
		{"a message that is not answered and a reset", false,
			func(p *net.TCPConn) { p.Write([]byte("message")); p.SetLinger(0); p.Close() }, 2, false, false},
		{"a message and a reset, behind a write from elsewhere", false,
			func(p *net.TCPConn) { p.Write([]byte("message")); p.SetLinger(0); p.Close() }, 2, false, true},
		{"a reset", false, func(p *net.TCPConn) { p.SetLinger(0); p.Close() }, 1, false, false},
		{"the end", false, func(p *net.TCPConn) { p.CloseWrite() }, 1, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, peer := tcpPair(t)
			w := newSocketWire(ours).(*socketWire)
			w.inq.enable(w.raw)
			if !w.inq.enabled {
				t.Fatal("the kernel has no TCP_INQ")
			}
			tt.sends(peer.(*net.TCPConn))
			awaitArrival(t, w)
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

// awaitArrival gives what the peer has sent the time to arrive: it looks at the socket until what is there stays the
// same. On the loopback device that is the case at once.
func awaitArrival(t *testing.T, w *socketWire) {
	t.Helper()
	last := -1
	for same := 0; same < 3; time.Sleep(time.Millisecond) {
		n := 0
		w.raw.Control(func(fd uintptr) {
			n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 4096), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		})
		if n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
}
