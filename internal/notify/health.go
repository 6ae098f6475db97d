package notify

import (
	"net/http"
	"net/http/pprof"
	"strings"
)

// healthPaths are answered on every listener: whether the process lives, and whether it takes new clients.
var healthPaths = map[string]func(*Server) bool{
	"/livez":  func(*Server) bool { return true },
	"/readyz": func(s *Server) bool { return !s.closing.Load() },
}

// serveHealth answers a question for the server's health. It reports false if r is none.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) bool {
	well, ok := healthPaths[r.URL.Path]
	switch {
	case !ok:
		return false
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		s.refuse(w, r, getOnly("this"))
	case !well(s):
		w.Header().Set("Retry-After", "5")
		answer(w, http.StatusServiceUnavailable, health{"draining"})
	default:
		answer(w, http.StatusOK, health{"ok"})
	}
	return true
}

type health struct {
	Status string `json:"status"`
}

// AdminHandler answers what is for the operator only: health, metrics, and profiles if profiles is set. It asks for no
// key: its listener has to be where only the operator is.
func (s *Server) AdminHandler(profiles bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		profile, isProfile := strings.CutPrefix(r.URL.Path, "/debug/pprof/")
		switch {
		case s.serveHealth(w, r):
		case r.URL.Path == "/metrics" && r.Method == http.MethodGet:
			s.meters.collect(s.hub.Stats, s.broker.queued.Load())
			s.meters.set.ServeHTTP(w, r)
		case isProfile && profiles:
			s.serveProfile(w, r, profile)
		case isProfile:
			s.refuse(w, r, notFound("there are no profiles; --pprof turns them on"))
		default:
			s.refuse(w, r, notFound("there is nothing here; try /metrics, /livez or /readyz"))
		}
	})
}

// serveProfile answers with a profile of net/http/pprof.
func (s *Server) serveProfile(w http.ResponseWriter, r *http.Request, name string) {
	switch name {
	case "cmdline":
		// It would show a key that was given as a flag.
		s.refuse(w, r, notFound("the command line is not shown, since there may be a key in it"))
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r) // the list, or the profile of that name
	}
}
