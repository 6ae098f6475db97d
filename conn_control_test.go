package websocket

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A Ping and a Pong of the application's own leave as they were given, the Pong though nobody asked for it. RFC 6455,
// section 5.5.3.
func TestWriteControl(t *testing.T) {
	rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		longest := strings.Repeat("p", maxControlPayload)
		for _, payload := range []string{"", "hello", "8 bytes!", longest} {
			for _, op := range []Opcode{OpPing, OpPong} {
				p := []byte(payload)
				if err := c.WriteControl(op, p); err != nil {
					t.Fatalf("%v %q: %v", op, payload, err)
				}
				clear(p) // it is not kept
				peer.want(op, payload)
			}
		}
		c.setMore(true) // as while a reader has more to read, and replies collect
		now := time.Now()
		if err := c.WriteControl(OpPong, nil); err != nil {
			t.Fatal(err)
		}
		peer.want(OpPong, "")
		if waited := time.Since(now); waited > 0 {
			t.Errorf("it left after %v", waited)
		}
		for _, op := range []Opcode{OpText, OpClose, OpContinuation, 0xB} {
			if err := c.WriteControl(op, nil); err == nil || !strings.Contains(err.Error(), op.String()) {
				t.Errorf("%v: %v; want an error that names it", op, err)
			}
		}
		if err := c.WriteControl(OpPing, []byte(longest+"p")); err == nil || !strings.Contains(err.Error(), "126") {
			t.Errorf("126 bytes: %v; want an error", err)
		}
		if err := c.WriteMessage(TextMessage, []byte("next")); err != nil {
			t.Fatal(err)
		}
		peer.want(OpText, "next") // nothing of the refused ones came
		c.CloseNow()
		if err := c.WriteControl(OpPing, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v; want net.ErrClosed", err)
		}
	})
}
