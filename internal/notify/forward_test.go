package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// authService is an authorization service that answers with answer. It returns its URL.
func authService(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL + "/auth"
}

// The service is told who asks for what, with the client's credentials and without what is nobody's business.
func TestForwardAsks(t *testing.T) {
	var got *http.Request
	url := authService(t, func(w http.ResponseWriter, r *http.Request) { got = r })
	g := testGate(t, Config{AuthURL: url})
	r := from("192.0.2.1:1")
	r.URL.Path, r.URL.RawQuery = "/ws", "topic=a&token=t.o.k&topic=b.%3E&last-id=1-2"
	r.Header.Set("Cookie", "session=1")
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	r.Header.Set("X-Hawser-Action", "publish")
	r.Header.Set("X-Secret", "s")
	access, err := g.subscriber(r, []string{"a", "b.>"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(access.Sub, []string{"a", "b.>"}) || access.Pub != nil {
		t.Errorf("allowed %+v", access)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer t.o.k", "Cookie": "session=1", "Origin": "https://app.example",
		"X-Forwarded-For": "192.0.2.1", "X-Hawser-Action": "subscribe", "X-Hawser-Topics": "a,b.>",
		"X-Original-Uri": "/ws?topic=a&topic=b.%3E&last-id=1-2", "X-Secret": "", "User-Agent": "",
	} {
		if value := strings.Join(got.Header.Values(name), "|"); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if got.Method != "GET" || got.URL.Path != "/auth" || got.ContentLength != 0 {
		t.Errorf("asked with %s %s", got.Method, got.URL)
	}

	r = from("192.0.2.1:1")
	r.Header.Set("Authorization", "Basic dTpw") // of another scheme: it is passed on
	if access, err = g.publisher(r, []string{"c"}); err != nil || !slices.Equal(access.Pub, []string{"c"}) || access.Sub != nil {
		t.Errorf("publishing: %+v, %v", access, err)
	}
	if got.Header.Get("X-Hawser-Action") != "publish" || got.Header.Get("Authorization") != "Basic dTpw" {
		t.Errorf("asked with %v", got.Header)
	}
}

func TestWithoutToken(t *testing.T) {
	for uri, want := range map[string]string{
		"/a":                       "/a",
		"/a?token=x":               "/a",
		"/a?b=1&token=x&c=2":       "/a?b=1&c=2",
		"/a?%74oken=x":             "/a",
		"/a?token":                 "/a",
		"/a?tokens=x":              "/a?tokens=x",
		"/a?&&":                    "/a",
		"/a%2Fb?topic=c%26token=x": "/a%2Fb?topic=c%26token=x",
	} {
		if got := withoutToken(httptest.NewRequest("GET", uri, nil).URL); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

// TestForwardAnswers: each kind of answer, and what becomes of it.
func TestForwardAnswers(t *testing.T) {
	const json = "application/json"
	for _, row := range []struct {
		name              string
		status            int
		contentType, body string
		refused           int // 0: it is allowed
		code, says        string
		sub, pub          string
	}{
		{"allowed", 200, "", "", 0, "", "", "a", ""},
		{"allowed without a word", 204, "", "", 0, "", "", "a", ""},
		{"allowed, with a page", 200, "text/html", "<h1>ok</h1>", 0, "", "", "a", ""},
		{"allowed, with JSON that says nothing of topics", 200, json, `{"ok":true}`, 0, "", "", "a", ""},
		{"allowed, and more", 200, json, `{"sub":["a","b.>"],"pub":["c"],"name":"alice"}`, 0, "", "", "a b.>", "c"},
		{"narrowed", 200, json, `{"sub":["b"]}`, 403, "forbidden", `subscribing to "a" is not allowed; allowed is "b"`, "", ""},
		{"narrowed to nothing", 200, json, `{"sub":[]}`, 403, "forbidden", `nor is subscribing to anything else`, "", ""},
		{"only publishing", 200, json + "; charset=utf-8", `{"pub":[">"]}`, 403, "forbidden", `nor is subscribing to anything else`, "", ""},
		{"refused", 401, "", "", 401, "auth_refused", "refuses it (401)", "", ""},
		{"forbidden", 403, json, `{"error":"the account is closed"}`, 403, "auth_refused", "(403): the account is closed", "", ""},
		{"forbidden, with a long reason", 403, json, `{"error":"` + strings.Repeat("x", 301) + `"}`, 403, "auth_refused", "refuses it (403)", "", ""},
		{"forbidden, with a line break", 403, json, `{"error":"a\r\nb"}`, 403, "auth_refused", "refuses it (403)", "", ""},
		{"broken JSON", 200, json, `{"sub":["a"`, 503, "auth_unavailable", "its JSON is not of the form", "", ""},
		{"JSON of another form", 200, json, `{"sub":"a"}`, 503, "auth_unavailable", "its JSON is not of the form", "", ""},
		{"no pattern", 200, json, `{"sub":["a b"]}`, 503, "auth_unavailable", "no pattern of topics", "", ""},
		{"no such path", 404, "", "", 503, "auth_unavailable", "its answer has a status that means neither", "", ""},
		{"failure", 500, "", "", 503, "auth_unavailable", "its answer has a status that means neither", "", ""},
		{"elsewhere", 302, "", "", 503, "auth_unavailable", "its answer has a status that means neither", "", ""},
		{"too large", 200, json, `{"sub":["a"]}` + strings.Repeat(" ", forwardBody), 503, "auth_unavailable", "larger than 65536 bytes", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			url := authService(t, func(w http.ResponseWriter, r *http.Request) {
				if row.contentType != "" {
					w.Header().Set("Content-Type", row.contentType)
				}
				if row.status == 302 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(row.status)
				io.WriteString(w, row.body)
			})
			g := testGate(t, Config{AuthURL: url})
			access, err := g.subscriber(from("192.0.2.1:1"), []string{"a"})
			if row.refused == 0 {
				if err != nil || strings.Join(access.Sub, " ") != row.sub || strings.Join(access.Pub, " ") != row.pub {
					t.Errorf("%+v, %v", access, err)
				}
				return
			}
			r := wantCode(t, err, row.refused, row.code)
			if !strings.Contains(r.Reason, row.says) || strings.Contains(r.Reason, url) {
				t.Errorf("reason %q, want %q", r.Reason, row.says)
			}
			if challenge := r.Header.Get("Www-Authenticate"); row.refused == 401 && challenge != "Bearer" {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
}

// The service's word on when it ends, and its challenge, count.
func TestForwardPassesOn(t *testing.T) {
	url := authService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") == "" {
			w.Header().Set("WWW-Authenticate", `Login realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"sub":["a"],"exp":1900000000,"name":"alice"}`)
	})
	g := testGate(t, Config{AuthURL: url})
	_, err := g.subscriber(from("192.0.2.1:1"), []string{"a"})
	if r := wantCode(t, err, 401, "auth_refused"); r.Header.Get("Www-Authenticate") != `Login realm="x"` {
		t.Errorf("header %v", r.Header)
	}
	r := from("192.0.2.1:1")
	r.Header.Set("Cookie", "session=1")
	access, err := g.subscriber(r, []string{"a"})
	if err != nil || access.Expires.Unix() != 1900000000 || access.Subject != "alice" {
		t.Errorf("%+v, %v", access, err)
	}
}

// roundTripper is the network between a server and its authorization service.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// forwardOver returns a gate whose questions go over rt.
func forwardOver(t *testing.T, rt roundTripper) *gate {
	g := testGate(t, Config{AuthURL: "http://auth.example/"})
	g.rules.Load().forward.client.Transport = rt
	return g
}

// TestForwardIsBounded: a service that does not answer, or not to the end, holds nobody up for more than 5 s, nor many
// at once.
func TestForwardIsBounded(t *testing.T) {
	silent := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	halfway := func(r *http.Request) (*http.Response, error) {
		body, w := io.Pipe()
		context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: r}, nil
	}
	unreachable := func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to auth.example") }
	for _, row := range []struct {
		name string
		rt   roundTripper
		says string
		took time.Duration
	}{
		{"silent", silent, "did not answer within 5s", forwardTime},
		{"halfway", halfway, "did not arrive whole", forwardTime},
		{"unreachable", unreachable, "cannot be reached", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := forwardOver(t, row.rt)
				began := time.Now()
				_, err := g.subscriber(from("192.0.2.1:1"), []string{"a"})
				r := wantCode(t, err, 503, "auth_unavailable")
				if !strings.Contains(r.Reason, row.says) || strings.Contains(r.Reason, "auth.example") {
					t.Errorf("reason %q, want %q", r.Reason, row.says)
				}
				if took := time.Since(began); took != row.took {
					t.Errorf("took %v, want %v", took, row.took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		g := forwardOver(t, silent)
		for i := range forwardAtOnce {
			go g.subscriber(from(fmt.Sprintf("192.0.2.1:%d", i)), []string{"a"})
		}
		synctest.Wait()
		began := time.Now()
		_, err := g.subscriber(from("192.0.2.1:1"), []string{"a"})
		if r := wantCode(t, err, 503, "auth_unavailable"); !strings.Contains(r.Reason, "256 questions open") || time.Since(began) != 0 {
			t.Errorf("reason %q after %v", r.Reason, time.Since(began))
		}
		time.Sleep(forwardTime)
		synctest.Wait()
		if n := len(g.rules.Load().forward.open); n != 0 {
			t.Errorf("%d questions are still open", n)
		}
	})
}

// A client that has left is not waited for.
func TestForwardEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := forwardOver(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := g.subscriber(from("192.0.2.1:1").WithContext(ctx), []string{"a"}); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestCheckAuthURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://127.0.0.1:9000/auth": true, "https://auth.example/?x=1": true,
		"": false, "auth.example": false, "ftp://auth.example/": false, "http:///auth": false, "http://u:p@auth.example/": false, "http://a b/": false,
	} {
		if err := CheckAuthURL(url); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A token in the query is asked about as a bearer token, also if a proxy has added a header of its own.
func TestForwardPrefersTheToken(t *testing.T) {
	var got string
	url := authService(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") })
	g := testGate(t, Config{AuthURL: url})
	r := from("192.0.2.1:1")
	r.URL.RawQuery = "token=t"
	r.Header.Set("Authorization", "Basic dTpw")
	if _, err := g.subscriber(r, []string{"a"}); err != nil || got != "Bearer t" {
		t.Errorf("asked with %q, %v", got, err)
	}
}

// What has expired already allows nothing.
func TestForwardExpired(t *testing.T) {
	answer := ""
	url := authService(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	})
	g := testGate(t, Config{AuthURL: url})
	for _, exp := range []string{"0", "1", "-1", fmt.Sprint(time.Now().Unix() - 1), "-1e300"} {
		answer = `{"pub":["a"],"exp":` + exp + `}`
		_, err := g.publisher(from("192.0.2.1:1"), []string{"a"})
		wantCode(t, err, 401, "auth_refused")
	}
	now := time.Now().Unix()
	for _, exp := range []string{fmt.Sprint(now + 60), fmt.Sprintf("%d.75", now+60), "1e300"} {
		answer = `{"pub":["a"],"exp":` + exp + `}`
		access, err := g.publisher(from("192.0.2.1:1"), []string{"a"})
		if err != nil || access.Expires.Unix() < now+60 {
			t.Errorf("exp %s: %+v, %v", exp, access, err)
		}
	}
}

// That a client does not wait for the answer is no fault of the service.
func TestForwardOfAClientThatHasGone(t *testing.T) {
	url := authService(t, func(w http.ResponseWriter, r *http.Request) {})
	g := testGate(t, Config{AuthURL: url})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := g.subscriber(from("192.0.2.1:1").WithContext(ctx), []string{"a"})
	wantCode(t, err, statusGone, "client_gone")
}

// A page of another host may not publish with its visitor's cookies.
func TestForwardIsNotAskedForPagesOfOtherHosts(t *testing.T) {
	url := authService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "s=1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	s := testServer(t, Config{AuthURL: url, Origins: []string{"https://app.example"}})
	for origin, want := range map[string]int{
		"": 200, "http://example.com": 200, "https://app.example": 200, "https://evil.example": 403, "null": 403,
	} {
		for _, h := range []http.Handler{s, s.PublishHandler()} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "http://example.com/topics/a", strings.NewReader("x"))
			r.Header.Set("Cookie", "s=1")
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			if h.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%q: status %d, %s; want %d", origin, w.Code, w.Body, want)
			}
		}
	}
}
