package notify

// Subscribers returns how many connections subscribe to topic.
func (s *Server) Subscribers(topic string) int { return s.broker.subscribers(topic) }
