package websocket

import (
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// fillPipe leaves no room in the direction from c, and returns what makes room again.
func fillPipe(c, peer *Conn, size int) (drain func()) {
	c.NetConn().Write(make([]byte, size))
	return func() { io.ReadFull(peer.NetConn(), make([]byte, size)) }
}

// The owner's write deadline, long past, is not for the Pong that waits for a socket that is full.
func TestWriteDeadlineDoesNotEndPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(&PipeOptions{BufferSize: 8})
		server.SetWriteDeadline(time.Now())
		drain := fillPipe(server, client, 8)
		server.Drain()
		client.NetConn().Write((&encoder{role: clientRole, keys: nextMaskKey}).appendFrame(nil, OpPing, true, nil))
		time.Sleep(5 * time.Second)
		drain()
		p := make([]byte, 8)
		if n, err := client.NetConn().Read(p); err != nil || string(p[:n]) != "\x8a\x00" {
			t.Errorf("Read = % x, %v, want a Pong", p[:n], err)
		}
		if err := server.failed(); err != nil {
			t.Errorf("the connection has failed: %v", err)
		}
		client.CloseNow()
	})
}

// A write that its deadline takes back leaves the connection usable: what was there before it leaves, and Close says goodbye.
func TestWriteDeadlineTakesBackOneMessageOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(&PipeOptions{BufferSize: 8})
		drain := fillPipe(server, client, 8)
		start := time.Now()
		server.SetWriteDeadline(start.Add(time.Second))
		err := server.WriteMessage(TextMessage, []byte("taken back"))
		if d := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || d != time.Second {
			t.Fatalf("%v after %v, want a timeout after 1s", err, d)
		}
		go func() {
			time.Sleep(2 * time.Second)
			drain()
			client.ReadMessage()
		}()
		if err := server.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		var ce *CloseError
		if _, _, err := client.ReadMessage(); !errors.As(err, &ce) || ce.Code != CloseNormal {
			t.Errorf("the client got %v", err)
		}
	})
}
