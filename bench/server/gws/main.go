// A server on github.com/lxzan/gws: its own Server and its Broadcaster.
package main

import (
	"net"

	"github.com/lxzan/gws"

	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(serve) }

func serve(ln net.Listener, c host.Config) error {
	option := &gws.ServerOption{}
	if c.Compression != "" {
		takeover := c.Compression == "takeover"
		option.PermessageDeflate = gws.PermessageDeflate{
			Enabled:               true,
			ServerContextTakeover: takeover,
			ClientContextTakeover: takeover,
			ServerMaxWindowBits:   15,
			ClientMaxWindowBits:   15,
		}
	}
	h := &handler{broadcast: c.Broadcast}
	return gws.NewServer(h, option).RunListener(c.Listener(ln))
}

type handler struct {
	gws.BuiltinEventHandler
	broadcast bool
	room      host.Room[*gws.Conn]
}

func (h *handler) OnOpen(c *gws.Conn) {
	if h.broadcast {
		h.room.Join(c)
	}
}

func (h *handler) OnClose(c *gws.Conn, _ error) {
	if h.broadcast {
		h.room.Leave(c)
	}
}

func (h *handler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if !h.broadcast {
		c.WriteMessage(m.Opcode, m.Bytes())
		return
	}
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	h.room.Each(func(c *gws.Conn) { b.Broadcast(c) })
}
