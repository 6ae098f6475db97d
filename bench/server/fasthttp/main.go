// A server on github.com/fasthttp/websocket and fasthttp's own HTTP server, with a pool of write buffers, messages read
// into memory that is used again, prepared messages for broadcasts.
package main

import (
	"bytes"
	"net"
	"sync"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	u := &websocket.FastHTTPUpgrader{
		ReadBufferSize:    4096,
		WriteBufferSize:   4096,
		WriteBufferPool:   &sync.Pool{},
		EnableCompression: c.Compression != "",
	}
	room := &host.Room[*websocket.Conn]{}
	s := &fasthttp.Server{Concurrency: 1 << 20, Handler: func(ctx *fasthttp.RequestCtx) {
		u.Upgrade(ctx, func(conn *websocket.Conn) {
			defer conn.Close()
			if c.Broadcast {
				broadcast(conn, room)
			} else {
				echo(conn)
			}
		})
	}}
	return s.Serve(c.Listener(ln))
}

func echo(c *websocket.Conn) {
	var buf bytes.Buffer
	for {
		t, r, err := c.NextReader()
		if err != nil {
			return
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return
		}
		if c.WriteMessage(t, buf.Bytes()) != nil {
			return
		}
	}
}

func broadcast(c *websocket.Conn, room *host.Room[*websocket.Conn]) {
	room.Join(c)
	defer room.Leave(c)
	for {
		t, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		m, err := websocket.NewPreparedMessage(t, p)
		if err != nil {
			return
		}
		room.Each(func(c *websocket.Conn) { c.WritePreparedMessage(m) })
	}
}
