package notify

import (
	"net/http"

	"hawser.example/websocket"
)

// subscribe makes the request a WebSocket connection that gets what is published to topic.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request, topic string) {
	if s.closing.Load() {
		answerError(w, http.StatusServiceUnavailable, shuttingDown)
		return
	}
	if r.ContentLength != 0 && !websocket.IsUpgrade(r) {
		answerError(w, http.StatusBadRequest, "a GET has no body here")
		return
	}
	err := s.gate.checkOrigin(r)
	var release func()
	if err == nil {
		release, err = s.gate.admit(r)
	}
	if err == nil {
		if _, err = s.gate.subscriber(r, []string{topic}); err != nil {
			release()
		}
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	c, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		release()
		return // it has been answered
	}
	// A goroutine of the connection's own, so that net/http can release the request and its buffers.
	go func() {
		defer release()
		if s.hub.Serve(c, topic) == websocket.ErrHubClosed {
			c.CloseWith(websocket.CloseServiceRestart, "the server restarts")
		}
	}()
}

// refuseUpgrade answers a request that was not a handshake or not an acceptable one.
func refuseUpgrade(w http.ResponseWriter, _ *http.Request, err *websocket.HandshakeError) {
	for name, values := range err.Header {
		w.Header()[name] = values
	}
	answerError(w, err.Status, err.Reason)
}
