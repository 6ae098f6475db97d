package main

import (
	"flag"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// "hawser connect" is in files of their own concerns:
//
//	connect.go         the flags and what they mean
//	connect_help.go    what "hawser help connect" says
//	connect_dial.go    flags → Dialer
//	connect_run.go     the loop: everything that happens, and what ends it
//	connect_end.go     how it ends, and the exit code
//	connect_retry.go   --reconnect: what is worth another try, and when
//	connect_input.go   the input: from where, the prompt's lines, its end
//	connect_receive.go what comes from the server
//	connect_send.go    what is sent, and over which connection
//	connect_command.go the commands of the prompt
//	connect_show.go    what is shown of what happens, as text or as JSON
//	connect_frames.go  -v: the handshake and the frames in words
//	connect_tap.go     where these are seen, as bytes pass by
//
// It shares with other verbs:
//
//	events.go   what --json writes
//	screen.go   the terminal: prompt, output above it, raw mode; term_*.go beneath
//	escape.go   what a terminal is shown of what others chose
//	conceal.go  secrets that are not shown
//	input.go    input as lines or as it comes
//	trust.go    which certificates are taken

const (
	// pipeIdle is how long a filter waits for further messages after its input has ended.
	pipeIdle = time.Second
	// askIdle is how long it waits for one that it was asked for, with -n or --expect.
	askIdle = 10 * time.Second
)

var connectVerb = verb{
	name:    "connect",
	args:    "URL",
	maxArgs: 1,
	summary: "a WebSocket client: a prompt on a terminal, a filter in a pipe",
	help:    connectHelp,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		f := newConnectFlags(fs)
		return func(args []string, std streams) int { return f.run(args, std) }
	},
}

// connectFlags are the flags of "hawser connect".
type connectFlags struct {
	url       string
	shortUnix bool // it was given as unix:, which is short for ws+unix:

	// What is sent, and until when.
	messages []given
	binary   bool
	count    int
	wait     time.Duration
	expect   *regexp.Regexp
	timeout  time.Duration

	// How to connect.
	header                http.Header
	badField              bool // a field had no colon
	user                  string
	subprotocols          stringList
	trust                 trust
	cert, key             string
	address               string
	noDeflate             bool
	readLimit             int64
	reconnect             bool
	pingInterval          time.Duration
	verbose, json, pretty bool
}

// A given is a message of the command line: its text, or the file that it is in.
type given struct {
	flag, value string
}

// newConnectFlags declares the flags.
func newConnectFlags(fs *flag.FlagSet) *connectFlags {
	f := &connectFlags{header: http.Header{}}
	f.declareSending(fs)
	f.declareConnecting(fs)
	f.declareShowing(fs)
	return f
}

// declareSending declares what says what is sent, and until when.
func (f *connectFlags) declareSending(fs *flag.FlagSet) {
	take := func(name string) func(string) error {
		return func(value string) error {
			f.messages = append(f.messages, given{name, value})
			return nil
		}
	}
	fs.Func("m", "send `MSG` first; may be given several times, as may --file; in a pipe it is sent instead of standard\n"+
		"input; on a terminal the prompt follows, unless -n, -w, --expect or --timeout says when to end", take("-m"))
	fs.Func("file", "send the contents of `FILE` as one message, as -m does; - is standard input", take("--file"))
	fs.BoolVar(&f.binary, "b", false, "send binary messages; in a pipe standard input is sent as it comes, not line by\n"+
		"line, and messages are written without the newline")
	fs.IntVar(&f.count, "n", 0, "end after `N` messages have come")
	fs.DurationVar(&f.wait, "w", 0, "after the end of the input, end when no message, nor a part of one, has come for\n"+
		"`DUR`, such as 500ms or 1m (default 1s in a pipe, 10s with -n or --expect; no limit\n"+
		"on a terminal or with --timeout; -1s: no limit)")
	fs.Func("expect", "end with exit code 0 as soon as a message comes that the regular expression `RE`\n"+
		"matches, and with exit code 4 if none does", func(value string) (err error) {
		f.expect, err = regexp.Compile(value)
		return err
	})
	fs.DurationVar(&f.timeout, "timeout", 0, "end after `DUR` in any case, connecting included; the goodbye may take a second more")
}

// declareConnecting declares what says how to connect.
func (f *connectFlags) declareConnecting(fs *flag.FlagSet) {
	fs.Func("H", "add the header field `FIELD` to the request, such as 'Authorization: Bearer x'; may be given\n"+
		"several times; a Host replaces the URL's", f.addField)
	fs.Func("origin", "send `ORIGIN` as the Origin, such as https://example.com", func(value string) error {
		f.header.Set("Origin", value)
		return nil
	})
	fs.Var(&f.subprotocols, "s", "offer the subprotocol `NAME`; may be given several times, the preferred one first")
	fs.StringVar(&f.user, "u", "", "send `USER:PASSWORD` as basic authentication")
	f.trust.declare(fs)
	fs.StringVar(&f.cert, "cert", "", "show the server the certificate in `FILE` (PEM)")
	fs.StringVar(&f.key, "key", "", "the private key of --cert is in `FILE` (PEM); default: in the same file")
	fs.StringVar(&f.address, "connect", "", "connect to `HOST:PORT`, or to unix:/path/of/socket, whatever the URL\n"+
		"says; Host and TLS go by the URL; no proxy is used then")
	fs.BoolVar(&f.noDeflate, "no-deflate", false, "do not offer compression (permessage-deflate)")
	fs.Int64Var(&f.readLimit, "read-limit", maxEchoMessage, "end, with code 1009, when a message has more than `N` bytes; "+
		"-1: no limit")
	fs.BoolVar(&f.reconnect, "reconnect", false, "connect again when there is no connection or it is lost, after a time\n"+
		"that grows up to 30s and is random by half; -m and --file are sent again;\n"+
		"lines wait for the next connection, but those sent just before a loss may not\n"+
		"have arrived, as is said then; what the server sends meanwhile is missed")
}

// declareShowing declares what says what is shown.
func (f *connectFlags) declareShowing(fs *flag.FlagSet) {
	fs.BoolVar(&f.verbose, "v", false, "say on standard error what is sent and received: the handshake, every frame\n"+
		"(FIN, RSV, opcode, MASK, length), and of every message its size and, with\n"+
		"permessage-deflate, its compressed size")
	fs.DurationVar(&f.pingInterval, "i", 0, "send a Ping every `DUR` and say on standard error how long the Pong took;\n"+
		"when nothing comes for three times that, and 5s at least, the connection\n"+
		"counts as lost")
	fs.BoolVar(&f.json, "json", false, "write one JSON object for each thing that happens; the fields are below")
	fs.BoolVar(&f.pretty, "pretty", false, "indent text messages that are JSON")
}

// addField takes a header field.
func (f *connectFlags) addField(field string) error {
	name, value, ok := strings.Cut(field, ":")
	if !ok { // said by check: package flag would say the value, which may be a secret
		f.badField = true
		return nil
	}
	f.header.Add(name, strings.Trim(value, " \t"))
	return nil
}

// run judges the flags and runs the client.
func (f *connectFlags) run(args []string, std streams) int {
	if len(args) == 0 {
		return usageError(std, "connect", "the URL is missing, such as ws://127.0.0.1:9002/")
	}
	f.url = expandURL(args[0])
	f.shortUnix = f.url != args[0]
	if err := f.check(); err != nil {
		return usageError(std, "connect", "%v", err)
	}
	messages, err := f.read(std.in)
	if err != nil {
		return usageError(std, "connect", "%v", err)
	}
	c, err := newClient(f, std, messages)
	if err != nil {
		return usageError(std, "connect", "%v", err)
	}
	return c.run()
}

// check judges what package flag cannot.
func (f *connectFlags) check() error {
	switch {
	case f.count < 0:
		return fmt.Errorf("-n %d: the number of messages cannot be negative", f.count)
	case f.pingInterval < 0:
		return fmt.Errorf("-i %v: the time between two Pings cannot be negative", f.pingInterval)
	case f.readLimit == 0:
		return fmt.Errorf("--read-limit 0 would refuse every message; -1 means no limit")
	case f.timeout < 0:
		return fmt.Errorf("--timeout %v: the time cannot be negative", f.timeout)
	case f.json && f.pretty:
		return fmt.Errorf("--json and --pretty: only one can be; one event is one line")
	case f.key != "" && f.cert == "":
		return fmt.Errorf("--key: the certificate is missing (--cert)")
	case f.badField:
		return fmt.Errorf("-H: a header field has the form 'Name: value'")
	case f.user != "" && !strings.Contains(f.user, ":"):
		return fmt.Errorf("-u: it has to be USER:PASSWORD")
	case f.user != "" && f.header.Get("Authorization") != "":
		return fmt.Errorf("-u: the header has an Authorization already (-H)")
	}
	return nil
}

// endsByItself reports whether something says when to end, so that nobody has to be asked for more.
func (f *connectFlags) endsByItself() bool {
	return f.count > 0 || f.wait > 0 || f.expect != nil || f.timeout > 0
}
