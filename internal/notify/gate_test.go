package notify

import (
	"bytes"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket/internal/token"
)

var (
	jwtSecret   = []byte("this is a secret of thirty-two b")
	otherSecret = []byte("that is a secret of thirty-two b")
	jwtPrivate  = ed25519.NewKeyFromSeed(slices.Repeat([]byte{1}, ed25519.SeedSize))

	// withTokens is a server for tokens of both kinds, with a publish key and a public topic.
	withTokens = Config{
		PublishKeys: []string{"sesame"},
		JWT:         token.Verifier{Secrets: [][]byte{jwtSecret}, PublicKeys: []ed25519.PublicKey{jwtPrivate.Public().(ed25519.PublicKey)}},
		Public:      []string{"open.>"},
	}
)

// jwt returns a token that is signed with jwtSecret.
func jwt(t *testing.T, c token.Claims) string {
	t.Helper()
	s, err := token.SignHS256(jwtSecret, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// carrying is a request with Authorization fields and a query.
func carrying(query string, authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "/topics/a?"+query, nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

// TestWrongTokensAreToldWhy: each mistake has a message of its own, none shows a secret, and status and challenge are
// those of RFC 6750.
func TestWrongTokensAreToldWhy(t *testing.T) {
	now := time.Now()
	good := jwt(t, token.Claims{Sub: []string{"a"}})
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	foreign, _ := token.SignHS256(otherSecret, token.Claims{Sub: []string{"a"}})
	otherKey, _ := token.SignEdDSA(ed25519.NewKeyFromSeed(slices.Repeat([]byte{2}, ed25519.SeedSize)), token.Claims{Sub: []string{"a"}})
	none := "eyJhbGciOiJub25lIn0." + payload + "." + signature
	rs256 := "eyJhbGciOiJSUzI1NiJ9." + payload + "." + signature
	bearer := func(s string) *http.Request { return carrying("", "Bearer "+s) }
	seen := make(map[string]string)
	for _, row := range []struct {
		name   string
		r      *http.Request
		status int
		code   string
		says   string
	}{
		{"none", carrying(""), 401, "no_token", `^a token is missing: send the header Authorization: Bearer TOKEN, or \?token=TOKEN$`},
		{"a malformed query", carrying("token=%zz"), 400, "request", `query is malformed`},
		{"an empty parameter", carrying("token="), 401, "malformed", `parameter token in the query is empty`},
		{"two parameters", carrying("token=" + good + "&token=" + good), 401, "malformed", `more than one parameter token`},
		{"two headers", carrying("", "Bearer "+good, "Bearer "+good), 401, "malformed", `Bearer TOKEN, and there are 2`},
		{"another scheme", carrying("", "Basic dTpw"), 401, "malformed", `it has another scheme`},
		{"no space", carrying("", "Bearer"+good), 401, "malformed", `it has another scheme`},
		{"an empty header", carrying("", "Bearer "), 401, "malformed", `there is nothing behind Bearer`},
		{"two tokens", carrying("token="+good, "Bearer "+foreign), 401, "malformed", `two tokens that differ`},
		{"a key that is wrong", bearer("sesam"), 401, "wrong_key", `the key is wrong, and it is no token either`},
		{"too large", bearer(strings.Repeat("x.", 5000)), 401, "malformed", `has 10000 bytes; at most 8192`},
		{"two parts", bearer(header + "." + payload), 401, "malformed", `it has 2 of 3 parts`},
		{"five parts", bearer("a.b.c.d.e"), 401, "malformed", `five parts: it is encrypted`},
		{"no signature", bearer(header + "." + payload + "."), 401, "malformed", `empty signature`},
		{"a cut header", bearer(header[1:] + "." + payload + "." + signature), 401, "malformed", `header that is not`},
		{"a space in it", bearer("a b." + payload + "." + signature), 401, "malformed", `character ' ' in its header`},
		{"alg none", bearer(none), 401, "algorithm", `is not signed \(alg "none"\)`},
		{"alg RS256", bearer(rs256), 401, "algorithm", `signed with "RS256"`},
		{"a changed signature", bearer(header + "." + payload + "." + "A" + signature[1:]), 401, "signature", `wrong signature`},
		{"another secret", bearer(foreign), 401, "signature", `wrong signature`},
		{"another key", bearer(otherKey), 401, "signature", `wrong signature`},
		{"a short signature", bearer(header + "." + payload + ".AAAA"), 401, "signature", `signature of 3 bytes`},
		{"expired", bearer(jwt(t, token.Claims{Sub: []string{"a"}, Expires: now.Add(-time.Hour)})), 401, "expired", `has expired at`},
		{"not yet", bearer(jwt(t, token.Claims{Sub: []string{"a"}, NotBefore: now.Add(time.Hour)})), 401, "not_yet", `is not valid before`},
		{"of the future", bearer(jwt(t, token.Claims{Sub: []string{"a"}, IssuedAt: now.Add(time.Hour)})), 401, "not_yet", `issued in the future`},
		{"no pattern in sub", bearer(jwt(t, token.Claims{Sub: []string{"a", "b/c"}})), 401, "claims", `claim "sub" with "b/c", which is no topic`},
		{"no pattern in pub", bearer(jwt(t, token.Claims{Sub: []string{"a"}, Pub: []string{"*"}})), 401, "claims", `claim "pub" with "\*", which is no topic`},
		{"another topic", bearer(jwt(t, token.Claims{Sub: []string{"b", "a.>"}})), 403, "forbidden", `subscribing to "a" is not allowed; allowed is "b", "a\.>", "open\.>"$`},
		{"publishing only", bearer(jwt(t, token.Claims{Pub: []string{">"}})), 403, "forbidden", `subscribing to "a" is not allowed; allowed is "open\.>"$`},
		{"in the query", carrying("token=" + foreign), 401, "signature", `wrong signature`},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := testGate(t, withTokens)
			_, err := g.subscriber(row.r, []string{"a"})
			r := wantCode(t, err, row.status, row.code)
			if !regexp.MustCompile(row.says).MatchString(r.Reason) {
				t.Errorf("reason %q, want %q", r.Reason, row.says)
			}
			want := map[bool]string{true: "Bearer", false: `Bearer error="invalid_token"`}[row.code == "no_token"]
			switch row.status {
			case 403:
				want = `Bearer error="insufficient_scope"`
			case 400:
				want = ""
			}
			if got := r.Header.Get("Www-Authenticate"); got != want {
				t.Errorf("WWW-Authenticate: %q, want %q", got, want)
			}
			for _, secret := range []string{string(jwtSecret), "sesame", payload, signature} {
				if strings.Contains(r.Reason, secret) {
					t.Errorf("reason %q shows %q", r.Reason, secret)
				}
			}
			seen[r.Reason] = row.name
		})
	}
	if len(seen) < 24 {
		t.Errorf("only %d messages", len(seen))
	}
}

// TestWhoMaySubscribe goes over what can be configured, and what can be sent.
func TestWhoMaySubscribe(t *testing.T) {
	toA := jwt(t, token.Claims{Sub: []string{"a"}, Pub: []string{"b"}, Name: "alice", Expires: time.Now().Add(time.Hour)})
	open := Config{PublishKeys: []string{"sesame"}}
	for _, row := range []struct {
		name     string
		cfg      Config
		r        *http.Request
		patterns string
		sub, pub string // what is allowed; "" is nothing
		status   int    // if it is refused
	}{
		{"everybody, where nothing is configured", open, carrying(""), "a b.>", ">", "", 0},
		{"whatever else is in the header", open, carrying("", "Basic x"), "a", ">", "", 0},
		{"whatever else is in the query", open, carrying("token=x&token=y"), "a", ">", "", 0},
		{"a publisher", open, carrying("", "Bearer sesame"), "a", ">", ">", 0},
		{"with --dev", Config{Dev: true}, carrying(""), "a", ">", ">", 0},
		{"a token", withTokens, carrying("", "Bearer "+toA), "a", "a open.>", "b", 0},
		{"a token in the query", withTokens, carrying("token=" + toA), "a", "a open.>", "b", 0},
		{"the same in both", withTokens, carrying("token="+toA, "bearer  "+toA), "a", "a open.>", "b", 0},
		{"a token beside another scheme", withTokens, carrying("token="+toA, "Basic x"), "a", "a open.>", "b", 0},
		{"a token for one of two", withTokens, carrying("token=" + toA), "a c", "", "", 403},
		{"a token for a pattern that is wider", withTokens, carrying("token=" + toA), ">", "", "", 403},
		{"a token and a public topic", withTokens, carrying("token=" + toA), "a open.x", "a open.>", "b", 0},
		{"a public topic", withTokens, carrying(""), "open.x", "open.>", "", 0},
		{"a public pattern", withTokens, carrying(""), "open.>", "open.>", "", 0},
		{"a public topic and another", withTokens, carrying(""), "open.x a", "", "", 401},
		{"a public topic with a wrong token", withTokens, carrying("token=x.y.z"), "open.x", "", "", 401},
		{"no topic and no token", withTokens, carrying(""), "", "open.>", "", 0},
		{"no topic, no token, and none is public", Config{JWT: withTokens.JWT}, carrying(""), "", "", "", 401},
		{"no topic and a token", withTokens, carrying("token=" + toA), "", "a open.>", "b", 0},
		{"a publisher among tokens", withTokens, carrying("", "Bearer sesame"), "", "open.>", ">", 0},
		{"a publisher who subscribes", withTokens, carrying("", "Bearer sesame"), "a", "", "", 403},
	} {
		g := testGate(t, row.cfg)
		access, err := g.subscriber(row.r, strings.Fields(row.patterns))
		if row.status != 0 {
			if r, ok := err.(*Refusal); !ok || r.Status != row.status {
				t.Errorf("%s: %+v, %v; want %d", row.name, access, err, row.status)
			}
			continue
		}
		if err != nil || strings.Join(access.Sub, " ") != row.sub || strings.Join(access.Pub, " ") != row.pub {
			t.Errorf("%s: %+v, %v", row.name, access, err)
		}
	}
	access, err := testGate(t, withTokens).subscriber(carrying("token="+toA), []string{"a"})
	if err != nil || access.Subject != "alice" || time.Until(access.Expires) < time.Hour {
		t.Errorf("%+v, %v", access, err)
	}
}

// TestWhoMayPublish does the same for publishers.
func TestWhoMayPublish(t *testing.T) {
	onB := jwt(t, token.Claims{Pub: []string{"b"}, Name: "alice"})
	anonymous := jwt(t, token.Claims{Pub: []string{"b"}})
	keys := Config{PublishKeys: []string{"sesame", "open"}}
	for _, row := range []struct {
		name    string
		cfg     Config
		r       *http.Request
		topics  string
		subject string
		status  int
		code    string
		says    string
	}{
		{"the first key", keys, carrying("", "Bearer sesame"), "a b", "publish key 1", 0, "", ""},
		{"the second key", keys, carrying("", "Bearer open"), "a", "publish key 2", 0, "", ""},
		{"the key in the query", keys, carrying("token=open"), "a", "publish key 2", 0, "", ""},
		{"no key", keys, carrying(""), "a", "", 401, "no_token", "publishing needs a key: send the header Authorization: Bearer KEY"},
		{"a wrong key", keys, carrying("", "Bearer sesam"), "a", "", 401, "wrong_key", "the key is wrong"},
		{"a token where there are none", keys, carrying("", "Bearer "+onB), "a", "", 401, "wrong_key", "the key is wrong"},
		{"with --dev", Config{Dev: true}, carrying(""), "a", "192.0.2.1", 0, "", ""},
		{"a token", withTokens, carrying("", "Bearer "+onB), "b", "alice", 0, "", ""},
		{"a token without a name", withTokens, carrying("", "Bearer "+anonymous), "b", "token " + nickname(anonymous), 0, "", ""},
		{"a token for another topic", withTokens, carrying("", "Bearer "+onB), "b a", "", 403, "forbidden", `publishing on "a" is not allowed; allowed is "b"`},
		{"no token", withTokens, carrying(""), "b", "", 401, "no_token", "publishing needs a token"},
		{"a public topic", withTokens, carrying(""), "open.x", "", 401, "no_token", "publishing needs a token"},
		{"the key among tokens", withTokens, carrying("", "Bearer sesame"), "a", "publish key 1", 0, "", ""},
	} {
		access, err := testGate(t, row.cfg).publisher(row.r, strings.Fields(row.topics))
		if row.status != 0 {
			if r := wantCode(t, err, row.status, row.code); !strings.Contains(r.Reason, row.says) {
				t.Errorf("%s: %q, want %q", row.name, r.Reason, row.says)
			}
			continue
		}
		if err != nil || access.Subject != row.subject {
			t.Errorf("%s: %+v, %v", row.name, access, err)
		}
	}
}

// With tokens and a service to ask, who has a token is judged by it, and the service is asked about all others.
func TestTokensBesideAnAuthorizationService(t *testing.T) {
	asked := 0
	cfg := withTokens
	cfg.AuthURL = authService(t, func(w http.ResponseWriter, r *http.Request) { asked++ })
	g := testGate(t, cfg)
	if _, err := g.subscriber(carrying("token="+jwt(t, token.Claims{Sub: []string{"a"}})), []string{"a"}); err != nil || asked != 0 {
		t.Errorf("a token: %v, asked %d times", err, asked)
	}
	if _, err := g.subscriber(carrying("token=x.y.z"), []string{"a"}); err == nil || asked != 0 {
		t.Errorf("a wrong token: %v, asked %d times", err, asked)
	}
	if _, err := g.subscriber(carrying("", "Basic x"), []string{"a"}); err != nil || asked != 1 {
		t.Errorf("no token: %v, asked %d times", err, asked)
	}
	if _, err := g.subscriber(carrying(""), []string{"open.x"}); err != nil || asked != 1 {
		t.Errorf("a public topic: %v, asked %d times", err, asked)
	}
	if _, err := g.publisher(carrying("", "Bearer sesame"), []string{"a"}); err != nil || asked != 1 {
		t.Errorf("the publish key: %v, asked %d times", err, asked)
	}
	if _, err := g.subscriber(carrying(""), nil); err != nil || asked != 2 {
		t.Errorf("no topic yet: %v, asked %d times", err, asked)
	}
}

// TestGateRefusesAConfiguration that makes no sense, and goes on with the one that it has.
func TestGateRefusesAConfiguration(t *testing.T) {
	g := testGate(t, Config{PublishKeys: []string{"sesame"}, Limits: Limits{Connections: 7}})
	for name, cfg := range map[string]Config{
		"nobody could publish":  {},
		"an empty key":          {PublishKeys: []string{"a", ""}},
		"a key with a space":    {PublishKeys: []string{"a "}},
		"a public non-pattern":  {PublishKeys: []string{"a"}, Public: []string{"a b"}},
		"a bad origin":          {PublishKeys: []string{"a"}, Origins: []string{"://"}},
		"a negative limit":      {PublishKeys: []string{"a"}, Limits: Limits{Queue: -1}},
		"a URL that is no such": {AuthURL: "x"},
	} {
		if err := new(gate).configure(cfg, newMeters()); err == nil {
			t.Errorf("%s: a new gate takes it", name)
		}
		if err := g.replace(cfg); err == nil {
			t.Errorf("%s: it is taken", name)
		} else if strings.Contains(err.Error(), "a ") && strings.Contains(err.Error(), `"a "`) {
			t.Errorf("%s: %v shows a key", name, err)
		}
	}
	if _, err := g.publisher(carrying("", "Bearer sesame"), []string{"a"}); err != nil || g.limits().Connections != 7 {
		t.Errorf("what was there before: %v, %+v", err, g.limits())
	}
	if err := g.replace(Config{PublishKeys: []string{"open"}}); err != nil {
		t.Fatal(err)
	}
	_, err := g.publisher(carrying("", "Bearer sesame"), []string{"a"})
	wantCode(t, err, 401, "wrong_key")
	if _, err := g.publisher(carrying("", "Bearer open"), []string{"a"}); err != nil || g.limits().Connections != 0 {
		t.Errorf("what was put in its place: %v, %+v", err, g.limits())
	}
}

func TestGateJudgesOrigins(t *testing.T) {
	g := testGate(t, Config{PublishKeys: []string{"x"}, Origins: []string{"https://app.example"}})
	for origin, ok := range map[string]bool{
		"": true, "http://example.com": true, "https://app.example": true, "https://evil.example": false, "null": false,
	} {
		r := carrying("") // its Host is example.com
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		err := g.checkOrigin(r)
		if ok && err != nil {
			t.Errorf("%q: %v", origin, err)
		}
		if !ok {
			wantCode(t, err, 403, "origin")
		}
	}
	r := carrying("")
	r.Header["Origin"] = []string{"https://app.example", "https://evil.example"}
	wantCode(t, g.checkOrigin(r), 400, "origin")
}

// A server that asks nobody any more, after it has read its configuration again, does not begin that in silence.
func TestOpeningIsLogged(t *testing.T) {
	var log bytes.Buffer
	cfg := withTokens
	cfg.PublishKeys = []string{"sesame"}
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := &Server{}
	open := cfg
	open.JWT = token.Verifier{}
	if err := s.gate.configure(cfg, newMeters()); err != nil {
		t.Fatal(err)
	}
	for i, row := range []struct {
		next Config
		want int
	}{{cfg, 0}, {open, 1}, {open, 1}, {cfg, 1}} {
		err := s.gate.replace(row.next)
		if n := strings.Count(log.String(), "level=WARN msg=\"everybody may subscribe"); err != nil || n != row.want {
			t.Errorf("step %d: %d warnings, want %d; %v", i, n, row.want, err)
		}
	}
}

// TestRefusalsAreLoggedWithoutSecrets: the log and the metrics say what was refused and why; no token and no query is
// in them.
func TestRefusalsAreLoggedWithoutSecrets(t *testing.T) {
	var log bytes.Buffer
	cfg := withTokens
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := &Server{}
	if err := s.gate.configure(cfg, newMeters()); err != nil {
		t.Fatal(err)
	}
	foreign, _ := token.SignHS256(otherSecret, token.Claims{Sub: []string{"a"}})
	for _, r := range []*http.Request{carrying("token=" + foreign), carrying("", "Bearer "+foreign), carrying("", "Bearer wrong-key")} {
		_, err := s.gate.subscriber(r, []string{"a"})
		w := httptest.NewRecorder()
		s.refuse(w, r, err)
		if w.Code != 401 || !strings.HasPrefix(w.Body.String(), `{"error":"the `) || w.Header().Get("Www-Authenticate") == "" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	text := log.String()
	if n := strings.Count(text, "reason=signature status=401 client=192.0.2.1 method=GET path=/topics/a "); n != 2 {
		t.Errorf("%d lines in\n%s", n, text)
	}
	for _, secret := range []string{foreign, foreign[len(foreign)-20:], "wrong-key", "token=", string(jwtSecret), "sesame"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log shows %q:\n%s", secret, text)
		}
	}
	if n := s.gate.meters.refusals.With("signature").Value(); n != 2 {
		t.Errorf("%d are counted", n)
	}
}
