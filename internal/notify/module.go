package notify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"
)

// This file is the module for applications, which pages of any origin may import: it holds nothing that is secret, and
// who may subscribe is decided when it connects.

// modulePath is where it is.
const modulePath = "/hawser.js"

var (
	module    = mustEmbed("page/hawser.js")
	moduleTag = fmt.Sprintf(`"%x"`, sha256.Sum256(module))
)

// moduleAge is how long a browser may use the module without asking whether there is another.
const moduleAge = "public, max-age=3600"

// serveModule answers a GET of modulePath. The page of --dev is of the same version as its server, so it asks each time.
func (s *Server) serveModule(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.refuse(w, r, getOnly("the module"))
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", moduleAge)
	if s.cfg.Dev {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("ETag", moduleTag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(module))
}
