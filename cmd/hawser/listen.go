package main

import (
	"cmp"
	"crypto/tls"
	"flag"
	"slices"
	"strings"

	"hawser.example/websocket"
)

// defaultCommands is how many processes of --exec run at the same time.
const defaultCommands = 32

var listenVerb = verb{
	name:    "listen",
	args:    "ADDR",
	maxArgs: 1,
	summary: "a WebSocket server for the terminal: print, echo, broadcast, or run a command",
	help: `
ADDR is HOST:PORT. 127.0.0.1:9000 is for this machine only, :9000 is for everybody who can reach it, port 0 picks a free
one. A web page may connect if it is of the same host, or of an --origin. Every path is served.

Without a mode each message is written to standard output, followed by a newline, and each line from standard input is
sent to all clients as a text message; the first line is read when the first client is there. A line that is not UTF-8
is left out, and standard error says so. In a pipe standard output holds nothing else; all else goes to standard error.
On a terminal control characters are shown escaped, and of binary messages the first 64 bytes in hex, behind the number
of the connection; from the first client on there is, but with -b, the prompt of hawser connect, without its commands.
A client that takes nothing for 10 seconds, while the others wait for it, loses its connection. --echo sends each
message back to its sender, --broadcast sends it to all, the sender too, in the same order; they print nothing, except
with --json.

--exec has the shell run CMD for each connection, at most --max at a time; further clients are refused with status 503.
Messages are the lines of its standard input, and the lines that it prints are messages; with -b both are bytes. Its
standard error is ours. A line that is not UTF-8 closes the connection with code 1011. When CMD ends the connection is
closed with code 1000, with 4000 plus its exit code if that is not 0, and with 1011 if a signal ended it. When the
connection ends CMD gets the end of its input, after 2 seconds SIGTERM, and after 2 more SIGKILL, with all of its
process group. A CMD that leaves what it is sent unread for a minute loses its connection. Its environment has
REMOTE_ADDR, REMOTE_PORT, PATH_INFO, QUERY_STRING, HTTP_HOST, HTTP_ORIGIN, HTTP_USER_AGENT and SEC_WEBSOCKET_PROTOCOL
(what was agreed on): clients choose what is in there. Many programs hold their output back when it is a pipe: give them
sed's -u, grep's --line-buffered, or run them with stdbuf -oL.

With --json every line of standard output is an object, in every mode. "time" (RFC 3339), "event" and "conn", the number
of the connection, are in each; the others by event:

  open      remote (HOST:PORT), path (with its query), subprotocol, extension (left out if nothing was agreed on)
  message   type ("text" or "binary"), text or base64, size, compressed (bytes; left out if it was not)
  close     by ("client" or "server"), code and reason if it was the client
  error     error, why it ended without a Close

Standard error tells a terminal who comes and goes, with a line "#N connected from …" and one with the reason of the
end; a file or pipe it tells only with -v. With -v there is also a line for each message, "#N < text, 5 bytes" for one
that came and "#N > …" for one that was sent; what --broadcast passes on has no line.

Of a path the values of parameters such as token, key and sig are shown as [redacted].

SIGTERM, SIGHUP and Ctrl-C end it, and tell clients so with code 1001; a second one ends it at once. After -n messages
it ends by itself, with code 1000.

Exit code: 0 when it was told to stop, when -n messages have come, or when nobody reads its output any more, 1 if it
could not listen, read or write, or left a line out, 2 for a wrong command line, 4 if it was stopped before -n messages
came.

Examples:
  hawser listen 127.0.0.1:9000
  hawser listen --echo -v 127.0.0.1:9000
  hawser listen --broadcast :9000
  hawser listen --exec 'sed -u "s/^/you said /"' 127.0.0.1:9000
  hawser listen -n 1 127.0.0.1:9000 > message
  vmstat 1 | hawser listen 127.0.0.1:9000`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		var l listener
		var origins, subprotocols stringList
		echo := fs.Bool("echo", false, "send each message back to its sender")
		broadcast := fs.Bool("broadcast", false, "send each message to all clients")
		fs.StringVar(&l.command, "exec", "", "run `CMD` for each connection")
		fs.IntVar(&l.maxCommands, "max", defaultCommands, "with --exec: run at most `N` processes at a time")
		fs.BoolVar(&l.binary, "b", false, "send binary messages: what is read at once from standard input, or from CMD;\n"+
			"and write messages as they are, without a newline")
		fs.IntVar(&l.count, "n", 0, "end after `N` messages have come")
		fs.BoolVar(&l.verbose, "v", false, "say on standard error how large each message is, and also in a file or pipe who\n"+
			"comes and goes; a terminal is told that in any case")
		fs.BoolVar(&l.json, "json", false, "print one JSON object for each event")
		fs.Var(&origins, "origin", "let pages of this `PATTERN` connect, such as https://app.example.com, or * for all;\n"+
			"may be given several times")
		fs.Var(&subprotocols, "s", "agree to the subprotocol `NAME`; may be given several times, the preferred one first")
		limit := fs.Int64("read-limit", maxEchoMessage, "refuse messages of more than `N` bytes with code 1009; -1: no limit")
		noDeflate := fs.Bool("no-deflate", false, "do not agree to compression (permessage-deflate)")
		cert := fs.String("cert", "", "serve TLS (wss) with the certificates in `FILE` (PEM)")
		key := fs.String("key", "", "the private key of --cert is in `FILE` (PEM); default: in the same file")
		return func(args []string, std streams) int {
			wrong := func(format string, args ...any) int { return usageError(std, "listen", format, args...) }
			exec := isSet(fs, "exec")
			switch {
			case len(args) == 0:
				return wrong("the address is missing, such as 127.0.0.1:9000")
			case checkAddr(args[0]) != nil:
				return wrong("%v", checkAddr(args[0]))
			case *echo && *broadcast || exec && (*echo || *broadcast):
				return wrong("--echo, --broadcast and --exec exclude each other")
			case exec && strings.TrimSpace(l.command) == "":
				return wrong("--exec: the command is empty")
			case isSet(fs, "max") && !exec:
				return wrong("--max goes with --exec")
			case l.maxCommands < 1:
				return wrong("--max %d: at least one process has to run", l.maxCommands)
			case l.binary && (*echo || *broadcast):
				return wrong("-b goes with --exec, or without a mode: with --echo and --broadcast messages keep their type")
			case l.count < 0:
				return wrong("-n %d: the number of messages cannot be negative", l.count)
			case l.count > 0 && exec:
				return wrong("-n does not go with --exec: the command decides when it has seen enough")
			case *limit == 0:
				return wrong("--read-limit 0 would refuse every message; -1 means no limit")
			case *key != "" && *cert == "":
				return wrong("--key: the certificate is missing (--cert)")
			case slices.ContainsFunc(subprotocols, func(s string) bool { return !isTokenText(s) }):
				return wrong("-s: a subprotocol is a word of letters, digits and !#$%%&'*+-.^_`|~")
			}
			for _, o := range origins {
				if err := websocket.CheckOriginPattern(o); err != nil {
					return wrong("--origin: %v", err)
				}
			}
			if *cert != "" {
				pair, err := tls.LoadX509KeyPair(*cert, cmp.Or(*key, *cert))
				if err != nil {
					return wrong("--cert, --key: %v", err)
				}
				l.tls = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
			}
			l.mode = chooseMode(*echo, *broadcast, exec)
			l.upgrader = websocket.Upgrader{Origins: origins, Subprotocols: subprotocols, ReadLimit: *limit}
			if !*noDeflate {
				l.upgrader.Compression = new(websocket.Compression)
			}
			l.std = std
			return l.run(args[0])
		}
	},
}

// chooseMode returns what is done with a message.
func chooseMode(echo, broadcast, exec bool) listenMode {
	switch {
	case echo:
		return modeEcho
	case broadcast:
		return modeBroadcast
	case exec:
		return modeExec
	}
	return modePrint
}

// isTokenText reports whether s is a token, as subprotocols have to be. RFC 6455, section 4.1, item 10, and RFC 9110,
// section 5.6.2.
func isTokenText(s string) bool {
	const all = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
	return s != "" && strings.Trim(s, all) == ""
}
