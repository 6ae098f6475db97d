// A server on golang.org/x/net/websocket: a Codec that keeps the type of a message.
package main

import (
	"net"

	"golang.org/x/net/websocket"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

type message struct {
	payload []byte
	kind    byte
}

var codec = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) {
		m := v.(*message)
		return m.payload, m.kind, nil
	},
	Unmarshal: func(p []byte, kind byte, v any) error {
		*v.(*message) = message{p, kind}
		return nil
	},
}

func serve(ln net.Listener, c host.Config) error {
	room := &host.Room[*websocket.Conn]{}
	// A Server without a Handshake accepts clients without an Origin, which a Handler alone does not.
	return c.ServeHTTP(ln, websocket.Server{Handler: func(conn *websocket.Conn) {
		defer conn.Close()
		if c.Broadcast {
			room.Join(conn)
			defer room.Leave(conn)
		}
		for m := new(message); codec.Receive(conn, m) == nil; {
			if !c.Broadcast {
				if codec.Send(conn, m) != nil {
					return
				}
				continue
			}
			room.Each(func(to *websocket.Conn) { codec.Send(to, m) })
		}
	}})
}
