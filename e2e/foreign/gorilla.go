package main

import (
	"net/http"

	"github.com/gorilla/websocket"
)

func serveGorilla(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{EnableCompression: true}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	echoGorilla(c, nil)
}

func visitGorilla(url string, got func([]byte)) error {
	d := websocket.Dialer{EnableCompression: true}
	c, _, err := d.Dial(url, nil)
	if err != nil {
		return err
	}
	return echoGorilla(c, got)
}

func echoGorilla(c *websocket.Conn, got func([]byte)) error {
	defer c.Close()
	c.SetReadLimit(maxMessage)
	for {
		kind, p, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if got != nil {
			got(p)
		} else if err := c.WriteMessage(kind, p); err != nil {
			return err
		}
	}
}
