package peers

import (
	"bytes"
	"testing"
)

// TestPeersAgree runs the peers against each other, without hawser: what fails here is not hawser's fault.
func TestPeersAgree(t *testing.T) {
	for _, server := range Languages {
		for _, client := range Languages {
			t.Run(client.Name+" to "+server.Name, func(t *testing.T) {
				t.Parallel()
				s, url := server.Server(t, "two")
				c := client.Client(t, url, "one", "two")
				for _, p := range []*Peer{s, c} {
					if got := p.Want("open").Protocol; got != "two" {
						t.Errorf("%s: subprotocol %q; want %q", p.name, got, "two")
					}
				}
				converse(t, s, c)
				converse(t, c, s)
				c.Close(4999, "günther")
				c.WantClose(4999, "günther")
				s.WantClose(4999, "günther")
			})
		}
	}
}

// converse lets from send and checks what to receives.
func converse(t *testing.T, from, to *Peer) {
	from.Send("text", []byte("grüße, 世界"))
	to.WantMessage("text", []byte("grüße, 世界"))
	from.Send("binary", []byte{0, 1}, nil, []byte{2})
	to.WantMessage("binary", []byte{0, 1, 2})
	from.Send("text", nil)
	to.WantMessage("text", nil)
	mebibyte := bytes.Repeat([]byte{0xff, 0x00}, 1<<19)
	from.Send("binary", mebibyte)
	to.WantMessage("binary", mebibyte)
	from.Ping([]byte("are you there?"))
	for p, kind := range map[*Peer]string{to: "ping", from: "pong"} {
		if event := p.Want(kind); string(event.Data) != "are you there?" {
			t.Errorf("%s: %s", p.name, brief(event))
		}
	}
}
