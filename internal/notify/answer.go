package notify

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// answer sends v, one of our own structs, as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(marshal(v), '\n'))
}

// answerError sends {"error": why}.
func answerError(w http.ResponseWriter, status int, why string) {
	answer(w, status, struct {
		Error string `json:"error"`
	}{why})
}

// shuttingDown is the refusal of a server that is.
func (s *Server) shuttingDown() *Refusal {
	seconds := int(max(s.cfg.DrainTime, 0)/time.Second) + 1
	return &Refusal{
		Status: http.StatusServiceUnavailable, Code: "shutting_down", Reason: shuttingDown,
		Header: http.Header{"Retry-After": {strconv.Itoa(seconds)}},
	}
}

// getOnly is the refusal for another method.
func getOnly(what string) *Refusal {
	return &Refusal{
		Status: http.StatusMethodNotAllowed, Code: "method", Reason: what + " takes GET only",
		Header: http.Header{"Allow": {"GET, HEAD"}},
	}
}

func notFound(reason string) *Refusal {
	return &Refusal{Status: http.StatusNotFound, Code: "path", Reason: reason}
}

func badRequest(reason string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "request", Reason: reason}
}

// badTopic is the refusal of a name that is none. What it says of it is not for the log: it may come from a query.
func badTopic(err error) *Refusal {
	refusal := badRequest(err.Error())
	refusal.logged = "the name of a topic is malformed"
	return refusal
}

func tooManyTopics(n, most int) *Refusal {
	return &Refusal{
		Status: http.StatusBadRequest, Code: "max_topics", Reason: fmt.Sprintf("%d topics are too many; at most %d", n, most),
	}
}
