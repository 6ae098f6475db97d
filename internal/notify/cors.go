package notify

import "net/http"

// This file lets pages of other origins than the server's own read what they are answered, if they may connect.
// https://fetch.spec.whatwg.org/#http-cors-protocol

// shareWithOrigin allows a page of an allowed origin the answer to r. It reports whether r was only the question of a
// browser whether the page may send it, which has been answered then. Whoever is not allowed is refused elsewhere.
func (s *Server) shareWithOrigin(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if s.gate.checkOrigin(r) != nil {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", "Hawser-Last-Id, Hawser-Recovered, Retry-After")
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600") // seconds
	w.WriteHeader(http.StatusNoContent)
	return true
}
