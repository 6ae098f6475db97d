package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/token"
	"hawser.example/websocket/internal/topic"
)

// DefaultDrainTime is over which time Shutdown spreads its goodbyes.
const DefaultDrainTime = 5 * time.Second

const shuttingDown = "the server is shutting down; try again later"

// Config is what a Server is told.
type Config struct {
	// What Reload may change.
	PublishKeys    []string       // what publishers send as a bearer token; with Dev none is asked for
	JWT            token.Verifier // keys of tokens; if there is one, subscribers need a token
	AuthURL        string         // of a service that is asked who may do what; see forward.go
	Public         []string       // patterns of the topics that may be subscribed to without being asked
	Origins        []string       // web origins that may subscribe besides the server's own; see websocket.Upgrader
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Limits         Limits         // of what clients may use

	Dev              bool // for a first try: loopback only, no key, with a page at /
	History          HistoryConfig
	Latest           []string      // patterns of the topics of which only the newest message counts
	DrainTime        time.Duration // over which Shutdown spreads its goodbyes; 0: DefaultDrainTime; negative: none
	PublishElsewhere bool          // ServeHTTP takes no publications, only PublishHandler does
	NoCompression    bool          // do not agree to permessage-deflate
	Log              *slog.Logger  // nil: none
}

// A Server is an http.Handler. Any number of goroutines may use it.
type Server struct {
	cfg      Config // fixed, with defaults filled in
	handler  http.Handler
	gate     gate
	meters   *meters
	broker   *broker
	upgrader websocket.Upgrader
	hub      websocket.Hub
	streams  streams
	closing  atomic.Bool // Shutdown was called
	goodbyes sync.Map    // of each *websocket.Conn that is sent away: func() string
}

// NewServer returns a Server. Without Config.Dev there has to be somebody who may publish.
func NewServer(cfg Config) (*Server, error) {
	for _, p := range cfg.Latest {
		if err := topic.CheckPattern(p); err != nil {
			return nil, fmt.Errorf("latest: %w", err)
		}
	}
	s := &Server{cfg: cfg, meters: newMeters()}
	if s.cfg.DrainTime == 0 {
		s.cfg.DrainTime = DefaultDrainTime
	}
	if err := s.gate.configure(cfg, s.meters); err != nil {
		return nil, err
	}
	s.hub.DrainTime = s.cfg.DrainTime
	queue := s.gate.limits().Queue
	s.hub.QueueLimit = int(queue)
	s.hub.Goodbye = s.goodbye
	s.hub.Sent = s.meters.latency
	s.broker = newBroker(&s.hub, cfg, queue, s.meters)
	s.upgrader.ReadLimit = maxFromClient
	s.upgrader.Subprotocols = []string{Subprotocol}
	s.upgrader.CheckOrigin = func(*http.Request) bool { return true } // the gate has judged it
	s.upgrader.Error = s.refuseUpgrade
	if !cfg.NoCompression {
		s.upgrader.Compression = compression
	}
	s.handler = http.HandlerFunc(s.serve)
	if cfg.Dev {
		s.handler = s.loopbackOnly(s.handler)
	}
	return s, nil
}

// compression is for a server that broadcasts: a message is compressed once for all, which takes no context, and
// nothing is kept for any connection.
var compression = &websocket.Compression{
	Send:    websocket.CompressionContext{NoTakeover: true, WindowBits: 15},
	Receive: websocket.CompressionContext{NoTakeover: true, WindowBits: 15},
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	closeUntilRead(w, r)
	s.handler.ServeHTTP(w, r)
}

// PublishHandler takes publications only: for an address that the public cannot reach.
func (s *Server) PublishHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		closeUntilRead(w, r)
		if !s.serveHealth(w, r) {
			s.route(w, r, true, false)
		}
	})
}

// closeUntilRead makes net/http close the connection if the body is not read: else it waits for the rest of it before
// it sends a refusal.
func closeUntilRead(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}

// Reload makes the server go by what in cfg may change while it runs. Nobody is dropped: who is connected stays so, with
// what he was allowed to do. If there is an error everything stays as it was.
func (s *Server) Reload(cfg Config) error {
	if cfg.Dev != s.cfg.Dev { // the keys of a server that is safe would be gone, and the server not
		return errors.New("--dev cannot be turned on or off while the server runs")
	}
	return s.gate.replace(cfg)
}

// Reloaded counts for the metrics that the configuration was read again, and whether it could be used.
func (s *Server) Reloaded(used bool) { s.meters.reloaded(used) }

// Shutdown tells all subscribers to come back later, spread over the drain time, and waits until they have gone; when
// ctx ends first it cuts them off and returns its error, except that of a stream of server-sent events it leaves the
// end to the http.Server. Nothing can be published any more.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	s.broker.close()
	streams := make(chan error, 1)
	go func() { streams <- s.streams.drain(ctx, s.cfg.DrainTime) }()
	err := errors.Join(s.hub.Shutdown(ctx), <-streams)
	s.gate.connections.awaitNone(ctx) // who is about to join the Hub is told by his session
	return errors.Join(err, s.upgrader.Shutdown(ctx))
}

// goodbye returns the reason of the Close with which c is sent away, and tells a client of hawser.v1 before it. The Hub
// and the session may both say goodbye; they say the same, and once.
func (s *Server) goodbye(c *websocket.Conn) (reason string) {
	say, _ := s.goodbyes.LoadOrStore(c, sync.OnceValue(func() string {
		ms := retryTime(s.cfg.DrainTime).Milliseconds()
		if c.Subprotocol() == Subprotocol {
			c.WriteMessage(websocket.TextMessage, marshal(reply{Type: "drain", Retry: &ms}))
		}
		return fmt.Sprintf("the server restarts; retry=%d", ms)
	}))
	return say.(func() string)()
}
