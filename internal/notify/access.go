package notify

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"hawser.example/websocket/internal/topic"
)

// Access is what somebody may do.
type Access struct {
	Sub, Pub []string  // patterns of what may be subscribed to and published on; nil: nothing
	Expires  time.Time // when it ends, and a connection with it; zero: never
	Subject  string    // whom the publish rate is counted for; may be empty
}

// MaySubscribe returns nil, or a *Refusal if there are topics in pattern that may not be subscribed to.
func (a *Access) MaySubscribe(pattern string) error {
	if topic.Any(a.Sub, pattern) {
		return nil
	}
	return forbidden("subscribe to", pattern)
}

// MayPublish returns nil, or a *Refusal if topic may not be published on.
func (a *Access) MayPublish(name string) error {
	if topic.Any(a.Pub, name) {
		return nil
	}
	return forbidden("publish on", name)
}

func forbidden(what, pattern string) *Refusal {
	reason := fmt.Sprintf("you may not %s %s", what, pattern)
	return &Refusal{Status: http.StatusForbidden, Code: "forbidden", Reason: reason}
}

// A Refusal is an answer that says why something is refused.
type Refusal struct {
	Status int
	Code   string      // the value of the label "reason" in the metrics
	Reason string      // for the answer; it holds no secret
	Header http.Header // more of the answer; may be nil
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// refuse answers with the reason of err, which is a *Refusal unless something is wrong with the server itself.
func refuse(w http.ResponseWriter, err error) {
	var r *Refusal
	if !errors.As(err, &r) {
		answerError(w, http.StatusInternalServerError, "the server has failed")
		return
	}
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	answerError(w, r.Status, r.Reason)
}
