package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"hawser.example/websocket/internal/notify"
)

// Bounds of a run. What is counted takes memory for each message and each connection.
const (
	maxLoadConnections = 1 << 20
	maxLoadMessages    = 1 << 20
	maxLoadSize        = 1 << 20 // what "hawser serve" takes
)

var loadVerb = verb{
	name:    "load",
	args:    "URL",
	maxArgs: 1,
	summary: "a load generator: how fast connections open, how long messages take, what is lost",
	help: `
It opens --connections to the topic of a "hawser serve", publishes --rate messages a second there for --duration, and
measures how long each takes to each connection. The topic is that of the URL (/topics/NAME), else --topic, else a new
one. With --echo it sends the messages over the connections instead, in turn, to a server that sends back what it gets,
and measures round trips. --rate is for all connections together.

Each message carries its number and the time when it was sent, and the server's answer to a publisher says how many
it went to, so what is lost or comes twice is counted exactly. The time begins when it is the message's turn, not when a
sender is free for it: if the server answers publishers so slowly that they wait, that is part of it. After the last
message it waits up to --wait for what is missing. "last receiver" is the time until all have got a message. Nothing is
compressed, no proxy is used, no redirect followed.

At the end there is a table: "-" is what was not measured, and if nothing was delivered there are no delays. It also
says whether the load generator itself was the limit, so that its figures say little about the server: if it used more
than 80 % of its cores, or if a timer of 5 ms that it watches meanwhile was more than 5 ms late (p99), as happens when a
server on the same machine takes all of it. It says so of connecting and of sending, each by itself.

With --json the result is one object; a field of what was not measured is left out. Times whose name ends with _ms are
in milliseconds, those named seconds in seconds; a spread of times is an object of p50, p99 and max.

  url                where connections went
  interrupted        whether a signal ended it early
  connections        asked, opened (how many), seconds (until the last was open), per_second
  connect_ms         spread of the times until a connection was open, and subscribed
  messages           planned, sent (how many), size (bytes of each), seconds (of sending), per_second; expected and
                     received (deliveries: each message to each connection), lost, twice, surplus (to more connections
                     than the server said)
  echo               whether with --echo
  delay_ms           spread of "delivery" in the table, with --echo of "round trip"
  last_receiver_ms   spread of the times until all connections had a message; not with --echo
  errors             how many there were of each kind
  other_subscribers  how many subscribers of the topic are not its own, at most
  generator          limit (whether it was the limit), cores; of connecting and of sending: cpu (its part of the time
                     of all cores, 0 to 1), timer_late_ms (p99), why (reasons why it was the limit, or empty)

A server whose subscribers need a token gets it in the URL, as ?token=TOKEN, the same one for all connections. --key is
a publish key, or a token that allows to publish.

It talks to this machine only, unless --remote says that it may talk to another.

Exit code: 0 when all connections were opened and kept and each message came to each once, 1 if it could not go on or
was interrupted, 2 for a wrong command line, 3 if there was no connection at all, 4 if anything was lost, doubled or
failed.

Examples:
  hawser load ws://127.0.0.1:8080
  hawser load --connections 5000 --ramp 500 --rate 20 --duration 1m --key "$KEY" ws://127.0.0.1:8080/topics/news
  hawser load --key "$PUBLISH" "ws://127.0.0.1:8080/topics/news?token=$SUBSCRIBE"
  hawser load --echo --size 1024 ws://127.0.0.1:9002/
  hawser load --remote --json wss://staging.example.com`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		var c loadConfig
		fs.IntVar(&c.connections, "connections", 100, "open `N` connections")
		fs.Var(&c.ramp, "ramp", "open connections at this `RAMP`: so many a second, such as 500, or all within a time, such as 10s\n"+
			"(default as fast as the server answers)")
		topic := fs.String("topic", "", "publish to the topic `NAME`")
		fs.StringVar(&c.key, "key", "",
			"publish with `KEY` as a bearer token\n(default the environment variable HAWSER_PUBLISH_KEY)")
		fs.Float64Var(&c.rate, "rate", 10, "send `N` messages a second")
		fs.IntVar(&c.size, "size", 128, "of `N` bytes each")
		fs.DurationVar(&c.duration, "duration", 10*time.Second, "for `DUR`, such as 30s or 5m")
		fs.DurationVar(&c.wait, "wait", 5*time.Second, "wait up to `DUR` for the last messages")
		fs.BoolVar(&c.echo, "echo", false, "measure round trips to a server that sends back what it gets")
		fs.BoolVar(&c.json, "json", false, "print the result as one JSON object, whose fields are below")
		remote := fs.Bool("remote", false, "the server may be another machine; it should be yours")
		c.trust.declare(fs)
		return func(args []string, std streams) int {
			if len(args) == 0 {
				return usageError(std, "load", "the URL is missing, such as ws://127.0.0.1:8080")
			}
			if c.key == "" && !c.echo {
				c.key = os.Getenv("HAWSER_PUBLISH_KEY")
			}
			if err := c.check(isSet(fs, "key")); err != nil {
				return usageError(std, "load", "%v", err)
			}
			if err := c.target(args[0], *topic, *remote); err != nil {
				return usageError(std, "load", "%v", err)
			}
			l, err := newLoad(c, std)
			if err != nil {
				return usageError(std, "load", "%v", err)
			}
			return l.run()
		}
	},
}

// A loadConfig says what a run is to do.
type loadConfig struct {
	url     *url.URL // where connections go
	publish string   // where messages are posted to; "" with echo
	key     string
	echo    bool
	json    bool
	trust   trust

	connections int
	ramp        ramp
	rate        float64
	size        int
	duration    time.Duration
	wait        time.Duration
}

// messages returns how many there will be.
func (c *loadConfig) messages() int { return int(math.Ceil(c.rate * c.duration.Seconds())) }

// check says what is wrong with the numbers.
func (c *loadConfig) check(keySet bool) error {
	switch {
	case c.connections < 1 || c.connections > maxLoadConnections:
		return fmt.Errorf("--connections %d: it has to be 1 to %d", c.connections, maxLoadConnections)
	case c.size < loadHeader || c.size > maxLoadSize:
		return fmt.Errorf("--size %d: it has to be %d, the room for number and time, to %d", c.size, loadHeader, maxLoadSize)
	case !(c.rate > 0) || math.IsInf(c.rate, 0):
		return fmt.Errorf("--rate %v: it has to be more than 0", c.rate)
	case c.duration <= 0:
		return fmt.Errorf("--duration %v: it has to be more than 0", c.duration)
	case c.rate*c.duration.Seconds() > maxLoadMessages:
		return fmt.Errorf("--rate and --duration make more than %d messages, too many to count each", maxLoadMessages)
	case c.wait < 0:
		return fmt.Errorf("--wait %v: it cannot be negative", c.wait)
	case c.echo && keySet:
		return errors.New("--key is for publishing, and with --echo nothing is published")
	}
	if c.key == "" {
		return nil
	}
	return notify.CheckKey(c.key)
}

// target says what is wrong with the URL, and takes it.
func (c *loadConfig) target(raw, topic string, remote bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return errors.New("the URL is not of the form ws://HOST:PORT")
	}
	publish := *u
	switch u.Scheme {
	case "ws", "http":
		u.Scheme, publish.Scheme = "ws", "http"
	case "wss", "https":
		u.Scheme, publish.Scheme = "wss", "https"
	default:
		return fmt.Errorf("the URL has the scheme %.20q; it has to be ws or wss", u.Scheme)
	}
	if !remote && !notify.IsLoopback(u.Host) {
		return fmt.Errorf("%.80q is not this machine. Nobody may load a server that is not theirs; --remote says that it is yours",
			u.Host)
	}
	c.url = u
	if c.echo {
		if topic != "" {
			return errors.New("--topic and --echo exclude each other: an echo has no topics")
		}
		return nil
	}
	path, err := topicPath(u.Path, topic)
	if err != nil {
		return err
	}
	u.Path, u.RawPath, publish.Path, publish.RawPath = path, "", path, ""
	publish.RawQuery, publish.ForceQuery = "", false // it may hold a subscriber's token
	c.publish = publish.String()
	return nil
}

// topicPath returns the path of the topic that the URL or the flag names, or else of a new one.
func topicPath(path, topic string) (string, error) {
	base, named, ok := strings.Cut(path, "/topics/")
	switch {
	case ok && topic != "" && topic != named:
		return "", fmt.Errorf("the URL names the topic %.80q, and --topic %.80q", named, topic)
	case ok:
		topic = named
	case topic == "":
		topic = "load-" + loadID()
	}
	return strings.TrimSuffix(base, "/") + "/topics/" + topic, nil
}

// A ramp is a flag that says how fast connections are opened. The zero value is: as fast as the server answers.
type ramp struct {
	perSecond float64       // 0: not so
	over      time.Duration // 0: not so
}

// String returns what Set has been given.
func (r *ramp) String() string {
	switch {
	case r.perSecond > 0:
		return strconv.FormatFloat(r.perSecond, 'g', -1, 64)
	case r.over > 0:
		return r.over.String()
	}
	return ""
}

// Set takes a rate or a duration.
func (r *ramp) Set(s string) error {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n > 0 && !math.IsInf(n, 0) {
		*r = ramp{perSecond: n}
		return nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		*r = ramp{over: d}
		return nil
	}
	return errors.New("it has to be connections a second, such as 500, or a duration with its unit, such as 10s")
}

// due returns when, from the beginning, connection i of n is opened.
func (r *ramp) due(i, n int) time.Duration {
	switch {
	case r.perSecond > 0:
		return seconds(float64(i) / r.perSecond)
	case r.over > 0:
		return seconds(r.over.Seconds() * float64(i) / float64(n))
	}
	return 0
}

// seconds returns s as a Duration, the longest there is if it is too long for one.
func seconds(s float64) time.Duration {
	if s >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
