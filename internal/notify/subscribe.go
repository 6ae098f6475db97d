package notify

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
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
		s.admit(w, r, t, isSocket)
	}
}

// A subscription is what a client that is let in begins with.
type subscription struct {
	patterns []string // as the client named them, each once
	client   netip.Addr
	access   *Access
	backlog  *backlog // collects meanwhile
	start    start
	release  func() // gives its place back
}

// admit subscribes somebody whose request is in order, if that is allowed.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, t target, isSocket bool) {
	last, err := s.checkSubscription(r, t)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	sub := &subscription{patterns: t.names, client: s.gate.client(r)}
	if sub.release, sub.access, err = s.letIn(r, t.names); err != nil {
		s.refuse(w, r, err)
		return
	}
	if sub.backlog, sub.start, err = s.broker.listen(t.names, nil, last); err != nil {
		sub.release()
		s.refuse(w, r, s.shuttingDown())
		return
	}
	if isSocket {
		s.upgrade(w, r, sub)
		return
	}
	defer sub.release()
	defer s.broker.ignore(sub.backlog)
	s.stream(w, r, sub)
}

// checkSubscription judges what anybody may ask for. It returns the id to go on behind, nil for none.
func (s *Server) checkSubscription(r *http.Request, t target) (*position, error) {
	last, err := lastID(r, t.query)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	if most := s.gate.limits().Topics; len(t.names) > most {
		return nil, tooManyTopics(len(t.names), most)
	}
	return last, s.gate.checkOrigin(r)
}

// letIn asks the gate for a place, which has to be released, and for what the client may do.
func (s *Server) letIn(r *http.Request, patterns []string) (release func(), access *Access, err error) {
	if release, err = s.gate.admit(r); err != nil {
		return nil, nil, err
	}
	if access, err = s.gate.subscriber(r, patterns); err != nil {
		release()
		return nil, nil, err
	}
	return release, access, nil
}

// upgrade makes the request a WebSocket connection.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, sub *subscription) {
	c, err := s.upgrader.Upgrade(w, r, sub.start.header())
	if err != nil { // it has been answered
		s.broker.ignore(sub.backlog)
		sub.release()
		return
	}
	// A goroutine of the connection's own, so that net/http can release the request and its buffers.
	go func() {
		defer sub.release()
		n := &session{server: s, conn: c, access: sub.access, client: sub.client}
		n.serve(sub)
	}()
}

// lastID returns the id behind which the client wants to go on, nil for none. An EventSource repeats the query that it was
// made with, so the header is newer.
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
	return strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Accept"), ",")), eventStream)
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
		h.Set("Hawser-Recovered", strconv.FormatBool(st.complete))
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
	reason := err.Reason
	if err.Status == http.StatusUpgradeRequired {
		reason += "; a client without WebSocket sends " + orEvents
	}
	s.refuse(w, r, &Refusal{Status: err.Status, Code: "handshake_" + err.Check, Reason: reason, Header: err.Header})
}

// What a client is told when it may go on no longer.
const (
	tokenExpired      = "the token has expired; connect again with a new one"
	permissionExpired = "the permission has expired; connect again"
)

// expiry is what the client is told when access ends.
func (a *Access) expiry() string {
	if a.Kind == byName || a.Kind == byToken {
		return tokenExpired
	}
	return permissionExpired
}

// atExpiry calls end when access expires. The function that it returns stops that.
func atExpiry(access *Access, end func()) (stop func()) {
	if access.Expires.IsZero() {
		return func() {}
	}
	timer := time.AfterFunc(time.Until(access.Expires), end)
	return func() { timer.Stop() }
}
