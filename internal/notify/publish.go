package notify

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"hawser.example/websocket"
)

// A published is the answer to a publisher.
type published struct {
	ID          string `json:"id"`          // epoch-seq: which run of the server, and which message of it
	Subscribers int    `json:"subscribers"` // how many it was sent to
}

// publish sends the request's body to the subscribers of topic.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, topic string) {
	access, err := s.gate.publisher(r, []string{topic})
	if err == nil {
		err = s.gate.mayPublishNow(access.Subject)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	maxBody := s.gate.limits().Message
	// A client that asks first is spared sending it. One that does not is read up to the limit: a refusal while it
	// still sends would be lost in a reset.
	if r.ContentLength > int64(maxBody) && r.Header.Get("Expect") != "" {
		s.refuse(w, r, s.gate.limits().tooLarge())
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(maxBody)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.refuse(w, r, s.gate.limits().tooLarge())
		return
	case err != nil:
		answerError(w, http.StatusBadRequest, "the body did not arrive whole, or not in time")
		return
	}
	w.Header().Del("Connection") // see ServeHTTP
	receipt, err := s.hub.Publish(topic, messageType(r), body)
	switch {
	case err == nil:
		answer(w, http.StatusOK, published{fmt.Sprintf("%s-%d", s.epoch, receipt.Seq), receipt.Subscribers})
	case errors.Is(err, websocket.ErrInvalidUTF8):
		answerError(w, http.StatusBadRequest,
			"the body is not UTF-8; binary data needs Content-Type: application/octet-stream")
	default:
		answerError(w, http.StatusServiceUnavailable, shuttingDown)
	}
}

// messageType decides between text and binary.
func messageType(r *http.Request) websocket.MessageType {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a mistake in the parameters does not change the type
	if t == "application/octet-stream" {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}
