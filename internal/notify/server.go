package notify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/token"
)

const (
	maxBody       = 1 << 20  // bytes of a message that is published
	maxFromClient = 64 << 10 // bytes of a message from a subscriber, all of which are thrown away
	maxTopic      = 255      // bytes of a topic's name

	shuttingDown = "the server is shutting down; try again later"
)

// Config is what a Server is told.
type Config struct {
	PublishKeys []string
	Origins     []string
	Dev         bool

	History          HistoryConfig
	Latest           []string
	JWT              token.Verifier
	AuthURL          string
	Public           []string
	Limits           Limits
	TrustedProxies   []netip.Prefix
	Log              *slog.Logger
	DrainTime        time.Duration
	PublishElsewhere bool
	NoCompression    bool
}

// HistoryConfig is a stand-in.
type HistoryConfig struct {
	Messages          int
	Age               time.Duration
	Bytes, TotalBytes int64
}

const (
	DefaultHistoryMessages = 100
	DefaultHistoryAge      = 5 * time.Minute
	DefaultHistoryBytes    = 1 << 20
	DefaultHistoryTotal    = 64 << 20
	DefaultDrainTime       = 5 * time.Second
)

// A Server is an http.Handler. Any number of goroutines may use it.
type Server struct {
	dev      bool
	gate     gate
	meters   *meters
	epoch    string // names this run of the server: its numbers begin at 1
	handler  http.Handler
	upgrader websocket.Upgrader
	hub      websocket.Hub
	closing  atomic.Bool // Shutdown was called
}

// NewServer returns a Server.
func NewServer(cfg Config) (*Server, error) {
	s := &Server{dev: cfg.Dev, epoch: newEpoch(), meters: newMeters(), hub: websocket.Hub{DrainTime: cfg.DrainTime}}
	if err := s.gate.configure(cfg, s.meters); err != nil {
		return nil, err
	}
	s.upgrader.ReadLimit = maxFromClient
	s.upgrader.CheckOrigin = func(*http.Request) bool { return true }
	s.upgrader.Error = refuseUpgrade
	if !cfg.NoCompression {
		s.upgrader.Compression = compression
	}
	s.handler = http.HandlerFunc(s.route)
	if cfg.Dev {
		s.handler = loopbackOnly(s.handler)
	}
	return s, nil
}

// Reload is a stand-in.
func (s *Server) Reload(cfg Config) error { return s.gate.replace(cfg) }

// Reloaded is a stand-in.
func (s *Server) Reloaded(done bool) { s.meters.reloaded(done) }

// PublishHandler is a stand-in.
func (s *Server) PublishHandler() http.Handler { return s }

// compression is for a server that broadcasts: a message is compressed once for all, which takes no context, and
// nothing is kept for any connection.
var compression = &websocket.Compression{
	Send:    websocket.CompressionContext{NoTakeover: true, WindowBits: 15},
	Receive: websocket.CompressionContext{NoTakeover: true, WindowBits: 15},
}

// newEpoch returns a name for this run of the server.
func newEpoch() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Until the body has been read: else net/http waits for the rest of it before it sends a refusal.
		w.Header().Set("Connection", "close")
	}
	s.handler.ServeHTTP(w, r)
}

// Shutdown tells all subscribers to come back later (code 1012), spread over a few seconds if there are many, and waits
// until they have gone; when ctx ends first it cuts them off and returns its error. Nothing can be published any more.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	// The second is for connections that were upgraded but not subscribed yet.
	return errors.Join(s.hub.Shutdown(ctx), s.upgrader.Shutdown(ctx))
}

// route finds who answers a request. Paths are taken as they stand: what is behind /topics/ is a topic or a mistake,
// where a http.ServeMux would redirect to another path if there are dots or slashes in it.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	topic, isTopic := strings.CutPrefix(r.URL.Path, "/topics/")
	file, isPage := pageFiles[r.URL.Path]
	switch {
	case s.serveHealth(w, r):
	case isTopic:
		s.serveTopic(w, r, topic)
	case isPage && s.dev:
		servePage(w, r, file)
	default:
		answerError(w, http.StatusNotFound, "there is nothing here; topics are at /topics/NAME")
	}
}

// serveTopic divides what comes to a topic between publishers and subscribers.
func (s *Server) serveTopic(w http.ResponseWriter, r *http.Request, topic string) {
	switch {
	case !validTopic(topic):
		answerError(w, http.StatusBadRequest, "the topic has to be 1 to 255 of the characters A-Z a-z 0-9 . _ -")
	case r.Method == http.MethodPost:
		s.publish(w, r, topic)
	case r.Method == http.MethodGet:
		s.subscribe(w, r, topic)
	default:
		w.Header().Set("Allow", "GET, POST")
		answerError(w, http.StatusMethodNotAllowed,
			"a topic takes POST to publish, and GET with a WebSocket handshake to subscribe")
	}
}

// validTopic reports whether name may be a topic's.
func validTopic(name string) bool {
	if len(name) == 0 || len(name) > maxTopic {
		return false
	}
	for _, b := range []byte(name) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '.', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}
