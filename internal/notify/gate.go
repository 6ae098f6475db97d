package notify

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/token"
	"hawser.example/websocket/internal/topic"
)

// A gate stands before subscribing and publishing: who it is, what they may do, and whether there is room. Any number
// of goroutines may use it.
type gate struct {
	dev    bool // everybody may everything
	log    *journal
	meters *meters
	rules  atomic.Pointer[rules]

	connections census
	publishers  throttle
	handshakes  struct {
		sync.Mutex
		bucket
	}
}

// rules are what the gate goes by. They are not changed, but replaced as a whole.
type rules struct {
	keys    keyring
	tokens  token.Verifier
	forward *forwarder // nil: nobody is asked
	public  []string   // patterns that need no token
	origins []string
	limits  Limits
	trusted []netip.Prefix
}

// newRules makes rules of what is configured, or says what is wrong with it.
func newRules(cfg Config) (*rules, error) {
	ring, err := newKeyring(cfg.PublishKeys)
	if err != nil {
		return nil, err
	}
	for _, p := range cfg.Public {
		if err := topic.CheckPattern(p); err != nil {
			return nil, fmt.Errorf("public topics: %w", err)
		}
	}
	for _, o := range cfg.Origins {
		if err := websocket.CheckOriginPattern(o); err != nil {
			return nil, fmt.Errorf("origins: %w", err)
		}
	}
	if cfg.Limits.negative() {
		return nil, errors.New("limits: one is negative")
	}
	r := &rules{
		keys: ring, tokens: cfg.JWT, public: cfg.Public, origins: cfg.Origins,
		limits: cfg.Limits.withDefaults(), trusted: cfg.TrustedProxies,
	}
	if cfg.AuthURL != "" {
		if err := CheckAuthURL(cfg.AuthURL); err != nil {
			return nil, fmt.Errorf("the authorization service's URL: %w", err)
		}
		r.forward = newForwarder(cfg.AuthURL)
	}
	if !cfg.Dev && len(ring) == 0 && r.open() {
		return nil, errors.New("nobody could publish: there is no publish key, no key for tokens and no authorization service")
	}
	return r, nil
}

// open reports whether everybody may subscribe to everything.
func (r *rules) open() bool { return r.tokens.Empty() && r.forward == nil }

// configure makes the gate ready for use.
func (g *gate) configure(cfg Config, m *meters) error {
	g.dev, g.log, g.meters = cfg.Dev, newJournal(cfg.Log), m
	return g.replace(cfg)
}

// replace makes the gate go by cfg from now on. If there is an error everything stays as it was.
func (g *gate) replace(cfg Config) error {
	r, err := newRules(cfg)
	if err != nil {
		return err
	}
	old := g.rules.Swap(r)
	if old != nil && !old.open() && r.open() {
		g.log.Warn("everybody may subscribe from now on: there are no keys for tokens any more, nor a service that is asked")
	}
	if old != nil && old.forward != nil {
		old.forward.close()
	}
	return nil
}

// limits returns the limits that hold now.
func (g *gate) limits() Limits { return g.rules.Load().limits }

// checkOrigin refuses the connections of pages that may not connect. The error is a *Refusal.
func (g *gate) checkOrigin(r *http.Request) error {
	if g.dev {
		return nil // loopbackOnly has judged it
	}
	var wrong *websocket.HandshakeError
	if errors.As(websocket.CheckOrigin(r, g.rules.Load().origins), &wrong) {
		return &Refusal{Status: wrong.Status, Code: "origin", Reason: wrong.Reason}
	}
	return nil
}

// client returns the address of the client behind r.
func (g *gate) client(r *http.Request) netip.Addr { return clientIP(r, g.rules.Load().trusted) }

// admit lets a connection of a subscriber in, or refuses it with a *Refusal. release has to be called once when the
// connection has ended; further calls do nothing.
func (g *gate) admit(r *http.Request) (release func(), err error) {
	rules := g.rules.Load()
	client := oneClient(clientIP(r, rules.trusted))
	if refusal := g.connections.enter(client, rules.limits); refusal != nil {
		return nil, refusal
	}
	// Behind that, so that who has too many connections already does not use up what is left for the others.
	if refusal := g.mayShakeHands(rules.limits.Handshakes); refusal != nil {
		g.connections.leave(client)
		return nil, refusal
	}
	return sync.OnceFunc(func() { g.connections.leave(client) }), nil
}

// mayShakeHands counts a handshake against the rate of all.
func (g *gate) mayShakeHands(rate int) *Refusal {
	if rate == 0 {
		return nil
	}
	g.handshakes.Lock()
	defer g.handshakes.Unlock()
	wait, ok := g.handshakes.take(time.Now(), rate, 1)
	if ok {
		return nil
	}
	return retryLater(http.StatusServiceUnavailable, "max_handshakes", wait,
		"more than %d connections come in a second; try again a little later", rate)
}

// subscriber returns what the one who has sent r may do, if that is subscribing to all of patterns. The error is a
// *Refusal.
func (g *gate) subscriber(r *http.Request, patterns []string) (*Access, error) {
	access, refusal := g.subscriberAccess(r, patterns)
	if refusal != nil {
		return nil, refusal
	}
	g.nameUnknown(access, r)
	if err := mayAll(patterns, access.MaySubscribe); err != nil {
		return nil, err
	}
	g.allowed(r, "subscribing", access, patterns)
	return access, nil
}

// nameUnknown names who has no other name after where he comes from.
func (g *gate) nameUnknown(access *Access, r *http.Request) {
	if access.Subject == "" {
		access.Subject, access.Kind = g.client(r).String(), byAddress
	}
}

func (g *gate) subscriberAccess(req *http.Request, patterns []string) (*Access, *Refusal) {
	r := g.rules.Load()
	secret, refusal := bearer(req, r.secretName())
	key := r.keys.find(secret)
	switch {
	case g.dev:
		return &Access{Sub: []string{everything}, Pub: []string{everything}}, nil
	case key != "":
		return &Access{Sub: r.openTo(), Pub: []string{everything}, Subject: key, Kind: byKey}, nil
	case r.open(): // what else is in the header is somebody else's, such as a proxy's
		return &Access{Sub: r.openTo()}, nil
	case refusal != nil && r.forward == nil:
		return nil, refusal
	case secret == "" && r.allPublic(patterns):
		return &Access{Sub: r.public}, nil
	}
	access, refusal := r.identify(req, secret, "subscribe", patterns)
	if refusal != nil {
		return nil, refusal
	}
	access.Sub = slices.Concat(access.Sub, r.public)
	return access, nil
}

// openTo is what needs no token.
func (r *rules) openTo() []string {
	if r.open() {
		return []string{everything}
	}
	return r.public
}

// allPublic reports whether none of patterns needs a token. Somebody without any may subscribe later: to what is public,
// unless there is a service, which may allow more.
func (r *rules) allPublic(patterns []string) bool {
	if len(patterns) == 0 && r.forward != nil {
		return false
	}
	return len(r.public) > 0 && !slices.ContainsFunc(patterns, func(p string) bool { return !covered(r.public, p) })
}

// secretName is what somebody has to send, in the words of a refusal.
func (r *rules) secretName() string {
	if r.tokens.Empty() {
		return "KEY"
	}
	return "TOKEN"
}

// identify finds out what somebody may do who has no publish key: from the token, or by asking.
func (r *rules) identify(req *http.Request, secret, action string, topics []string) (*Access, *Refusal) {
	switch {
	case r.forward != nil && (secret == "" || r.tokens.Empty()):
		return r.forward.ask(req, clientIP(req, r.trusted), action, topics)
	case secret == "" && action == "publish":
		return nil, unauthorized("no_token", "publishing needs a %s: send the header Authorization: Bearer %s",
			strings.ToLower(r.secretName()), r.secretName())
	case secret == "":
		return nil, unauthorized("no_token",
			"a token is missing: send the header Authorization: Bearer TOKEN, or ?token=TOKEN")
	case r.tokens.Empty():
		return nil, unauthorized("wrong_key", "the key is wrong")
	case len(r.keys) > 0 && !strings.Contains(secret, "."):
		return nil, unauthorized("wrong_key",
			"the key is wrong, and it is no token either: one has the form HEADER.PAYLOAD.SIGNATURE")
	}
	return fromToken(&r.tokens, secret, time.Now())
}

// publisher returns what the one who has sent r may do, if that is publishing on all of topics. The error is a
// *Refusal.
func (g *gate) publisher(r *http.Request, topics []string) (*Access, error) {
	access, refusal := g.publisherAccess(r, topics)
	if refusal != nil {
		return nil, refusal
	}
	g.nameUnknown(access, r)
	if err := mayAll(topics, access.MayPublish); err != nil {
		return nil, err
	}
	g.allowed(r, "publishing", access, topics)
	return access, nil
}

func (g *gate) publisherAccess(req *http.Request, topics []string) (*Access, *Refusal) {
	r := g.rules.Load()
	secret, refusal := bearer(req, r.secretName())
	key := r.keys.find(secret)
	switch {
	case g.dev:
		return &Access{Pub: []string{everything}}, nil
	case key != "":
		return &Access{Pub: []string{everything}, Subject: key, Kind: byKey}, nil
	case refusal != nil && r.forward == nil:
		return nil, refusal
	}
	return r.identify(req, secret, "publish", topics)
}

// refused counts a refusal and logs it: without the query, in which there may be a token. Requests that nobody could
// have answered otherwise, such as for a path that there is not, are noise on a public address.
func (g *gate) refused(r *http.Request, refusal *Refusal) {
	g.meters.refused(refusal.Code)
	level := slog.LevelDebug
	switch refusal.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		level = slog.LevelInfo
	}
	g.log.line(lineKind{level, "refused", refusal.Code}, linesPerSecond, "status", refusal.Status, "client", g.client(r),
		"method", r.Method, "path", r.URL.Path, "why", cmp.Or(refusal.logged, refusal.Reason))
	if refusal.cause != "" {
		g.log.line(lineKind{slog.LevelWarn, "the authorization service gave no answer to go by", refusal.Code}, 1,
			"cause", refusal.cause)
	}
}

// allowed logs who may do what, for who looks closely.
func (g *gate) allowed(r *http.Request, what string, access *Access, topics []string) {
	if g.log.Enabled(r.Context(), slog.LevelDebug) {
		g.log.Debug(what, "who", access.Subject, "client", g.client(r), "topics", topics)
	}
}

// mayPublishNow counts n messages of somebody against his rate. The error is a *Refusal.
func (g *gate) mayPublishNow(who *Access, n int) error {
	rate := g.limits().PublishRate
	if rate == 0 {
		return nil
	}
	wait, ok := g.publishers.take(who.counted(), time.Now(), rate, n)
	if ok {
		return nil
	}
	return retryLater(http.StatusTooManyRequests, "max_publish_rate", wait,
		"more than %d messages in a second of one publisher; slow down", rate)
}
