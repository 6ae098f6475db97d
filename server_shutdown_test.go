package websocket

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket/internal/memconn"
)

// A hijackable is what net/http gives a handler, on a connection in memory.
type hijackable struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}

// handshakeRequest returns a request that any Upgrader accepts.
func handshakeRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", headerVersion: "13", headerKey: "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// A slowUpgrade is a handshake whose answer the client has not taken yet, while the Upgrader is shut down.
type slowUpgrade struct {
	client   net.Conn
	upgraded chan error // what Upgrade returned
	down     chan error // what Shutdown returned
}

// startSlowUpgrade begins the handshake, then shuts u down, and waits until both can go no further.
func startSlowUpgrade(t *testing.T, ctx context.Context, u *Upgrader) slowUpgrade {
	server, client := memconn.Pair(1) // no room for an answer
	t.Cleanup(func() { client.Close() })
	s := slowUpgrade{client, make(chan error, 1), make(chan error, 1)}
	go func() {
		_, err := u.Upgrade(hijackable{httptest.NewRecorder(), server}, handshakeRequest(), nil)
		s.upgraded <- err
	}()
	synctest.Wait()
	go func() { s.down <- u.Shutdown(ctx) }()
	synctest.Wait()
	return s
}

// takeAnswer is the client taking the answer. It returns the client's end of the connection.
func (s slowUpgrade) takeAnswer(t *testing.T) *Conn {
	t.Helper()
	r := bufio.NewReader(s.client)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer %v, %v", res, err)
	}
	c := newConn(s.client, clientRole, connConfig{}, peekAll(r))
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// TestShutdownWaitsForHandshakes: a connection whose handshake is being answered gets its Close too, before Shutdown
// returns and the process, perhaps, ends.
func TestShutdownWaitsForHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u Upgrader
		s := startSlowUpgrade(t, t.Context(), &u)
		select {
		case err := <-s.down:
			t.Fatalf("Shutdown returned %v during a handshake", err)
		default:
		}
		c := s.takeAnswer(t)
		synctest.Wait()
		select {
		case err := <-s.down:
			t.Fatalf("Shutdown returned %v before the closing handshake", err)
		default:
		}
		_, _, err := c.ReadMessage()
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != CloseGoingAway {
			t.Errorf("the client saw %v, want Close 1001", err)
		}
		if up, down := <-s.upgraded, <-s.down; up != nil || down != nil {
			t.Errorf("Upgrade: %v, Shutdown: %v", up, down)
		}
	})
}

// TestShutdownAfterAFailedHandshake: Shutdown waits no longer than the handshake takes to fail.
func TestShutdownAfterAFailedHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := Upgrader{HandshakeTimeout: time.Second}
		begun := time.Now()
		s := startSlowUpgrade(t, t.Context(), &u)
		if up, down := <-s.upgraded, <-s.down; up == nil || down != nil || time.Since(begun) != time.Second {
			t.Errorf("Upgrade: %v, Shutdown: %v after %v; want an error, nil after 1s", up, down, time.Since(begun))
		}
	})
}

// TestShutdownGivesUpOnHandshakes: when the context ends Shutdown returns, and the connection still gets its Close.
func TestShutdownGivesUpOnHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var u Upgrader
		s := startSlowUpgrade(t, ctx, &u)
		if err := <-s.down; err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		_, _, err := s.takeAnswer(t).ReadMessage()
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != CloseGoingAway {
			t.Errorf("the client saw %v, want Close 1001", err)
		}
	})
}

// TestShutdownRefusesHandshakes: with 503, so that a load balancer turns elsewhere.
func TestShutdownRefusesHandshakes(t *testing.T) {
	var u Upgrader
	if err := u.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	_, err := u.Upgrade(w, handshakeRequest(), nil)
	var refusal *HandshakeError
	if !errors.As(err, &refusal) || refusal.Check != "shutdown" || w.Code != http.StatusServiceUnavailable {
		t.Errorf("%v, status %d", err, w.Code)
	}
}
