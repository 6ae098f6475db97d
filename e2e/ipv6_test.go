package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hawser.example/websocket"
)

// An IPv6 literal in the URL, over a real socket; in the Host header it keeps its brackets. It is here and not in the
// root since not every machine has IPv6.
func TestDialIPv6(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	var upgrader websocket.Upgrader
	host := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host <- r.Host
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			c.Drain()
		}
	}))
	server.Listener.Close()
	server.Listener = ln
	server.Start()
	defer server.Close()

	c, _, err := new(websocket.Dialer).Dial(within(t), "ws://"+ln.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-host; !strings.HasPrefix(got, "[::1]:") {
		t.Errorf("Host is %q", got)
	}
	c.Close()
}
