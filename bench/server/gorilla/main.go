// A server on github.com/gorilla/websocket: a read buffer of its own of 4 KiB, a pool of write buffers (its
// documentation advises one), messages read into memory that is used again, prepared messages for broadcasts.
package main

import (
	"bytes"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	u := &websocket.Upgrader{
		ReadBufferSize:    4096,
		WriteBufferSize:   4096,
		WriteBufferPool:   &sync.Pool{},
		EnableCompression: c.Compression != "",
	}
	room := &host.Room[*websocket.Conn]{}
	return c.ServeHTTP(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if c.Broadcast {
			broadcast(conn, room)
		} else {
			echo(conn)
		}
	}))
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
