package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hawser.example/websocket/internal/notify"
	"hawser.example/websocket/internal/topic"
)

// This file is a publisher that waits for its server.

const (
	postTime     = 30 * time.Second       // bounds an attempt, as does what is left of --retry
	lastTime     = time.Second            // at least, for an attempt that is not the first
	stopTime     = time.Second            // for one that is under way when we are to stop
	firstBackoff = 100 * time.Millisecond // bounds the wait before the second attempt
	longBackoff  = 5 * time.Second        // bounds all later ones, but for what the server asks for
	longAsked    = 5 * time.Minute        // bounds what the server asks for
)

// A linePublisher posts lines to a topic, one after the other over one connection.
type linePublisher struct {
	client *http.Client
	url    string
	key    string
	retry  time.Duration // how long a line is tried; 0: once; negative: for ever
	say    func(error)
}

func newLinePublisher(base, name, key string, retry time.Duration, t trust) (*linePublisher, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("--url: %.80q is not of the form http://HOST:PORT or https://HOST:PORT", concealURL(base))
	}
	if err := topic.Check(name); err != nil {
		return nil, err
	}
	if key != "" {
		if err := notify.CheckKey(key); err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
	}
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	transport.TLSHandshakeTimeout = postTime + stopTime // so that publish says when an attempt ends
	return &linePublisher{
		client: newPoster(transport, 0), url: u.JoinPath("topics", name).String(), key: key, retry: retry,
	}, nil
}

// A refusedError is why the server takes no lines: it said so, or could not be reached for too long.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// A laterError is why a line was not taken now.
type laterError struct {
	err   error
	after time.Duration // what the server asks to wait; 0: nothing
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

// errStopped is why a line was not taken when ctx had ended.
var errStopped = errors.New("stopped before the server had taken it")

// publish posts line until it is taken. Its error is errLeftOut, a *refusedError, or errStopped.
func (p *linePublisher) publish(ctx context.Context, line []byte) error {
	began := time.Now()
	for attempt := 0; ; attempt++ {
		err := p.post(ctx, line, p.attemptTime(attempt, time.Since(began)))
		var later *laterError
		switch {
		case ctx.Err() != nil && err != nil:
			return errStopped
		case !errors.As(err, &later):
			if attempt > 0 {
				p.say(fmt.Errorf("the server answers again, after %v", time.Since(began).Round(time.Millisecond)))
			}
			return err
		}
		left := p.retry - time.Since(began)
		if p.retry >= 0 && left <= 0 {
			return &refusedError{fmt.Errorf("given up after %v: %w", time.Since(began).Round(time.Millisecond), err)}
		}
		if attempt == 0 {
			p.say(fmt.Errorf("%w; trying again", err))
		}
		wait := max(later.after, backoff(attempt))
		if p.retry >= 0 {
			wait = min(wait, left)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// attemptTime bounds attempt number n, from 0, of a line that has been tried for so long.
func (p *linePublisher) attemptTime(n int, tried time.Duration) time.Duration {
	switch {
	case p.retry <= 0:
		return postTime
	case n == 0:
		return min(postTime, p.retry)
	}
	return min(postTime, max(p.retry-tried, lastTime))
}

// backoff returns how long to wait behind failed attempt number n, from 0: any time up to a bound that doubles, so that
// publishers that have lost their server together do not come back together.
func backoff(n int) time.Duration {
	bound := min(longBackoff, firstBackoff<<min(n, 16))
	return bound/10 + rand.N(bound)
}

// post tries once, and not for longer than bound. When ctx ends the server still has a moment to answer: else nobody
// knew whether it took the line.
func (p *linePublisher) post(ctx context.Context, line []byte, bound time.Duration) error {
	stop := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	late := func() bool { return ctx.Err() == context.DeadlineExceeded }
	noAnswer := &laterError{err: fmt.Errorf("no answer within %v", bound.Round(time.Millisecond))}
	defer context.AfterFunc(stop, func() { time.AfterFunc(stopTime, cancel) })()
	r, err := newPost(ctx, p.url, p.key, line)
	if err != nil {
		return &refusedError{err}
	}
	res, err := p.client.Do(r)
	var why *url.Error
	switch {
	case err != nil && late():
		return noAnswer
	case isDistrust(err):
		return &refusedError{fmt.Errorf("%w%s", errors.Unwrap(err), trustHint(err))}
	case errors.Is(err, http.ErrSchemeMismatch):
		return &refusedError{errors.Unwrap(err)}
	case errors.As(err, &why) && isTLSAlert(why.Err.Error()):
		return &refusedError{errSpeaksTLS}
	case errors.As(err, &why):
		return &laterError{err: why.Err}
	case err != nil:
		return &laterError{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPostAnswer))
	switch {
	case err != nil && late():
		return noAnswer
	case err != nil:
		return &laterError{err: err}
	}
	return judgePost(res, body)
}

// errSpeaksTLS is what is wrong with a URL of http where the server speaks TLS.
var errSpeaksTLS = errors.New("the server speaks TLS on this port: --url has to begin with https://")

// isTLSAlert reports whether an error of package http quotes a TLS record with an alert, where an answer should be.
// RFC 8446, section 5.1: its type, 21, and the version, 3.
func isTLSAlert(text string) bool { return strings.Contains(text, `malformed HTTP response "\x15\x03`) }

// saysTLS finds what common servers answer to a request without TLS on a port for TLS.
var saysTLS = regexp.MustCompile(
	`(?i)http request (was sent )?to (an )?https (server|port)|plain http to an ssl-enabled`)

// judgePost returns what an answer means.
func judgePost(res *http.Response, body []byte) error {
	if res.StatusCode/100 == 2 {
		return nil
	}
	err := fmt.Errorf("the server answered %s", res.Status)
	var why struct{ Error string }
	switch {
	case json.Unmarshal(body, &why) == nil && why.Error != "":
		err = fmt.Errorf("the server answered %d: %s", res.StatusCode, why.Error)
	case res.StatusCode == http.StatusBadRequest && res.Request.URL.Scheme == "http" && saysTLS.Match(body):
		return &refusedError{errSpeaksTLS}
	case res.StatusCode/100 == 3:
		err = fmt.Errorf("%w, which names %q: --url has to be where the server is", err, res.Header.Get("Location"))
	}
	switch res.StatusCode {
	case http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", err, errLeftOut)
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // absent, or a date: as if nothing was asked
		return &laterError{err, min(time.Duration(max(seconds, 0))*time.Second, longAsked)}
	}
	return &refusedError{err}
}
