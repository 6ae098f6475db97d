package notify

import (
	"net/http"
	"net/url"
	"strings"

	"hawser.example/websocket/internal/topic"
)

// A target is what the URL of a request names. Paths are taken as they stand: what is behind /topics/ is a topic or a
// mistake, where a http.ServeMux would redirect to another path if there are dots or slashes in it.
type target struct {
	names     []string // topics, or patterns, each once
	several   bool     // they are named in the query
	publish   bool     // the path is for publishing
	subscribe bool     // the path is for subscribing
	query     url.Values
}

// serve answers a request at the address for everybody.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	file, isPage := pageFiles[r.URL.Path]
	switch {
	case s.serveHealth(w, r):
		return
	case r.URL.Path == modulePath:
		s.serveModule(w, r)
		return
	case isPage && s.cfg.Dev:
		s.servePage(w, r, file)
		return
	}
	s.route(w, r, !s.cfg.PublishElsewhere, true)
}

// route finds who answers a request at an address where one may publish, subscribe, or both.
func (s *Server) route(w http.ResponseWriter, r *http.Request, publish, subscribe bool) {
	if s.shareWithOrigin(w, r) {
		return
	}
	t, err := parseTarget(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	t.publish = t.publish && publish
	t.subscribe = t.subscribe && subscribe
	switch {
	case r.Method == http.MethodPost && t.publish && t.several:
		s.publishAll(w, r, t.names)
	case r.Method == http.MethodPost && t.publish:
		s.publishOne(w, r, t.names[0])
	case r.Method == http.MethodGet && t.subscribe:
		s.subscribe(w, r, t)
	default:
		s.refuse(w, r, t.wrongMethod())
	}
}

// parseTarget reads the URL of a request.
func parseTarget(r *http.Request) (t target, err error) {
	name, isTopic := strings.CutPrefix(r.URL.Path, "/topics/")
	switch {
	case isTopic:
		t = target{names: []string{name}, publish: true, subscribe: true}
	case r.URL.Path == "/ws":
		t = target{several: true, subscribe: true}
	case r.URL.Path == "/publish":
		t = target{several: true, publish: true}
	default:
		return t, notFound("there is nothing here; topics are at /topics/NAME")
	}
	if t.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return t, badRequest("the query is malformed")
	}
	if t.several {
		t.names = once(t.query["topic"])
	} else if t.query.Has("topic") { // else a proxy that decides by the path would be passed by
		return t, badRequest("the topic stands in the path; topics in the query are for /ws and /publish")
	}
	return t, t.checkNames(r.Method)
}

// checkNames judges the topics or patterns.
func (t *target) checkNames(method string) error {
	for _, name := range t.names {
		check := topic.CheckPattern
		if method == http.MethodPost {
			check = topic.Check
		}
		switch err := check(name); {
		case err == nil:
		case method == http.MethodPost && topic.ValidPattern(name):
			return badRequest("publishing needs the name of a topic, and this is a pattern")
		default:
			return badTopic(err)
		}
	}
	if len(t.names) == 0 && method == http.MethodPost {
		return badRequest("no topic is named: add ?topic=NAME")
	}
	return nil
}

// orEvents is how to subscribe without WebSocket.
const orEvents = "Accept: " + eventStream + " for server-sent events"

// wrongMethod is the refusal for a method that is not for this target.
func (t *target) wrongMethod() *Refusal {
	e := &Refusal{Status: http.StatusMethodNotAllowed, Code: "method", Header: http.Header{}}
	switch {
	case t.publish && t.subscribe:
		e.Header.Set("Allow", "GET, POST")
		e.Reason = "a topic takes POST to publish, and GET to subscribe: with a WebSocket handshake, or with " + orEvents
	case t.publish:
		e.Header.Set("Allow", "POST")
		e.Reason = "here one can only publish, with POST"
	case t.subscribe:
		e.Header.Set("Allow", "GET")
		e.Reason = "here one can only subscribe, with GET: a WebSocket handshake, or " + orEvents
	default:
		return notFound("this is not at this address of the server")
	}
	return e
}

// once returns names without what is repeated.
func once(names []string) []string {
	seen := make(map[string]bool, len(names))
	var kept []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			kept = append(kept, name)
		}
	}
	return kept
}
