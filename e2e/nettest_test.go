package e2e

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/nettest"

	websocket "hawser.example/websocket"
)

// TestStreamConnIsNetConn runs what golang.org/x/net expects of any net.Conn, with each end as the first.
func TestStreamConnIsNetConn(t *testing.T) {
	transports := []struct {
		name    string
		connect func() (server, client *websocket.Conn, stop func(), err error)
	}{
		{"Pipe", connectPipe},
		{"TCP", connectTCP},
	}
	for _, transport := range transports {
		for _, swapped := range []bool{false, true} {
			name := transport.name + ", the server first"
			if swapped {
				name = transport.name + ", the client first"
			}
			t.Run(name, func(t *testing.T) {
				nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
					server, client, stop, err := transport.connect()
					if err != nil {
						return nil, nil, nil, err
					}
					c1 := websocket.StreamConn(server, websocket.BinaryMessage)
					c2 := websocket.StreamConn(client, websocket.BinaryMessage)
					if swapped {
						c1, c2 = c2, c1
					}
					return c1, c2, stop, nil
				})
			})
		}
	}
}

func connectPipe() (server, client *websocket.Conn, stop func(), err error) {
	server, client = websocket.Pipe(nil)
	return server, client, func() { server.CloseNow(); client.CloseNow() }, nil
}

// connectTCP makes a connection as users get it: from an Upgrader and a Dialer.
func connectTCP() (server, client *websocket.Conn, stop func(), err error) {
	conns := make(chan *websocket.Conn, 1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := new(websocket.Upgrader).Upgrade(w, r, nil); err == nil {
			conns <- c
		}
	}))
	client, _, err = new(websocket.Dialer).Dial(context.Background(), "ws"+strings.TrimPrefix(web.URL, "http"), nil)
	if err != nil {
		web.Close()
		return nil, nil, nil, err
	}
	server = <-conns
	return server, client, func() { server.CloseNow(); client.CloseNow(); web.Close() }, nil
}
