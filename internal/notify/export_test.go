package notify

// Subscribers returns how many connections subscribe to topic.
func (s *Server) Subscribers(topic string) int { return s.broker.subscribers(topic) }

// Joined returns how many of them are in the Hub, so that their goroutines have begun to serve them.
func (s *Server) Joined(topic string) int {
	return s.hub.Count("plain "+topic) + s.hub.Count("json "+topic)
}
