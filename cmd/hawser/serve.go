package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"unicode"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

var serveVerb = verb{
	name:    "serve",
	summary: "the notification server: publish with an HTTP POST, receive over WebSocket",
	help: `
A client that connects to /topics/TOPIC with WebSocket receives what is published there: a POST to /topics/TOPIC sends
its body to all of them, as a binary message if its Content-Type is application/octet-stream, else as text. The answer
is {"id":"EPOCH-SEQ","subscribers":N}. A topic is 1 to 255 of the characters A-Z a-z 0-9 . _ -; a body is at most 1 MiB.

With --dev it serves a page for a first try at /, needs no key, and talks to this machine only. Without it publishing
needs the key, as "Authorization: Bearer KEY"; the key may also come from the environment variable HAWSER_PUBLISH_KEY,
where other users of the machine do not see it. On SIGTERM it stops listening and tells its clients to come back (code
1012), which takes at most 9 seconds; a second signal ends it at once.

Exit code: 0 when it was told to stop, 1 if it could not listen, 2 for a wrong command line.

Examples:
  hawser serve --dev
  hawser serve --addr :8080 --publish-key "$KEY" --origin https://app.example.com
  curl -d 'hello' -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/topics/news
  hawser connect ws://127.0.0.1:8080/topics/news`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		addr := fs.String("addr", "127.0.0.1:8080", "listen on `HOST:PORT`; port 0 picks a free one")
		key := fs.String("publish-key", "", "the `KEY` that publishers send as a bearer token")
		dev := fs.Bool("dev", false, "first try: this machine only, no key, with a page at /")
		noDeflate := fs.Bool("no-deflate", false, "send no compressed messages (permessage-deflate)")
		var origins stringList
		fs.Var(&origins, "origin", "let pages of this `PATTERN` connect, such as https://app.example.com or\n"+
			"https://*.example.com; may be given several times; pages of the server's own host always may")
		return func(_ []string, std streams) int {
			if *key == "" && !*dev {
				*key = os.Getenv("HAWSER_PUBLISH_KEY")
			}
			switch {
			case *key == "" && !*dev:
				return usageError(std, "serve", "--publish-key is missing: nobody could publish. For a first try use --dev")
			case *key != "" && *dev:
				return usageError(std, "serve", "--dev and --publish-key exclude each other: --dev needs no key")
			case *dev && len(origins) > 0:
				return usageError(std, "serve", "--dev and --origin exclude each other: --dev allows pages of this machine only")
			case *dev && !notify.IsLoopback(*addr):
				return usageError(std, "serve", "--dev serves this machine only, and --addr %q is not a loopback address; "+
					"use 127.0.0.1:PORT", *addr)
			}
			if err := checkAddr(*addr); err != nil {
				return usageError(std, "serve", "--addr: %v", err)
			}
			if err := checkKey(*key); err != nil {
				return usageError(std, "serve", "%v", err)
			}
			for _, o := range origins {
				if err := websocket.CheckOriginPattern(o); err != nil {
					return usageError(std, "serve", "--origin: %v", err)
				}
			}
			cfg := notify.Config{Origins: origins, Dev: *dev, NoCompression: *noDeflate}
			if *key != "" {
				cfg.PublishKeys = []string{*key}
			}
			return serve(*addr, cfg, std)
		}
	},
}

// checkKey refuses a key that no publisher could send: white space at the ends of a header field is not part of it.
func checkKey(key string) error {
	if strings.Trim(key, " ") != key || strings.ContainsFunc(key, unicode.IsControl) {
		return errors.New("the publish key has a space at an end or a control character in it (a line break at its end?), " +
			"which cannot be sent")
	}
	return nil
}

// serve runs the notification server until it is told to stop.
func serve(addr string, cfg notify.Config, std streams) int {
	server, err := notify.NewServer(cfg)
	if err != nil {
		fmt.Fprintf(std.err, "hawser serve: %v\n", err)
		return exitFailed
	}
	banner := func(a net.Addr) string {
		if cfg.Dev {
			return fmt.Sprintf("open http://%s/ (for this machine only: --dev)", a)
		}
		return fmt.Sprintf("listening on http://%s/topics/", a)
	}
	return serveHTTP("serve", addr, server, std, server.Shutdown, banner)
}
