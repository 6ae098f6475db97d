// Package floor is the servers that no library can beat: after the upgrade they send back the bytes they got without
// looking at them. They differ in how they wait for a socket.
package floor

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
)

const maxRequest = 4096

var (
	keyField = []byte("\r\nSec-WebSocket-Key: ")
	endOfAll = []byte("\r\n\r\n")

	errRequest = errors.New("floor: not the request of this load generator")
)

// answer returns the 101 to a request, nil if it is not complete.
func answer(request []byte) ([]byte, error) {
	if !bytes.HasSuffix(request, endOfAll) {
		if len(request) >= maxRequest {
			return nil, errRequest
		}
		return nil, nil
	}
	_, rest, found := bytes.Cut(request, keyField)
	if !found {
		return nil, errRequest
	}
	key, _, _ := bytes.Cut(rest, endOfAll[:2])
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	out := []byte("HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	out = base64.StdEncoding.AppendEncode(out, sum[:])
	return append(out, endOfAll...), nil
}
