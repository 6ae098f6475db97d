// A server on github.com/coder/websocket: messages read into memory that is used again, written whole.
package main

import (
	"bytes"
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	options := &websocket.AcceptOptions{CompressionMode: mode(c)}
	room := &host.Room[*websocket.Conn]{}
	return c.ServeHTTP(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(host.MaxMessage)
		if c.Broadcast {
			broadcast(conn, room)
		} else {
			echo(conn)
		}
	}))
}

func mode(c host.Config) websocket.CompressionMode {
	switch c.Compression {
	case "takeover":
		return websocket.CompressionContextTakeover
	case "none":
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionDisabled
}

func echo(c *websocket.Conn) {
	ctx := context.Background()
	var buf bytes.Buffer
	for {
		t, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return
		}
		if c.Write(ctx, t, buf.Bytes()) != nil {
			return
		}
	}
}

func broadcast(c *websocket.Conn, room *host.Room[*websocket.Conn]) {
	ctx := context.Background()
	room.Join(c)
	defer room.Leave(c)
	for {
		t, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		room.Each(func(c *websocket.Conn) { c.Write(ctx, t, p) })
	}
}
