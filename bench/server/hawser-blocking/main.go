// A server on this project's library in blocking style: a loop of AppendMessage inside the http handler, and a Hub that
// broadcasts.
package main

import (
	"net"
	"net/http"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	u := &websocket.Upgrader{Compression: compression(c)}
	hub := &websocket.Hub{}
	return c.ServeHTTP(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if c.Broadcast {
			broadcast(conn, hub)
		} else {
			echo(conn)
		}
	}))
}

func echo(c *websocket.Conn) {
	var buf []byte
	for {
		t, p, err := c.AppendMessage(buf[:0])
		if err != nil {
			return
		}
		if c.WriteMessage(t, p) != nil {
			return
		}
		buf = p
	}
}

func broadcast(c *websocket.Conn, hub *websocket.Hub) {
	if hub.Subscribe(c, "all") != nil {
		return
	}
	host.Joined.Add(1)
	for {
		t, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		hub.Publish("all", t, p)
	}
}

// compression has the window that the other libraries use.
func compression(c host.Config) *websocket.Compression {
	if c.Compression == "" {
		return nil
	}
	context := websocket.CompressionContext{NoTakeover: c.Compression == "none", WindowBits: 15}
	return &websocket.Compression{Send: context, Receive: context}
}
