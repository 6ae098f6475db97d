package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	websocket "hawser.example/websocket"
)

// A machine is a network namespace at the other end of a cable: another computer, as far as TCP is concerned.
type machine struct {
	t     *testing.T
	name  string
	here  string // our address on the cable
	there string // the machine's
}

// machines counts those of this process, for names and addresses.
var machines atomic.Int32

// startMachine needs root, and iproute2.
func startMachine(t *testing.T) *machine {
	t.Helper()
	number, pid := int(machines.Add(1)), os.Getpid()
	net := (pid*64 + number) % (1 << 15) // of those with four addresses in 198.18.0.0/15, which is for tests (RFC 2544)
	address := func(host int) string {
		return fmt.Sprintf("198.%d.%d.%d", 18+net>>14, net>>6&0xff, net<<2&0xff+host)
	}
	m := &machine{t: t, name: fmt.Sprintf("hawser-%d-%d", pid, number), here: address(1), there: address(2)}
	cable := fmt.Sprintf("hw%d-%d", pid, number)
	command(t, "ip", "netns", "add", m.name)
	t.Cleanup(func() { command(t, "ip", "netns", "delete", m.name) })
	command(t, "ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", m.name)
	t.Cleanup(func() { command(t, "ip", "link", "delete", cable) }) // the namespace may take a while to be gone
	command(t, "ip", "address", "add", m.here+"/30", "dev", cable)
	command(t, "ip", "link", "set", cable, "up")
	m.command("ip", "address", "add", m.there+"/30", "dev", "eth0")
	m.command("ip", "link", "set", "eth0", "up")
	return m
}

// command runs a program of the system, which has to succeed.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(lookPath(t, name, "/usr/sbin/"+name, "/sbin/"+name), args...)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s (as root?): %v\n%s", cmd, err, output)
	}
}

// command runs a program on the machine.
func (m *machine) command(name string, args ...string) {
	m.t.Helper()
	path := lookPath(m.t, name, "/usr/sbin/"+name, "/sbin/"+name)
	command(m.t, "ip", append([]string{"netns", "exec", m.name, path}, args...)...)
}

// start has the machine run hawser.
func (m *machine) start(args ...string) *process {
	m.t.Helper()
	hawser, err := builds["hawser"]()
	if err != nil {
		m.t.Fatal(err)
	}
	ip := lookPath(m.t, "ip", "/usr/sbin/ip", "/sbin/ip")
	return start(m.t, ip, append([]string{"netns", "exec", m.name, hawser}, args...)...)
}

// deafen has the machine drop every packet that arrives, as a firewall or a network that is gone would.
func (m *machine) deafen() {
	m.t.Helper()
	m.command("nft", "add table inet hawser; "+
		"add chain inet hawser none { type filter hook input priority 0; policy drop; }")
}

// hear is the end of deafen.
func (m *machine) hear() {
	m.t.Helper()
	m.command("nft", "delete table inet hawser")
}

// unplug pulls the cable.
func (m *machine) unplug() {
	m.t.Helper()
	m.command("ip", "link", "set", "eth0", "down")
}

// limits are what is set of a connection, with an Upgrader or a Dialer.
type limits struct {
	keepalive                  websocket.Keepalive
	writeTimeout, closeTimeout time.Duration
}

// reach makes a connection between this machine and another, and sends a message in each direction.
func (m *machine) reach(role string, l limits) *websocket.Conn {
	m.t.Helper()
	conn := map[string]func(limits) *websocket.Conn{"server": m.serve, "client": m.dial}[role](l)
	m.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// serve has a client on the machine connect to us.
func (m *machine) serve(l limits) *websocket.Conn {
	m.t.Helper()
	upgrader := &websocket.Upgrader{Keepalive: l.keepalive, WriteTimeout: l.writeTimeout, CloseTimeout: l.closeTimeout}
	conns := make(chan *websocket.Conn, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r, nil); err == nil {
			conns <- conn
		}
	}))
	listener, err := net.Listen("tcp", m.here+":0")
	if err != nil {
		m.t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	m.t.Cleanup(server.Close)
	client := m.start("connect", "ws://"+listener.Addr().String())
	var conn *websocket.Conn
	select {
	case conn = <-conns:
	case <-within(m.t).Done():
		m.t.Fatal("nobody connects")
	}
	fmt.Fprintln(client.stdin, "hello")
	wantText(m.t, conn, "hello")
	if err := conn.WriteMessage(websocket.TextMessage, []byte("welcome")); err != nil {
		m.t.Fatal(err)
	}
	client.says("welcome")
	return conn
}

// dial connects to a server on the machine, which echoes.
func (m *machine) dial(l limits) *websocket.Conn {
	m.t.Helper()
	url := "ws://" + m.start("echo", "--addr", m.there+":0").says(`198\.[0-9.]+:[1-9][0-9]*`)[0]
	dialer := &websocket.Dialer{Keepalive: l.keepalive, WriteTimeout: l.writeTimeout, CloseTimeout: l.closeTimeout}
	conn, _, err := dialer.Dial(within(m.t), url, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		m.t.Fatal(err)
	}
	wantText(m.t, conn, "hello")
	return conn
}

func wantText(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	kind, data, err := conn.ReadContext(within(t))
	if err != nil || kind != websocket.TextMessage || string(data) != want {
		t.Fatalf("read %v %q, %v; want %q", kind, data, err, want)
	}
}

const (
	// deathAfter is the time after which a peer must be known to be dead, in each of the tests.
	deathAfter = time.Second
	// slack is what a busy machine may add.
	slack = 5 * time.Second
)

var (
	off            = websocket.Keepalive{Interval: -1}
	halves         = websocket.Keepalive{Interval: deathAfter / 2, Timeout: deathAfter / 2}
	byKeepalive    = limits{keepalive: halves, writeTimeout: -1}
	byWriteTimeout = limits{keepalive: off, writeTimeout: deathAfter}
	byCloseTimeout = limits{keepalive: off, closeTimeout: deathAfter}
)

// noticing are the ways to find out that a peer is dead: each returns errors that name the limit.
var noticing = []struct {
	name   string
	limits limits
	limit  string
	notice func(t *testing.T, conn *websocket.Conn) []error
}{
	{"reader", byKeepalive, "Keepalive", func(_ *testing.T, conn *websocket.Conn) []error {
		_, _, err := conn.ReadMessage()
		return []error{err}
	}},
	{"writer", byKeepalive, "Keepalive", func(_ *testing.T, conn *websocket.Conn) []error {
		conn.Drain()
		return []error{writeOn(conn)}
	}},
	{"idle writer", byKeepalive, "Keepalive", func(t *testing.T, conn *websocket.Conn) []error {
		conn.Drain()
		select {
		case <-conn.Done():
		case <-within(t).Done():
			t.Error("Done does not tell of the end")
		}
		return []error{conn.WriteMessage(websocket.TextMessage, []byte("are you there?"))}
	}},
	{"writer and reader", byKeepalive, "Keepalive", func(_ *testing.T, conn *websocket.Conn) []error {
		wrote := make(chan error, 1)
		go func() { wrote <- writeOn(conn) }()
		_, _, err := conn.ReadMessage()
		return []error{err, <-wrote}
	}},
	{"writer alone", byWriteTimeout, "WriteTimeout", func(_ *testing.T, conn *websocket.Conn) []error {
		return []error{writeOn(conn)}
	}},
	{"closer", byCloseTimeout, "CloseTimeout", func(_ *testing.T, conn *websocket.Conn) []error {
		return []error{conn.Close()}
	}},
}

// writeOn writes until that fails. What the kernel takes hides for a while that nothing arrives.
func writeOn(conn *websocket.Conn) error {
	for p := make([]byte, 1<<16); ; {
		if err := conn.WriteMessage(websocket.BinaryMessage, p); err != nil {
			return err
		}
	}
}

// TestDeadPeer: a peer whose packets no longer arrive is noticed in time, not earlier, and by everyone who waits.
func TestDeadPeer(t *testing.T) {
	deaths := map[string]func(*machine){"deaf": (*machine).deafen, "unplugged": (*machine).unplug}
	for _, role := range []string{"server", "client"} {
		for death, die := range deaths {
			for _, n := range noticing {
				t.Run(role+", peer "+death+", "+n.name, func(t *testing.T) {
					t.Parallel()
					m := startMachine(t)
					conn := m.reach(role, n.limits)
					die(m)
					checkNotice(t, n.limit, func() []error { return n.notice(t, conn) })
				})
			}
		}
	}
}

// checkNotice wants errors that name a limit, after deathAfter. Keepalive counts from the last byte received, which was
// before.
func checkNotice(t *testing.T, limit string, notice func() []error) {
	t.Helper()
	start := time.Now()
	for _, err := range notice() {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || !strings.Contains(err.Error(), limit) {
			t.Errorf("%v is not a timeout that names %s", err, limit)
		}
	}
	took := time.Since(start)
	t.Logf("after %v", took)
	earliest := deathAfter
	if limit == "Keepalive" {
		earliest = deathAfter / 2 // the rest may be over before the cable was cut
	}
	if took < earliest || took > deathAfter+slack {
		t.Errorf("noticed after %v; want %v", took, deathAfter)
	}
}

// TestPeerComesBack: what was sent while no packet arrived, as to a laptop that sleeps, arrives when it is awake again,
// and keepalive has patience for as long as it was told to. RTT tells how long that took.
func TestPeerComesBack(t *testing.T) {
	for _, role := range []string{"server", "client"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			conn, rtt := surviveOutage(t, role, off)
			if got := conn.Stats().RTT; got != rtt {
				t.Errorf("Stats().RTT is %v; want that of the latest Ping, %v", got, rtt)
			}
		})
		t.Run(role+", keepalive", func(t *testing.T) {
			t.Parallel()
			// It has a Ping of its own on the way during the outage.
			conn, _ := surviveOutage(t, role, websocket.Keepalive{Interval: outage / 10, Timeout: patience})
			if err := conn.Close(); err != nil {
				t.Errorf("close after the outage: %v", err)
			}
		})
	}
}

// outage is how long no packet arrives, at least.
const outage = 300 * time.Millisecond

// surviveOutage makes a connection, interrupts it, and returns it with the round trip that the outage made long.
func surviveOutage(t *testing.T, role string, k websocket.Keepalive) (conn *websocket.Conn, rtt time.Duration) {
	t.Helper()
	m := startMachine(t)
	conn = m.reach(role, limits{keepalive: k})
	conn.Drain()
	if healthy, err := conn.Ping(within(t)); err != nil || healthy <= 0 {
		t.Fatalf("Ping: %v, %v", healthy, err)
	}
	m.deafen()
	late := make(chan time.Duration, 1)
	go func() {
		rtt, err := conn.Ping(within(t))
		if err != nil {
			t.Errorf("the Ping that was sent into the outage: %v", err)
		}
		late <- rtt
	}()
	ctx, cancel := context.WithTimeout(t.Context(), outage)
	defer cancel()
	if rtt, err := conn.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ping while no packet arrives: %v, %v; want the context's error", rtt, err)
	}
	m.hear()
	if rtt = <-late; rtt < outage/2 { // it may have left a little after the outage began
		t.Errorf("the round trip through the outage of %v took %v", outage, rtt)
	}
	return conn, rtt
}
