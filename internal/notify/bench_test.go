package notify

import (
	"testing"

	"hawser.example/websocket"
)

// What the broker does for a message that nobody gets: its number, and its place in the history.
func BenchmarkPublishToNobody(b *testing.B) {
	s, err := NewServer(Config{Dev: true})
	if err != nil {
		b.Fatal(err)
	}
	p := []byte(`{"price":"101.25","at":"2026-11-25T20:30:00Z"}`)
	b.ReportAllocs()
	for b.Loop() {
		s.broker.publish([]string{"orders.eu.42"}, websocket.TextMessage, p)
	}
}

// The same, with the envelope for a backlog's client besides.
func BenchmarkEnvelope(b *testing.B) {
	m := &message{position: position{"5f0c9a1e", 123456}, topic: "orders.eu.42", msgType: websocket.TextMessage}
	m.payload = []byte(`{"price":"101.25","at":"2026-11-25T20:30:00Z"}`)
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = m.appendJSON(buf[:0], nil)
	}
}
