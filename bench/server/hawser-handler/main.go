// A server on this project's library in handler style: Upgrader.Handler calls back, and a Hub broadcasts.
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
	if c.Broadcast {
		return c.ServeHTTP(ln, broadcast(u))
	}
	echo := websocket.HandlerFuncs{OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) {
		c.WriteMessage(t, p) // an error ends the connection, and Serve with it
	}}
	return c.ServeHTTP(ln, u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return echo }))
}

func broadcast(u *websocket.Upgrader) http.Handler {
	hub := &websocket.Hub{}
	publish := websocket.HandlerFuncs{OnMessage: func(_ *websocket.Conn, t websocket.MessageType, p []byte) {
		hub.Publish("all", t, p)
	}}
	return u.Handler(func(c *websocket.Conn, _ *http.Request) websocket.Handler {
		if hub.Subscribe(c, "all") == nil {
			host.Joined.Add(1)
		}
		return publish
	})
}

// compression has the window that the other libraries use.
func compression(c host.Config) *websocket.Compression {
	if c.Compression == "" {
		return nil
	}
	context := websocket.CompressionContext{NoTakeover: c.Compression == "none", WindowBits: 15}
	return &websocket.Compression{Send: context, Receive: context}
}
