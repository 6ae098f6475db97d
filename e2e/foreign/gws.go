package main

import (
	"net/http"

	"github.com/lxzan/gws"
)

var gwsUpgrader = gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{
	ReadMaxPayloadSize:  maxMessage,
	WriteMaxPayloadSize: maxMessage,
	CheckUtf8Enabled:    true,
	PermessageDeflate:   gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true},
})

func serveGws(w http.ResponseWriter, r *http.Request) {
	c, err := gwsUpgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	c.ReadLoop()
}

// gwsEcho answers messages and, since the library leaves that to its users, Pings.
type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnPing(c *gws.Conn, p []byte) { c.WritePong(p) }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}
