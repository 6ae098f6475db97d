package notify

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"hawser.example/websocket"
)

// A published is the answer to a publisher.
type published struct {
	ID          string `json:"id"`          // epoch-seq: which run of the server, and which message of it
	Subscribers int    `json:"subscribers"` // how many it was sent to
}

// publish sends the request's body to the subscribers of topic.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, topic string) {
	if refusal := s.authorize(r); refusal != "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		answerError(w, http.StatusUnauthorized, refusal)
		return
	}
	// A client that asks first is spared sending it. One that does not is read up to the limit: a refusal while it
	// still sends would be lost in a reset.
	if r.ContentLength > maxBody && r.Header.Get("Expect") != "" {
		answerTooLarge(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		answerTooLarge(w)
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

func answerTooLarge(w http.ResponseWriter) {
	answerError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody))
}

// messageType decides between text and binary.
func messageType(r *http.Request) websocket.MessageType {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a mistake in the parameters does not change the type
	if t == "application/octet-stream" {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}

// authorize returns what is wrong with the publisher's key, "" if nothing is.
func (s *Server) authorize(r *http.Request) (refusal string) {
	if s.dev {
		return ""
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "publishing needs the key: send the header Authorization: Bearer KEY"
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "the Authorization header has to be Bearer KEY"
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	if subtle.ConstantTimeCompare(sum[:], s.keySum[:]) != 1 {
		return "the key is wrong"
	}
	return ""
}
