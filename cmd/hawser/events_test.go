package main

import (
	"regexp"
	"testing"

	"hawser.example/websocket"
)

// TestEventLine: what is written of each payload, and that nothing is written of what an event has not.
func TestEventLine(t *testing.T) {
	for _, tt := range []struct {
		e    event
		want string // behind the time
	}{
		{messageEvent(websocket.TextMessage, []byte("grüße\x1b<"), 0),
			`"event":"message","type":"text","text":"grüße\u001b<","size":9}`},
		{messageEvent(websocket.TextMessage, nil, 7), `"event":"message","type":"text","text":"","size":0,"compressed":7}`},
		{messageEvent(websocket.BinaryMessage, []byte("text"), 0),
			`"event":"message","type":"binary","base64":"dGV4dA==","size":4}`},
		{messageEvent(websocket.BinaryMessage, nil, 0), `"event":"message","type":"binary","base64":"","size":0}`},
		{event{Event: "ping"}.withPayload([]byte("a")), `"event":"ping","text":"a","size":1}`},
		{event{Event: "pong"}.withPayload([]byte("\xff")), `"event":"pong","base64":"/w==","size":1}`},
		{event{Event: "open", Conn: 1, URL: "ws://u:hush@h/?key=hush", Path: "/?key=hush", Error: "at /?jwt=hush"},
			`"event":"open","conn":1,"url":"ws://u:xxxxx@h/?key=[redacted]","path":"/?key=[redacted]",` +
				`"error":"at /?jwt=[redacted]"}`},
	} {
		pattern := regexp.MustCompile(`^{"time":"20\d\d-[^"]*",` + regexp.QuoteMeta(tt.want) + `\n$`)
		if got := tt.e.line(); !pattern.Match(got) {
			t.Errorf("%s; want %s", got, tt.want)
		}
	}
}
