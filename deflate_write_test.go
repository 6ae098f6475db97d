package websocket

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"
)

// TestCompressedMessageThatIsGivenUp: a message of which nothing has left is none that later ones may reach back to,
// whatever its size and whoever sends it.
func TestCompressedMessageThatIsGivenUp(t *testing.T) {
	compression := &Compression{Threshold: -1, Fragments: true}
	params := compression.resolve(clientRole)
	random := make([]byte, 50_000)
	rand.NewChaCha8([32]byte{}).Read(random)
	text := hex.AppendEncode(nil, random) // half as large when compressed
	for _, size := range []int{1_000, 40_000, len(text)} {
		for _, r := range []role{serverRole, clientRole} {
			eachWriteLimit(t, func(t *testing.T, l writeLimit) {
				if size > collectLimit && l.name == "NextWriter" {
					return // then a fragment has been sent
				}
				bubble(t, 16, connConfig{deflate: params}, func(t *testing.T, server, client *Conn) {
					from, to := server, client
					if r == clientRole {
						from, to = client, server
					}
					drain := fillPipe(from, to, 16)
					start := time.Now()
					wantGaveUp(t, l, l.write(from, time.Second, text[:size]), start, time.Second)
					drain()
					again := string(text[size-500 : size])
					sent := async(func() error { return from.WriteMessage(BinaryMessage, []byte(again)) })
					wantMessages(t, to, again)
					if err := <-sent; err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}
