package notify

import "hawser.example/websocket/internal/topic"

// Subscribers returns how many connections subscribe to topic.
func (s *Server) Subscribers(topic string) int { return s.broker.subscribers(topic) }

// Joined returns how many of them are in the Hub, so that their goroutines have begun to serve them.
func (s *Server) Joined(topic string) int {
	return s.hub.Count("plain "+topic) + s.hub.Count("json "+topic)
}

// subscribers returns how many would get a message of this topic.
func (b *broker) subscribers(name string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for pattern := range topic.Covering(name) {
		a := b.audiences[pattern]
		if a == nil {
			continue
		}
		for _, key := range a.keys {
			n += b.hub.Count(key)
		}
		for l := range a.backlogs {
			if l.collects(name) {
				n++
			}
		}
	}
	return n
}
