// A server on github.com/lesismal/nbio: its non-blocking engine, plain TCP.
package main

import (
	"errors"
	"net"
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	if c.TLS != nil {
		return errors.New("nbio: its TLS is a fork of crypto/tls and not compared")
	}
	logging.SetLevel(logging.LevelNone)
	u := upgrader(c)
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp",
		Addrs:   []string{ln.Addr().String()},
		Listen:  func(string, string) (net.Listener, error) { return ln, nil },
		IOMod:   nbhttp.IOModNonBlocking,
		MaxLoad: 1 << 20,

		ReleaseWebsocketPayload:      true,
		MaxWebsocketFramePayloadSize: host.MaxMessage, // it would send fragments, which costs more
		Handler:                      http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r, nil) }),
	})
	if err := engine.Start(); err != nil {
		return err
	}
	select {}
}

func upgrader(c host.Config) *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.KeepaliveTime = 0
	u.EnableCompression(c.Compression != "")
	if !c.Broadcast {
		u.OnMessage(func(c *websocket.Conn, t websocket.MessageType, p []byte) { c.WriteMessage(t, p) })
		return u
	}
	room := &host.Room[*websocket.Conn]{}
	u.OnOpen(room.Join)
	u.OnClose(func(c *websocket.Conn, _ error) { room.Leave(c) })
	u.OnMessage(func(_ *websocket.Conn, t websocket.MessageType, p []byte) {
		room.Each(func(c *websocket.Conn) { c.WriteMessage(t, p) })
	})
	return u
}
