package notify

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// A gate stands before subscribing and publishing.
type gate struct {
	dev    bool
	keys   [][sha256.Size]byte // sums are compared, so that time tells nothing about the length either
	bounds Limits
}

func (g *gate) configure(cfg Config) error {
	if len(cfg.PublishKeys) == 0 && !cfg.Dev {
		return errors.New("notify: a Server without a publish key that is not for development")
	}
	g.dev, g.bounds = cfg.Dev, cfg.Limits.withDefaults()
	for _, key := range cfg.PublishKeys {
		g.keys = append(g.keys, sha256.Sum256([]byte(key)))
	}
	return nil
}

// admit lets a connection in, or says why not. release is called when it has ended.
func (g *gate) admit(*http.Request) (release func(), err error) { return func() {}, nil }

// subscriber returns what a subscriber to patterns may do.
func (g *gate) subscriber(*http.Request, []string) (*Access, error) {
	if g.dev {
		return &Access{Sub: []string{">"}, Pub: []string{">"}}, nil
	}
	return &Access{Sub: []string{">"}}, nil
}

// publisher returns what a publisher on topics may do.
func (g *gate) publisher(r *http.Request, _ []string) (*Access, error) {
	if why := g.authorize(r); why != "" {
		return nil, &Refusal{Status: 401, Code: "key", Reason: why, Header: http.Header{"Www-Authenticate": {"Bearer"}}}
	}
	return &Access{Pub: []string{">"}}, nil
}

// authorize returns what is wrong with the publisher's key, "" if nothing is.
func (g *gate) authorize(r *http.Request) (refusal string) {
	if g.dev {
		return ""
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "publishing needs the key: send the header Authorization: Bearer KEY"
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "the Authorization header has to be Bearer KEY"
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	right := 0
	for _, k := range g.keys {
		right |= subtle.ConstantTimeCompare(sum[:], k[:])
	}
	if right != 1 {
		return "the key is wrong"
	}
	return ""
}

// mayPublishNow refuses who publishes too much.
func (g *gate) mayPublishNow(string) error { return nil }

// limits returns the limits of now.
func (g *gate) limits() Limits { return g.bounds }
