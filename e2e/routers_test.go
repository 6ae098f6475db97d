package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-contrib/gzip"
	ginrequestid "github.com/gin-contrib/requestid"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	websocket "hawser.example/websocket"
)

// brief is a limit on requests that passes while a connection is open, and must not matter to it; long does not pass.
const (
	brief = time.Millisecond
	long  = time.Hour
)

// A route serves a handler at /ws, in a router and with middlewares.
type route struct {
	name  string
	serve func(ws http.Handler) http.Handler
}

// standard is middleware as net/http, chi and gorilla have it.
type standard = func(http.Handler) http.Handler

func withChi(middlewares ...standard) func(http.Handler) http.Handler {
	return func(ws http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(middlewares...)
		r.Method("GET", "/ws", ws)
		return r
	}
}

func withMux(middlewares ...mux.MiddlewareFunc) func(http.Handler) http.Handler {
	return func(ws http.Handler) http.Handler {
		r := mux.NewRouter()
		r.Use(middlewares...)
		r.Handle("/ws", ws).Methods("GET")
		return r
	}
}

func withGin(middlewares ...gin.HandlerFunc) func(http.Handler) http.Handler {
	return func(ws http.Handler) http.Handler {
		gin.SetMode(gin.ReleaseMode) // else it prints its routes
		r := gin.New()
		r.Use(middlewares...)
		r.GET("/ws", gin.WrapH(ws))
		return r
	}
}

func withEcho(middlewares ...echo.MiddlewareFunc) func(http.Handler) http.Handler {
	return func(ws http.Handler) http.Handler {
		r := echo.New()
		r.Logger.SetOutput(io.Discard)
		r.Use(middlewares...)
		r.GET("/ws", echo.WrapHandler(ws))
		return r
	}
}

// under is http.TimeoutHandler around a router.
func under(limit time.Duration, serve func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(ws http.Handler) http.Handler { return http.TimeoutHandler(serve(ws), limit, "too late") }
}

// The middlewares, made to log to nobody. echoStrict is http.TimeoutHandler underneath.
var (
	chiCompress = chimiddleware.Compress(5)
	chiTimeout  = chimiddleware.Timeout(brief)
	chiRecover  = chimiddleware.Recoverer
	chiLog      = chimiddleware.RequestLogger(&chimiddleware.DefaultLogFormatter{Logger: log.New(io.Discard, "", 0)})
	chiID       = chimiddleware.RequestID

	muxCompress = handlers.CompressHandler
	muxRecover  = handlers.RecoveryHandler(handlers.RecoveryLogger(log.New(io.Discard, "", 0)))
	muxLog      = func(next http.Handler) http.Handler { return handlers.CombinedLoggingHandler(io.Discard, next) }
	muxProxy    = handlers.ProxyHeaders

	ginCompress = gzip.Gzip(gzip.DefaultCompression)
	ginRecover  = gin.RecoveryWithWriter(io.Discard)
	ginLog      = gin.LoggerWithWriter(io.Discard)
	ginID       = ginrequestid.New()

	echoCompress = echomiddleware.Gzip()
	echoTimeout  = echomiddleware.ContextTimeout(brief)
	echoRecover  = echomiddleware.Recover()
	echoLog      = echomiddleware.RequestLoggerWithConfig(echomiddleware.RequestLoggerConfig{
		LogStatus: true, LogResponseSize: true, LogLatency: true,
		LogValuesFunc: func(echo.Context, echomiddleware.RequestLoggerValues) error { return nil },
	})
	echoID       = echomiddleware.RequestID()
	echoBodyDump = echomiddleware.BodyDump(func(echo.Context, []byte, []byte) {})
	echoSecure   = echomiddleware.Secure()

	timeoutHandler = func(next http.Handler) http.Handler { return http.TimeoutHandler(next, long, "too late") }
	//lint:ignore SA1019 many servers have it all the same, and it is what their owners have to be told of
	echoStrict = echomiddleware.TimeoutWithConfig(echomiddleware.TimeoutConfig{Timeout: long})
)

// open lets a WebSocket through.
var open = []route{
	{"chi", withChi()},
	{"chi, compress", withChi(chiCompress)},
	{"chi, timeout", withChi(chiTimeout)},
	{"chi, recover", withChi(chiRecover)},
	{"chi, logging", withChi(chiLog)},
	{"chi, request id", withChi(chiID)},
	{"chi, all", withChi(chiID, chiLog, chiRecover, chiTimeout, chiCompress)},
	{"chi, all, compress first", withChi(chiCompress, chiTimeout, chiRecover, chiLog, chiID)},

	{"mux", withMux()},
	{"mux, compress", withMux(muxCompress)},
	{"mux, recover", withMux(muxRecover)},
	{"mux, logging", withMux(muxLog)},
	{"mux, proxy headers", withMux(muxProxy)},
	{"mux, all", withMux(muxProxy, muxLog, muxRecover, muxCompress)},
	{"mux, all, compress first", withMux(muxCompress, muxRecover, muxLog, muxProxy)},

	{"gin", withGin()},
	{"gin, compress", withGin(ginCompress)},
	{"gin, recover", withGin(ginRecover)},
	{"gin, logging", withGin(ginLog)},
	{"gin, request id", withGin(ginID)},
	{"gin, all", withGin(ginID, ginLog, ginRecover, ginCompress)},
	{"gin, all, compress first", withGin(ginCompress, ginRecover, ginLog, ginID)},

	{"echo", withEcho()},
	{"echo, compress", withEcho(echoCompress)},
	{"echo, timeout", withEcho(echoTimeout)},
	{"echo, recover", withEcho(echoRecover)},
	{"echo, logging", withEcho(echoLog)},
	{"echo, request id", withEcho(echoID)},
	{"echo, body dump", withEcho(echoBodyDump)},
	{"echo, secure", withEcho(echoSecure)},
	{"echo, all", withEcho(echoID, echoLog, echoRecover, echoTimeout, echoSecure, echoCompress, echoBodyDump)},
	{"echo, all, compress first",
		withEcho(echoCompress, echoBodyDump, echoSecure, echoTimeout, echoRecover, echoLog, echoID)},
}

// shut has http.TimeoutHandler somewhere: it keeps the answer back until the handler has returned.
var shut = []route{
	{"chi, http.TimeoutHandler", withChi(timeoutHandler)},
	{"chi, http.TimeoutHandler over all", withChi(timeoutHandler, chiID, chiLog, chiRecover, chiTimeout, chiCompress)},
	{"chi, http.TimeoutHandler under all", withChi(chiID, chiLog, chiRecover, chiCompress, timeoutHandler)},
	{"chi, in http.TimeoutHandler", under(long, withChi(chiCompress))},
	{"mux, http.TimeoutHandler", withMux(timeoutHandler)},
	{"mux, http.TimeoutHandler over all", withMux(timeoutHandler, muxProxy, muxLog, muxRecover, muxCompress)},
	{"mux, http.TimeoutHandler under all", withMux(muxProxy, muxLog, muxRecover, muxCompress, timeoutHandler)},
	{"mux, in http.TimeoutHandler", under(long, withMux(muxLog))},
	{"gin, in http.TimeoutHandler", under(long, withGin())},
	{"gin with all, in http.TimeoutHandler", under(long, withGin(ginID, ginLog, ginRecover, ginCompress))},
	{"echo, Timeout", withEcho(echoStrict)},
	{"echo, Timeout over all",
		withEcho(echoStrict, echoID, echoLog, echoRecover, echoTimeout, echoCompress, echoBodyDump)},
	{"echo, Timeout under all", withEcho(echoID, echoLog, echoRecover, echoCompress, echoBodyDump, echoStrict)},
	{"echo, in http.TimeoutHandler", under(long, withEcho(echoCompress))},
}

// asked are handshakes as they come: a program's, a browser's, and a browser's through nginx as most people set it up,
// whose "upgrade" in lower case has gin's compression take it for a page.
var asked = []struct {
	name     string
	header   http.Header
	lowering bool
}{
	{name: "program"},
	{name: "browser", header: browserHeader},
	{name: "browser behind nginx", header: browserHeader, lowering: true},
}

var browserHeader = http.Header{"Accept-Encoding": {"gzip, deflate, br, zstd"}, "User-Agent": {"Mozilla/5.0"}}

// A lowering connection writes the handshake's Connection as nginx does.
type lowering struct{ net.Conn }

func (l lowering) Write(p []byte) (int, error) {
	lowered := bytes.Replace(p, []byte("Connection: Upgrade\r\n"), []byte("Connection: upgrade\r\n"), 1)
	return l.Conn.Write(lowered)
}

// upgrades are the two ways to a connection. Both echo what arrives, once the request's time is over if it has a limit.
var upgrades = []struct {
	name    string
	handler func(u *websocket.Upgrader) http.Handler
}{
	{"Upgrade", upgradeAndEcho},
	{"Handler", func(u *websocket.Upgrader) http.Handler {
		return u.Handler(func(_ *websocket.Conn, r *http.Request) websocket.Handler {
			outlive(r)
			return websocket.HandlerFuncs{
				OnMessage: func(c *websocket.Conn, kind websocket.MessageType, p []byte) { c.WriteMessage(kind, p) },
			}
		})
	}},
}

// upgradeAndEcho echoes while the handler, and so all middleware, waits.
func upgradeAndEcho(u *websocket.Upgrader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		outlive(r)
		for {
			kind, p, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, p) != nil {
				return
			}
		}
	})
}

// outlive waits until middleware has lost patience with r.
func outlive(r *http.Request) {
	if _, limited := r.Context().Deadline(); limited {
		<-r.Context().Done()
	}
}

// startRoute serves a route. What middleware has net/http complain of is not looked at: some of it writes to an answer
// that was taken over, after a timeout for instance, which net/http refuses and logs.
func startRoute(t *testing.T, r route, ws http.Handler) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(r.serve(ws))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
}

// eachUpgrade runs a test with each route and both ways to a connection.
func eachUpgrade(t *testing.T, routes []route, test func(t *testing.T, url string)) {
	for _, r := range routes {
		for _, upgrade := range upgrades {
			t.Run(r.name+", "+upgrade.name, func(t *testing.T) {
				test(t, startRoute(t, r, upgrade.handler(&websocket.Upgrader{})))
			})
		}
	}
}

// TestRoutersLetThrough: a connection through a router and its usual middlewares echoes, and is closed in good order:
// nothing of theirs gets between the frames.
func TestRoutersLetThrough(t *testing.T) {
	eachUpgrade(t, open, func(t *testing.T, url string) {
		for _, a := range asked {
			dialer := websocket.Dialer{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				if a.lowering {
					conn = lowering{conn}
				}
				return conn, err
			}}
			conn, _, err := dialer.Dial(within(t), url, a.header)
			if err != nil {
				t.Errorf("%s: %v", a.name, err)
				continue
			}
			defer conn.CloseNow()
			for _, p := range payloads[:4] {
				if err := conn.WriteMessage(p.kind, p.whole()); err != nil {
					t.Fatalf("%s: write %s: %v", a.name, p.name, err)
				}
				kind, data, err := conn.ReadContext(within(t))
				if err != nil || kind != p.kind || !bytes.Equal(data, p.whole()) {
					t.Fatalf("%s: the echo of %s is %v %q, %v", a.name, p.name, kind, data, err)
				}
			}
			if err := conn.CloseWith(4999, "bye"); err != nil {
				t.Errorf("%s: close: %v", a.name, err)
			}
		}
	})
}

// TestRoutersRefuse: where http.TimeoutHandler is in the way the answer says so.
func TestRoutersRefuse(t *testing.T) {
	eachUpgrade(t, shut, func(t *testing.T, url string) {
		conn, _, err := new(websocket.Dialer).Dial(within(t), url, nil)
		var refused *websocket.HandshakeError
		if !errors.As(err, &refused) {
			t.Fatalf("Dial: %v, %v; want a refusal", conn, err)
		}
		want := "*http.timeoutWriter hides the connection"
		if refused.Status != http.StatusInternalServerError || !strings.Contains(string(refused.Body), want) {
			t.Errorf("refused with %d %q; want 500 and %q", refused.Status, refused.Body, want)
		}
	})
}
