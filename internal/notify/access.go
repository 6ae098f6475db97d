package notify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"hawser.example/websocket/internal/topic"
)

// Access is what somebody may do.
type Access struct {
	Sub, Pub []string  // patterns (internal/topic) of what may be subscribed to and published on; nil: nothing
	Expires  time.Time // when it ends, and a connection with it; zero: never
	Subject  string    // whom logs name; may be empty
	Kind     kind      // of name that Subject is: names of different kinds may be equal
}

// A kind is where the name of somebody comes from.
type kind uint8

const (
	byAddress kind = iota // he has no other name
	byKey                 // which of the publish keys
	byName                // the name in a token
	byToken               // a token without one
	byService             // the name that the authorization service gives
)

// counted is what the publish rate is counted for.
func (a *Access) counted() publisher { return publisher{a.Kind, a.Subject} }

// everything is the pattern of all topics.
const everything = ">"

// MaySubscribe returns nil, or a *Refusal if there are topics in pattern that may not be subscribed to.
func (a *Access) MaySubscribe(pattern string) error {
	if covered(a.Sub, pattern) {
		return nil
	}
	return forbidden("subscribing to", pattern, a.Sub)
}

// MayPublish returns nil, or a *Refusal if topic may not be published on.
func (a *Access) MayPublish(topic string) error {
	if covered(a.Pub, topic) {
		return nil
	}
	return forbidden("publishing on", topic, a.Pub)
}

// covered reports whether one of patterns covers pattern, which may be the name of a topic.
func covered(patterns []string, pattern string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return topic.Covers(p, pattern) })
}

// mayAll asks may for each of names.
func mayAll(names []string, may func(string) error) error {
	for _, name := range names {
		if err := may(name); err != nil {
			return err
		}
	}
	return nil
}

// forbidden is the refusal for somebody who is known and may not do this. What is allowed is no secret: it stands in
// the token.
func forbidden(what, pattern string, allowed []string) *Refusal {
	reason := fmt.Sprintf("%s %q is not allowed; allowed is %s", what, pattern, quoteList(allowed))
	if len(allowed) == 0 {
		reason = fmt.Sprintf("%s %q is not allowed, nor is %[1]s anything else", what, pattern)
	}
	return &Refusal{
		Status: http.StatusForbidden, Code: "forbidden", Reason: reason,
		Header: http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}},
	}
}

// maxListed is how many bytes of a list stand in a refusal, more or less.
const maxListed = 400

// quoteList returns names in quotes with commas between them.
func quoteList(names []string) string {
	var b []byte
	for i, name := range names {
		if i > 0 {
			b = append(b, ", "...)
		}
		if len(b) > maxListed {
			return fmt.Sprintf("%sand %d more", b, len(names)-i)
		}
		b = strconv.AppendQuote(b, name)
	}
	return string(b)
}

// A Refusal is an answer that says why something is refused.
type Refusal struct {
	Status int
	Code   string      // the value of the label "reason" in the metrics
	Reason string      // for the answer and the log; it holds no secret
	Header http.Header // more of the answer; may be nil

	cause  string // what the operator has to mend, for the log only; may be empty
	logged string // for the log in place of Reason, which has something of the query; empty: Reason
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// refusalCode returns what err, an answer to a message, is counted as.
func refusalCode(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return "message"
}

// refuse answers with the reason of err, which is a *Refusal unless something is wrong with the server itself.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = &Refusal{Status: http.StatusInternalServerError, Code: "failure", Reason: "the server has failed"}
		s.gate.log.Error("a request failed", "path", r.URL.Path, "error", err)
	}
	s.gate.refused(r, refusal)
	for name, values := range refusal.Header {
		w.Header()[name] = values
	}
	answerError(w, refusal.Status, refusal.Reason)
}

// unauthorized is the refusal for somebody whose token is missing or wrong. RFC 6750, section 3: the scheme's error is
// given only to those who have sent a token.
func unauthorized(code, format string, args ...any) *Refusal {
	challenge := `Bearer error="invalid_token"`
	if code == "no_token" {
		challenge = "Bearer"
	}
	return &Refusal{
		Status: http.StatusUnauthorized, Code: code, Reason: fmt.Sprintf(format, args...),
		Header: http.Header{"Www-Authenticate": {challenge}},
	}
}

// retryLater is the refusal for what may work in a moment.
func retryLater(status int, code string, wait time.Duration, format string, args ...any) *Refusal {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	return &Refusal{
		Status: status, Code: code, Reason: fmt.Sprintf(format, args...),
		Header: http.Header{"Retry-After": {fmt.Sprint(seconds)}},
	}
}
