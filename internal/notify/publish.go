package notify

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"hawser.example/websocket"
)

// A publishedOn is the answer to a publisher for one of several topics.
type publishedOn struct {
	Topic string `json:"topic"`
	published
}

// ErrMessageTooLarge is returned by Publish for a message that is larger than Limits.Message.
var ErrMessageTooLarge = errors.New("the message is too large")

// Publish publishes p, which it keeps, on a topic, on behalf of the process itself: nobody's permission is asked. The
// error is ErrMessageTooLarge, [websocket.ErrInvalidUTF8] or [websocket.ErrHubClosed].
func (s *Server) Publish(name string, t websocket.MessageType, p []byte) error {
	if most := s.gate.limits().Message; len(p) > most {
		return fmt.Errorf("%w: it has %d bytes, and may have %d", ErrMessageTooLarge, len(p), most)
	}
	_, err := s.broker.publish([]string{name}, t, p)
	return err
}

// publishOne publishes the request's body on a topic.
func (s *Server) publishOne(w http.ResponseWriter, r *http.Request, name string) {
	if results := s.publish(w, r, []string{name}); results != nil {
		answer(w, http.StatusOK, results[0])
	}
}

// publishAll publishes the request's body on several topics.
func (s *Server) publishAll(w http.ResponseWriter, r *http.Request, names []string) {
	results := s.publish(w, r, names)
	if results == nil {
		return
	}
	var all struct {
		Published []publishedOn `json:"published"`
	}
	for i, p := range results {
		all.Published = append(all.Published, publishedOn{names[i], p})
	}
	answer(w, http.StatusOK, all)
}

// publish returns nil if nothing was published. Then the request has been answered.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, names []string) []published {
	limits := s.gate.limits()
	if len(names) > limits.Topics {
		s.refuse(w, r, tooManyTopics(len(names), limits.Topics))
		return nil
	}
	if err := s.mayPublish(r, names); err != nil {
		s.refuse(w, r, err)
		return nil
	}
	body, err := readBody(w, r, limits.Message)
	if err != nil {
		s.refuse(w, r, err)
		return nil
	}
	results, err := s.broker.publish(names, messageType(r), body)
	switch {
	case errors.Is(err, websocket.ErrInvalidUTF8):
		s.refuse(w, r, badRequest("the body is not UTF-8; binary data needs Content-Type: application/octet-stream"))
	case err != nil:
		s.refuse(w, r, s.shuttingDown())
	}
	return results
}

// mayPublish refuses who may not publish on all of names, or not now. A page of another host may not, even if its visitor
// may: browsers send cookies along without being asked, and the authorization service may go by them.
func (s *Server) mayPublish(r *http.Request, names []string) error {
	if err := s.gate.checkOrigin(r); err != nil {
		return err
	}
	access, err := s.gate.publisher(r, names)
	if err != nil {
		return err
	}
	if s.closing.Load() {
		return s.shuttingDown()
	}
	return s.gate.mayPublishNow(access, len(names))
}

// farTooLarge is how many bytes a client has to announce to be refused before any of them are read.
const farTooLarge = 64 << 20

// readBody reads a message of at most limit bytes. A client that asks first is spared sending a larger one, as is one
// that announces more than farTooLarge. Another is read up to the limit, so that a refusal of what is little more is not
// lost in a reset.
func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	tooLarge := &Refusal{
		Status: http.StatusRequestEntityTooLarge, Code: "max_message",
		Reason: fmt.Sprintf("the body is larger than %d bytes", limit),
	}
	if r.ContentLength > int64(limit) && (r.Header.Get("Expect") != "" || r.ContentLength > farTooLarge) {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, badRequest("the body did not arrive whole, or not in time")
	}
	w.Header().Del("Connection") // see closeUntilRead
	return body, nil
}

// messageType decides between text and binary.
func messageType(r *http.Request) websocket.MessageType {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a mistake in the parameters does not change the type
	if t == "application/octet-stream" {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}
