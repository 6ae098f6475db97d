package main

import (
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf8"

	"hawser.example/websocket"
)

// This file is what "hawser connect" and "hawser listen" say of what happens, in the same words and the same JSON.

// An event is what --json writes: an object in a line of its own. The help of each verb explains the fields that it
// uses.
type event struct {
	Time        string  `json:"time"`
	Event       string  `json:"event"`
	Conn        int     `json:"conn,omitempty"` // of listen: 1, 2, 3, …
	URL         string  `json:"url,omitempty"`
	Remote      string  `json:"remote,omitempty"`
	Path        string  `json:"path,omitempty"`
	Subprotocol string  `json:"subprotocol,omitempty"`
	Extension   string  `json:"extension,omitempty"`
	Direction   string  `json:"direction,omitempty"`
	Type        string  `json:"type,omitempty"`
	Text        *string `json:"text,omitempty"`
	Base64      *string `json:"base64,omitempty"`
	Size        *int    `json:"size,omitempty"`
	Compressed  int64   `json:"compressed,omitempty"`
	RTT         float64 `json:"rtt_ms,omitempty"`
	Opcode      *uint8  `json:"opcode,omitempty"`
	Fin         *bool   `json:"fin,omitempty"`
	RSV         string  `json:"rsv,omitempty"`
	Mask        *bool   `json:"mask,omitempty"`
	Length      *uint64 `json:"length,omitempty"`
	By          string  `json:"by,omitempty"`
	Code        uint16  `json:"code,omitempty"`
	Reason      *string `json:"reason,omitempty"`
	Error       string  `json:"error,omitempty"`
}

// line returns the event as it is written now, without secrets.
func (e event) line() []byte {
	e.Time = time.Now().Format(time.RFC3339Nano)
	e.URL, e.Path, e.Error = concealURL(e.URL), conceal(e.Path), conceal(e.Error)
	return jsonLine(e)
}

// messageEvent is the event of a message that came. wire is its compressed size, 0 if it was not compressed.
func messageEvent(t websocket.MessageType, p []byte, wire int64) event {
	return event{Event: "message", Type: t.String(), Compressed: wire}.withPayload(p)
}

// withPayload adds a payload: as text, unless it is that of a binary message or, in a control frame, no UTF-8.
func (e event) withPayload(p []byte) event {
	size := len(p)
	e.Size = &size
	if e.Type != websocket.BinaryMessage.String() && utf8.Valid(p) {
		text := string(p)
		e.Text = &text
		return e
	}
	encoded := base64.StdEncoding.EncodeToString(p)
	e.Base64 = &encoded
	return e
}

// describeMessage says how a message was sent: < by the other side, > by us. wire is its compressed size, 0 if it was
// not compressed or that is not known.
func describeMessage(direction string, t websocket.MessageType, size int, wire int64) string {
	if wire == 0 {
		return fmt.Sprintf("%s %v, %d bytes", direction, t, size)
	}
	return fmt.Sprintf("%s %v, %d bytes, RSV1: %d bytes compressed", direction, t, size, wire)
}
