package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hawser.example/websocket"
)

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
	// steady is how long a connection has to last for the time before the next one to begin anew, unless a message has
	// come over it.
	steady = 10 * time.Second
)

// isWorthRetrying reports whether a handshake that failed for this may do better next time: the network, or the server,
// may recover, while a refusal and a certificate stay what they are.
func isWorthRetrying(err *websocket.HandshakeError) bool {
	switch {
	case isDistrust(err):
		return false
	case err.Status == 0:
		return slices.Contains([]string{"connect", "proxy", "tls", "request", "response"}, err.Check)
	}
	return err.Status >= 500 || err.Status == http.StatusTooManyRequests || err.Status == http.StatusRequestTimeout
}

// retry says why there is no connection, and when the next one will be tried.
func (c *client) retry(why error) {
	if !c.since.IsZero() && time.Since(c.since) > steady {
		c.tries = 0
	}
	c.since = time.Time{}
	wait := retryTime(c.tries, rand.Int64N)
	if hint := hintedTime(why); hint > 0 {
		wait = hint
	}
	c.tries++
	c.complain("%s; next try in %v", c.errorText(why), wait.Round(10*time.Millisecond))
	c.redial = time.After(wait)
}

// hint is how hawser serve says, in the reason of its Close, when to come back.
var hint = regexp.MustCompile(`\bretry=([0-9]{1,6})$`)

// hintedTime returns when the server wants to be asked again; 0 if it has not said so.
func hintedTime(why error) time.Duration {
	var closed *websocket.CloseError
	if !errors.As(why, &closed) {
		return 0
	}
	found := hint.FindStringSubmatch(closed.Reason)
	if found == nil {
		return 0
	}
	ms, _ := strconv.Atoi(found[1]) // these are digits, and few
	return min(time.Duration(ms)*time.Millisecond, lastRetry)
}

// ownWords puts what the library says of its fields in terms of the command line.
var ownWords = strings.NewReplacer(
	"(ReadLimit of the Upgrader or Dialer and SetReadLimit set it)", "(--read-limit sets it)",
	": dial that address, or set Dialer.MaxRedirects", ", which is not followed: name that address instead",
	"Dialer.Proxy failed: ", "",
	"Dialer.Proxy returned a proxy that cannot be used",
	"the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) cannot be used",
	", the limit set by CloseTimeout", "",
	"; set Dialer.Subprotocols", "; -s offers subprotocols",
	"; set Dialer.Compression", "; it offers compression unless there is --no-deflate",
)

// errorText is what is said of an error.
func (c *client) errorText(err error) string {
	text := err.Error()
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) {
		text = refusalText(refused)
	}
	text = ownWords.Replace(text)
	if c.shortUnix { // the URL is shown as it was typed
		text = strings.ReplaceAll(text, "ws+unix:", "unix:")
	}
	return text
}

// refusalText is what is said of a handshake that failed. Of an answer in JSON with an error, as hawser serve gives it,
// that is shown whole.
func refusalText(err *websocket.HandshakeError) string {
	var body struct{ Error string }
	plain := *err
	if json.Unmarshal(err.Body, &body) != nil || body.Error == "" {
		plain.Body = concealBody(err.Body)
		return plain.Error()
	}
	plain.Body = nil
	return plain.Error() + ": " + string(escapeText(concealBody([]byte(body.Error))))
}

// retryTime returns how long to wait after that many connections in vain: twice as long each time, and by half at
// random, so that the clients of a server that comes back do not all come at once. RFC 6455, section 7.2.3.
func retryTime(tries int, random func(int64) int64) time.Duration {
	wait := lastRetry
	if tries < 6 { // 500 ms · 2^6 is more than lastRetry
		wait = firstRetry << tries
	}
	return wait/2 + time.Duration(random(int64(wait/2)))
}
