package notify

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"hawser.example/websocket"
)

// subscribe answers a GET for patterns: with a WebSocket connection, or with server-sent events.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request, t target) {
	isSocket := websocket.IsUpgrade(r)
	switch {
	case s.closing.Load():
		s.refuse(w, r, s.shuttingDown())
	case r.ContentLength != 0 && !isSocket:
		s.refuse(w, r, badRequest("a GET has no body here"))
	case !isSocket && !acceptsEvents(r):
		s.upgrader.Upgrade(w, r, nil) // which refuses it, and says how to ask
	case len(t.names) == 0 && !(isSocket && offersProtocol(r)):
		s.refuse(w, r, badRequest("no topic is named: add ?topic=NAME, or speak "+Subprotocol))
	default:
		s.admit(w, r, t.names, t.query, isSocket)
	}
}

// admit subscribes somebody whose request is in order, if he may.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, patterns []string, query url.Values, isSocket bool) {
	last, err := lastID(r, query)
	if err != nil {
		s.refuse(w, r, badRequest(err.Error()))
		return
	}
	if err := s.gate.checkOrigin(r); err != nil {
		s.refuse(w, r, err)
		return
	}
	if n := s.gate.limits().Topics; len(patterns) > n {
		s.refuse(w, r, tooManyTopics(len(patterns), n))
		return
	}
	release, err := s.gate.admit(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	access, err := s.gate.subscriber(r, patterns)
	if err != nil {
		release()
		s.refuse(w, r, err)
		return
	}
	l, start, err := s.broker.listen(patterns, nil, last)
	if err != nil {
		release()
		s.refuse(w, r, s.shuttingDown())
		return
	}
	if !isSocket {
		defer release()
		defer s.broker.ignore(l)
		s.stream(w, r, patterns, access, l, start)
		return
	}
	c, err := s.upgrader.Upgrade(w, r, start.header())
	if err != nil { // it has been answered
		s.broker.ignore(l)
		release()
		return
	}
	n := &session{server: s, conn: c, access: access}
	// A goroutine of the connection's own, so that net/http can release the request and its buffers.
	go func() {
		defer release()
		n.serve(l, start, patterns)
	}()
}

// lastID returns the id behind which the client wants to go on, nil for none. An EventSource repeats the query that it
// was made with, so the header is newer.
func lastID(r *http.Request, query url.Values) (*position, error) {
	id := query.Get("last-id")
	if h := r.Header.Get("Last-Event-ID"); h != "" {
		id = h
	}
	if id == "" {
		return nil, nil
	}
	last, err := parseID(id)
	return &last, err
}

// acceptsEvents reports whether the client asks for server-sent events.
func acceptsEvents(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header.Values("Accept"), ","), eventStream)
}

// offersProtocol reports whether the client offers hawser.v1. Whether it is agreed on the handshake says.
func offersProtocol(r *http.Request) bool {
	for offer := range strings.SplitSeq(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",") {
		if strings.TrimSpace(offer) == Subprotocol {
			return true
		}
	}
	return false
}

// header is what the answer to a subscription says of where it begins.
func (st start) header() http.Header {
	h := http.Header{"Hawser-Last-Id": {st.after.String()}}
	if st.asked {
		h.Set("Hawser-Recovered", map[bool]string{true: "true", false: "false"}[st.complete])
	}
	return h
}

// reply is what a message of hawser.v1 says of it, in answer to q.
func (st start) reply(kind string, q request) reply {
	a := reply{Type: kind, ID: st.after.String(), Topics: append([]string{}, q.topics...), Ref: q.ref}
	if st.asked {
		missed := len(st.missed)
		a.Recovered, a.Missed = &st.complete, &missed
	}
	return a
}

// refuseUpgrade answers a request that was not a handshake or not an acceptable one.
func (s *Server) refuseUpgrade(w http.ResponseWriter, r *http.Request, err *websocket.HandshakeError) {
	s.refuse(w, r, &Refusal{Status: err.Status, Code: "handshake_" + err.Check, Reason: err.Reason, Header: err.Header})
}

// atExpiry calls end when access expires. The function that it returns stops that.
func atExpiry(access *Access, end func()) (stop func()) {
	if access.Expires.IsZero() {
		return func() {}
	}
	timer := time.AfterFunc(time.Until(access.Expires), end)
	return func() { timer.Stop() }
}
