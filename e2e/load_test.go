package e2e

import (
	"strings"
	"testing"

	"hawser.example/websocket/e2e/peers"
)

// TestLoadForeignServers: round trips to echo servers of others, of which nothing is lost.
func TestLoadForeignServers(t *testing.T) {
	for name, command := range foreignServers {
		t.Run(name, func(t *testing.T) {
			server := start(t, command[0], command[1:]...)
			p := start(t, "hawser", "load", "--echo", "--connections", "20", "--rate", "400", "--duration", "500ms",
				server.says(`ws://\S+`)[0])
			if code := p.wait(); code != 0 || !strings.Contains(p.output.String(), "200 of 200, 0 lost, 0 twice") {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestListenForeignClients: a command is the server of clients of others.
func TestListenForeignClients(t *testing.T) {
	p, addr := startHawser(t, "listen", "--exec", `while read -r line; do echo "got $line"; done; exit 3`, "127.0.0.1:0")
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			peer := language.Client(t, "ws://"+addr+"/")
			peer.Want("open")
			for _, text := range []string{"one", "zwölf", ""} {
				peer.Send("text", []byte(text))
				peer.WantMessage("text", []byte("got "+text))
			}
			peer.Close(1000, "")
			peer.WantClose(1000, "")
		})
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
