package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"hawser.example/websocket/internal/notify"
)

var serveVerb = verb{
	name:    "serve",
	summary: "the notification server: publish with an HTTP POST, receive over WebSocket",
	help: `
A client that connects to /topics/TOPIC with WebSocket, or as an EventSource, receives what is published there: a POST
to /topics/TOPIC sends its body to all of them, as a binary message if its Content-Type is application/octet-stream,
else as text. The answer is {"id":"EPOCH-SEQ","subscribers":N}. A topic is 1 to 255 of the characters
A-Z a-z 0-9 . _ -; a PATTERN is a topic, or a topic and ".>" for all below it, or ">" for all.

With --dev it serves a page for a first try at /, needs no key, and talks to this machine only. Without it publishing
needs a key, as "Authorization: Bearer KEY", or a token ("hawser help token"). Everybody may subscribe until there are
keys for tokens, or a URL to ask.

Each flag has an environment variable: HAWSER_ and its name in capitals, with _ for -. A file for --config has lines
HAWSER_NAME=value. The flag is stronger than the environment, that is stronger than the file. Flags that may be given
several times take a list there, separated by commas or spaces. --print-config shows such a file. Of a variable other
users of the machine see nothing, of a flag they see the value.

On SIGHUP it reads the file of --config and those with keys and certificates again, and drops nobody. On SIGTERM and
Ctrl-C it takes in nobody any more, tells its clients over the time of --drain to come back (code 1012), and ends; a
second signal ends it at once. docs/SERVER.md has all of this at length.

Exit code: 0 when it was told to stop, 1 if it could not listen, 2 for a wrong command line or configuration.

Examples:
  hawser serve --dev
  vmstat 1 | hawser serve --dev --pipe stats
  hawser serve --addr :8080 --publish-key "$KEY" --origin https://app.example.com
  hawser serve --config /etc/hawser.conf --print-config
  curl -d 'hello' -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/topics/news
  hawser connect ws://127.0.0.1:8080/topics/news`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		declareServe(fs)
		return func(_ []string, std streams) int {
			from := sources{given: givenFlags(fs), lookup: os.LookupEnv}
			opt, set, err := from.load()
			if err != nil {
				return usageError(std, "serve", "%v", err)
			}
			cfg, err := opt.config()
			if err != nil {
				return usageError(std, "serve", "%v", set.whence(err))
			}
			s, err := newService(from, set, opt, cfg, std)
			if err != nil {
				return usageError(std, "serve", "%v", err)
			}
			for _, warning := range set.unknownVariables(os.Environ()) {
				s.log.caution(warning)
			}
			if opt.printConfig {
				set.print(std.out)
				return exitOK
			}
			return s.serve(std)
		}
	},
}

// serveOptions are the values of the flags of hawser serve.
type serveOptions struct {
	addr, publishAddr, adminAddr string
	profiles                     bool

	dev                      bool
	key, keyFile             string
	secretFile, publicFile   string
	authURL                  string
	public, origins, proxies listFlag

	history        notify.HistoryConfig
	latest         listFlag
	pipe           string        // a topic
	limits         notify.Limits // without the sizes
	message, queue int64
	noFlate        bool

	cert, certKey string
	drain         time.Duration
	log, logLevel string

	configFile  string
	printConfig bool
}

// declareServe declares the flags of hawser serve.
func declareServe(fs *flag.FlagSet) *serveOptions {
	o := &serveOptions{}
	fs.StringVar(&o.addr, "addr", "127.0.0.1:8080", "listen on `HOST:PORT`; port 0 picks a free one")
	fs.StringVar(&o.publishAddr, "publish-addr", "", "take messages on `HOST:PORT` only, without TLS, and none on --addr")
	fs.StringVar(&o.adminAddr, "admin-addr", "", "answer /metrics, /livez and /readyz on `HOST:PORT`, without TLS and\n"+
		"without a key")
	fs.BoolVar(&o.profiles, "pprof", false, "serve profiles of net/http/pprof on --admin-addr, at /debug/pprof/")

	fs.BoolVar(&o.dev, "dev", false, "first try: this machine only, no key, with a page at /")
	fs.StringVar(&o.key, "publish-key", "", "the `KEY` that publishers send as a bearer token")
	fs.StringVar(&o.keyFile, "publish-key-file", "", "a `FILE` of such keys, one a line; lines that begin with # are comments")
	fs.StringVar(&o.secretFile, "jwt-secret-file", "",
		"a `FILE` of secrets, one a line, with which tokens are signed (HS256);\nthen subscribers need a token")
	fs.StringVar(&o.publicFile, "jwt-public-key-file", "",
		"a `FILE` of public keys in PEM, with whose private halves tokens are signed\n(EdDSA); then subscribers need a token")
	fs.StringVar(&o.authURL, "auth-url", "", "ask `URL` who may subscribe and publish; 2xx allows it, 401 and 403 refuse it")
	fs.Var(&o.public, "public", "topics of this `PATTERN` need no token; may be given several times")
	fs.Var(&o.origins, "origin", "let pages of this `PATTERN` connect, such as https://app.example.com or\n"+
		"https://*.example.com; may be given several times; pages of the server's own host always may")
	fs.Var(&o.proxies, "trusted-proxy", "believe X-Forwarded-For of proxies at `CIDR`, such as 10.0.0.0/8 or 127.0.0.1; may be\n"+
		"given several times")

	fs.IntVar(&o.history.Messages, "history-messages", notify.DefaultHistoryMessages,
		"keep the last `N` messages of each topic for those who come back; 0: none")
	fs.DurationVar(&o.history.Age, "history-age", notify.DefaultHistoryAge,
		"keep them for this `TIME`; 0: as long as there is room")
	o.history.Bytes, o.history.TotalBytes = notify.DefaultHistoryBytes, notify.DefaultHistoryTotal
	fs.Var((*sizeFlag)(&o.history.Bytes), "history-bytes", "keep at most `SIZE` of each topic, such as 64KiB or 1MiB; 0: no limit")
	fs.Var((*sizeFlag)(&o.history.TotalBytes), "history-total", "keep at most `SIZE` of all topics together; 0: no limit")
	fs.Var(&o.latest, "latest", "of topics of this `PATTERN` only the newest message waits for a slow subscriber; may be\n"+
		"given several times")
	fs.StringVar(&o.pipe, "pipe", "", "publish each line of standard input on `TOPIC`, as hawser pipe does")
	declareLimits(fs, o)
	fs.BoolVar(&o.noFlate, "no-deflate", false, "send no compressed messages (permessage-deflate)")

	fs.StringVar(&o.cert, "tls-cert", "", "serve TLS on --addr with the certificates in `FILE` (PEM); it is read again when\n"+
		"it changes")
	fs.StringVar(&o.certKey, "tls-key", "", "the private key of --tls-cert, in `FILE`")
	fs.DurationVar(&o.drain, "drain", notify.DefaultDrainTime, "over how much `TIME` to spread the goodbyes when told to stop; with --dev the\n"+
		"default is 1s")
	fs.StringVar(&o.log, "log", "text", "log as `text|json` on standard error")
	fs.StringVar(&o.logLevel, "log-level", "info", "log what is at least as grave as `debug|info|warn|error`")

	fs.StringVar(&o.configFile, "config", "", "read settings from `FILE`: lines HAWSER_NAME=value")
	fs.BoolVar(&o.printConfig, "print-config", false, "print all settings, as a file for --config, and end")
	return o
}

// declareLimits declares the flags of notify.Limits.
func declareLimits(fs *flag.FlagSet, o *serveOptions) {
	l := &o.limits
	fs.IntVar(&l.Connections, "max-connections", 0, "have at most `N` subscribers; 0: no limit")
	fs.IntVar(&l.ConnectionsPerIP, "max-connections-per-ip", 0,
		"have at most `N` subscribers from one address (of IPv6: one /64); 0: no limit")
	fs.IntVar(&l.Handshakes, "max-handshakes", 0, "let at most `N` subscribers in per second; 0: no limit")
	fs.IntVar(&l.Topics, "max-topics", notify.DefaultTopics, "let a connection have at most `N` topics and patterns")
	o.message, o.queue = notify.DefaultMessage, notify.DefaultQueue
	fs.Var((*sizeFlag)(&o.message), "max-message", "take messages of at most `SIZE`")
	fs.IntVar(&l.PublishRate, "max-publish-rate", 0, "take at most `N` messages per second of one publisher; 0: no limit")
	fs.Var((*sizeFlag)(&o.queue), "queue-bytes", "let at most `SIZE` wait for a slow subscriber")
}

// A service is the notification server while it runs.
type service struct {
	from   sources
	start  *settings     // those that it was started with
	opt    *serveOptions // the same
	server *notify.Server
	certs  *certificates // nil: no TLS
	log    *logger
}

// newService reads the certificates and makes the server, or says what is wrong with the configuration.
func newService(from sources, set *settings, opt *serveOptions, cfg notify.Config, std streams) (*service, error) {
	s := &service{from: from, start: set, opt: opt, log: newLogger(opt, std.err)}
	cfg.Log = s.log.Logger
	var err error
	if opt.cert != "" {
		if s.certs, err = newCertificates(opt.cert, opt.certKey, s.log.Logger); err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
	}
	s.server, err = notify.NewServer(cfg)
	return s, err
}

// serve runs the notification server until it is told to stop.
func (s *service) serve(std streams) int {
	opt := s.opt
	if opt.pipe != "" {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		go s.pipe(ctx, std.in)
	}
	r := runner{
		endpoints: s.endpoints(),
		drain:     s.server.Shutdown,
		stopTime:  opt.drain + stopGrace,
		reload:    s.reload,
		say:       s.log.say,
		fail:      s.log.fail,
		errorLog:  s.log.httpErrors(),
	}
	return r.run()
}

// endpoints are the listeners of the server.
func (s *service) endpoints() []endpoint {
	main := endpoint{addr: s.opt.addr, handler: s.server, banner: func(a net.Addr) string {
		switch {
		case s.opt.dev && s.certs == nil:
			return fmt.Sprintf("open http://%s/ (for this machine only: --dev)", a)
		case s.opt.dev:
			return fmt.Sprintf("open https://%s/ (for this machine only: --dev)", a)
		case s.certs == nil:
			return fmt.Sprintf("listening on http://%s/topics/", a)
		}
		return fmt.Sprintf("listening on https://%s/topics/", a)
	}}
	if s.certs != nil {
		main.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certs.get}
	}
	all := []endpoint{main}
	add := func(addr, banner string, h http.Handler) {
		if addr != "" {
			say := func(a net.Addr) string { return fmt.Sprintf(banner, a) }
			all = append(all, endpoint{addr: addr, handler: h, banner: say})
		}
	}
	add(s.opt.publishAddr, "taking messages on http://%s/topics/", s.server.PublishHandler())
	add(s.opt.adminAddr, "metrics on http://%s/metrics", s.server.AdminHandler(s.opt.profiles))
	return all
}

// devDrain is the default of --drain with --dev: who presses Ctrl-C at a terminal does not want to wait.
const devDrain = time.Second

// stopGrace is how long the last of the subscribers has to answer its Close, which it gets at the end of the drain.
// With the default of --drain stopping takes less than the 10 s that service managers such as Docker wait.
const stopGrace = 4 * time.Second
