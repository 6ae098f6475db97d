package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

func serveCoder(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	echoCoder(c, nil)
}

func visitCoder(url string, got func([]byte)) error {
	options := &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover}
	c, _, err := websocket.Dial(context.Background(), url, options)
	if err != nil {
		return err
	}
	return echoCoder(c, got)
}

func echoCoder(c *websocket.Conn, got func([]byte)) error {
	defer c.CloseNow()
	c.SetReadLimit(maxMessage)
	ctx := context.Background()
	for {
		kind, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if got != nil {
			got(p)
		} else if err := c.Write(ctx, kind, p); err != nil {
			return err
		}
	}
}
