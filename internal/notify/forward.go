package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hawser.example/websocket/internal/topic"
)

// This file asks another server who may do what: with a GET that has the client's credentials and says what is asked
// for. A status 2xx allows it, 401 and 403 refuse it, and anything else means that nobody knows.

// Bounds of a question.
const (
	forwardTime   = 5 * time.Second
	forwardBody   = 64 << 10 // bytes of an answer that are looked at
	forwardAtOnce = 256      // questions that are open
	forwardReason = 300      // bytes of a reason that are passed on
	maxTime       = 1 << 38  // seconds since 1970: the year 10680
)

// A forwarder asks an authorization service. Any number of goroutines may use it.
type forwarder struct {
	url    string
	client *http.Client
	open   chan struct{} // one element for each question that is open
}

// CheckAuthURL says what is wrong with the URL of an authorization service.
func CheckAuthURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it is not a URL such as http://127.0.0.1:9000/auth")
	case u.User != nil:
		return errors.New("it has a user in it, but the Authorization header that is sent there is the client's")
	}
	return nil
}

func newForwarder(url string) *forwarder {
	return &forwarder{
		url: url,
		client: &http.Client{
			Transport: &http.Transport{
				MaxIdleConnsPerHost: forwardAtOnce, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: forwardBody,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		open: make(chan struct{}, forwardAtOnce),
	}
}

// close gives the connections back that are kept for the next question.
func (f *forwarder) close() { f.client.CloseIdleConnections() }

// statusGone is what nobody sees: the client has gone.
const statusGone = 499

// ask asks whether the client of r may do action, which is subscribe or publish, with topics.
func (f *forwarder) ask(r *http.Request, client netip.Addr, action string, topics []string) (*Access, *Refusal) {
	select {
	case f.open <- struct{}{}:
		defer func() { <-f.open }()
	default:
		return nil, unavailable("", "it has %d questions open already", forwardAtOnce)
	}
	ctx, cancel := context.WithTimeout(r.Context(), forwardTime)
	defer cancel()
	res, err := f.client.Do(f.question(ctx, r, client, action, topics))
	switch {
	case r.Context().Err() != nil: // nobody's fault
		return nil, &Refusal{Status: statusGone, Code: "client_gone", Reason: "the client has gone"}
	case err != nil:
		return nil, unreachable(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, forwardBody+1))
	switch {
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, refusedBy(res, body)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, unavailable("its answer has status "+strconv.Itoa(res.StatusCode),
			"its answer has a status that means neither yes nor no")
	case err != nil:
		return nil, unavailable("reading its answer: "+err.Error(), "its answer did not arrive whole")
	case len(body) > forwardBody:
		return nil, unavailable("", "its answer is larger than %d bytes", forwardBody)
	}
	return granted(res, body, action, topics)
}

// question is the request to the service.
func (f *forwarder) question(ctx context.Context, r *http.Request, client netip.Addr, action string,
	topics []string) *http.Request {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		panic(err) // CheckAuthURL has found no fault with it
	}
	for _, name := range []string{"Authorization", "Cookie", "Origin", "User-Agent"} {
		if values := r.Header.Values(name); len(values) > 0 {
			q.Header[name] = values
		}
	}
	if r.Header.Get("User-Agent") == "" {
		q.Header["User-Agent"] = nil // not Go's
	}
	if jwt := r.URL.Query().Get(tokenParameter); jwt != "" { // as bearer: a header of another scheme is somebody else's
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			q.Header.Set("Authorization", "Bearer "+jwt)
		}
	}
	q.Header.Set("Accept", "application/json")
	if client.IsValid() {
		q.Header.Set("X-Forwarded-For", client.String())
	}
	q.Header.Set("X-Hawser-Action", action)
	q.Header.Set("X-Hawser-Topics", strings.Join(topics, ","))
	q.Header.Set("X-Original-URI", withoutToken(r.URL))
	return q
}

// withoutToken is the path and the query of u without the token, and else as they are.
func withoutToken(u *url.URL) string {
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil && plain != tokenParameter && part != "" {
			kept = append(kept, part)
		}
	}
	if kept == nil {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + strings.Join(kept, "&")
}

// unreachable is the refusal if there was no answer. The URL, and with it whatever is secret in it, is not in the log.
func unreachable(err error) *Refusal {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		return unavailable(err.Error(), "it did not answer within %v", forwardTime)
	}
	return unavailable(err.Error(), "it cannot be reached, or does not answer in HTTP")
}

// unavailable is the refusal if nobody knows. More is not told than that the service is to blame, and how; cause is for
// the log, and the same if it is empty.
func unavailable(cause, format string, args ...any) *Refusal {
	how := fmt.Sprintf(format, args...)
	refusal := retryLater(http.StatusServiceUnavailable, "auth_unavailable", 2*time.Second,
		"the authorization service gave no answer to go by: %s", how)
	refusal.cause = cmp.Or(cause, how)
	return refusal
}

// refusedBy passes on what the service has against it.
func refusedBy(res *http.Response, body []byte) *Refusal {
	r := &Refusal{
		Status: res.StatusCode, Code: "auth_refused", Header: http.Header{},
		Reason: fmt.Sprintf("the authorization service refuses it (%d)", res.StatusCode),
	}
	if why := reasonIn(body); why != "" {
		r.Reason += ": " + why
	}
	if res.StatusCode == http.StatusUnauthorized {
		challenges := res.Header.Values("Www-Authenticate")
		if len(challenges) == 0 {
			challenges = []string{"Bearer"}
		}
		r.Header["Www-Authenticate"] = challenges
	}
	return r
}

// reasonIn returns the error of a body {"error":"…"}, "" if it has none that is short and can be shown.
func reasonIn(body []byte) string {
	var answer struct{ Error string }
	if json.Unmarshal(body, &answer) != nil || len(answer.Error) > forwardReason || !utf8.ValidString(answer.Error) ||
		strings.ContainsFunc(answer.Error, unicode.IsControl) {
		return ""
	}
	return answer.Error
}

// granted reads what the service allows: what is in its JSON, or else what was asked for.
func granted(res *http.Response, body []byte, action string, topics []string) (*Access, *Refusal) {
	var lists struct {
		Sub, Pub *[]string
		Exp      *float64 // seconds since 1970, which need not be whole
		Name     string
	}
	contentType, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if contentType == "application/json" && len(body) > 0 {
		if err := json.Unmarshal(body, &lists); err != nil {
			return nil, unavailable("its JSON: "+err.Error(), `its JSON is not of the form {"sub":["…"],"pub":["…"],"exp":SECONDS,"name":"…"}`)
		}
	}
	access := &Access{Subject: lists.Name, Kind: byService}
	if lists.Exp != nil {
		access.Expires = time.UnixMilli(int64(max(0, min(*lists.Exp, maxTime)) * 1000))
		if !access.Expires.After(time.Now()) {
			return nil, unauthorized("auth_refused", "the authorization service says that the permission has expired")
		}
	}
	if lists.Sub == nil && lists.Pub == nil {
		if action == "publish" {
			access.Pub = topics
		} else {
			access.Sub = topics
		}
		return access, nil
	}
	for from, to := range map[*[]string]*[]string{lists.Sub: &access.Sub, lists.Pub: &access.Pub} {
		if from == nil {
			continue
		}
		for _, p := range *from {
			if !topic.ValidPattern(p) {
				return nil, unavailable(fmt.Sprintf("its JSON has %.80q in a list", p), "its JSON has something in a list that is no topic and no pattern of topics")
			}
		}
		*to = *from
	}
	return access, nil
}
