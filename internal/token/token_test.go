package token

import (
	"crypto/ed25519"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// now is the time at which the tokens of these tests are looked at.
var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var (
	secret      = []byte("this is a secret of thirty-two b")
	otherSecret = []byte("that is a secret of thirty-two b")
	private     = ed25519.NewKeyFromSeed(slices.Repeat([]byte{1}, ed25519.SeedSize))
	public      = private.Public().(ed25519.PublicKey)
	otherKey    = ed25519.NewKeyFromSeed(slices.Repeat([]byte{2}, ed25519.SeedSize))

	both = &Verifier{Secrets: [][]byte{secret}, PublicKeys: []ed25519.PublicKey{public}}
)

// signed returns a token with header and payload as they stand, signed with secret whatever the header says.
func signed(header, payload string) string {
	s := base64url.EncodeToString([]byte(header)) + "." + base64url.EncodeToString([]byte(payload))
	return s + "." + base64url.EncodeToString(hs256(secret, s))
}

// claiming returns a token whose only flaw is its payload.
func claiming(payload string) string { return signed(`{"alg":"HS256","typ":"JWT"}`, payload) }

// good is what a valid token claims.
func good() Claims {
	return Claims{
		Sub: []string{"a", "b.>"}, Pub: []string{"c"}, Name: "alice",
		Expires: now.Add(time.Hour), NotBefore: now.Add(-time.Hour), IssuedAt: now.Add(-time.Minute),
	}
}

func hs(t *testing.T, c Claims) string {
	t.Helper()
	token, err := SignHS256(secret, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func ed(t *testing.T, key ed25519.PrivateKey, c Claims) string {
	t.Helper()
	token, err := SignEdDSA(key, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// parts returns the parts of a valid token.
func parts(t *testing.T) (header, payload, signature string) {
	p := strings.Split(hs(t, good()), ".")
	return p[0], p[1], p[2]
}

func TestVerifyReturnsWhatWasSigned(t *testing.T) {
	for name, token := range map[string]string{"HS256": hs(t, good()), "EdDSA": ed(t, private, good())} {
		got, err := both.Verify(token, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := good()
		if !slices.Equal(got.Sub, want.Sub) || !slices.Equal(got.Pub, want.Pub) || got.Name != want.Name ||
			!got.Expires.Equal(want.Expires) || !got.NotBefore.Equal(want.NotBefore) || !got.IssuedAt.Equal(want.IssuedAt) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// A token of RFC 8037, appendix A.4, is judged up to its payload, which is no JSON: its signature is good.
func TestVerifyTheExampleOfRFC8037(t *testing.T) {
	key, err := base64url.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if err != nil {
		t.Fatal(err)
	}
	const example = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6" +
		"dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	v := &Verifier{PublicKeys: []ed25519.PublicKey{key}}
	if _, err := v.Verify(example, now); err == nil || !strings.Contains(err.Error(), "payload that is not a JSON object") {
		t.Errorf("got %v", err)
	}
	if _, err := v.Verify(example[:len(example)-2]+"AQ", now); err == nil || !strings.Contains(err.Error(), "wrong signature") {
		t.Errorf("another signature: got %v", err)
	}
}

// Keys are rotated: while there are two, tokens of both are good.
func TestVerifyTriesAllKeys(t *testing.T) {
	v := &Verifier{
		Secrets:    [][]byte{otherSecret, secret},
		PublicKeys: []ed25519.PublicKey{otherKey.Public().(ed25519.PublicKey), public},
	}
	for _, token := range []string{hs(t, good()), ed(t, private, good())} {
		if _, err := v.Verify(token, now); err != nil {
			t.Error(err)
		}
	}
}

// TestWrongTokens: each mistake has a message of its own.
func TestWrongTokens(t *testing.T) {
	header, payload, signature := parts(t)
	onlySecret := &Verifier{Secrets: [][]byte{secret}}
	onlyKey := &Verifier{PublicKeys: []ed25519.PublicKey{public}}
	expired, early, future := good(), good(), good()
	expired.Expires = now.Add(-Leeway)
	early.NotBefore = now.Add(Leeway + time.Second)
	future.IssuedAt = now.Add(Leeway + time.Second)
	// The public key as the secret of HS256: what algorithm confusion is.
	confused := base64url.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + payload
	confused += "." + base64url.EncodeToString(hs256(public, confused))
	edParts := strings.Split(ed(t, private, good()), ".")

	seen := make(map[string]string)
	for _, row := range []struct {
		name  string
		v     *Verifier
		token string
		code  string
		says  string
	}{
		{"empty", both, "", "malformed", `^the token is empty$`},
		{"too long", both, strings.Repeat("x", MaxSize+1), "malformed", `has 8193 bytes; at most 8192`},
		{"no token at all", both, "hello", "malformed", `it has 1 of 3 parts`},
		{"two parts", both, header + "." + payload, "malformed", `it has 2 of 3 parts`},
		{"encrypted", both, "a.b.c.d.e", "malformed", `encrypted \(JWE\)`},
		{"no header", both, "." + payload + "." + signature, "malformed", `has an empty header`},
		{"no payload", both, header + ".." + signature, "malformed", `has an empty payload`},
		{"no signature", both, header + "." + payload + ".", "malformed", `has an empty signature`},
		{"padding", both, header + "=." + payload + "." + signature, "malformed", `padding \(=\) in its header`},
		{"base64, not base64url", both, header + "+." + payload + "." + signature, "malformed", `character '\+' in its header`},
		{"a line break", both, header + "\n." + payload + "." + signature, "malformed", `character '\\n' in its header`},
		{"a header cut off", both, header[:1] + "." + payload + "." + signature, "malformed", `header that is not base64url`},
		{"a signature that is no base64url", both, header + "." + payload + "." + signature[:42] + "!", "malformed", `'!' in its signature`},
		{"bits too many", both, header + "." + payload + "." + signature[:42] + "_", "malformed", `signature that is not base64url.*bits too many`},
		{"a header that is no JSON", both, signed("alg: HS256", "{}"), "malformed", `header that is not a JSON object`},
		{"a header that is not UTF-8", both, signed("{\"alg\":\"\xff\"}", "{}"), "malformed", `header that is not UTF-8`},
		{"two algorithms", both, signed(`{"alg":"HS256","alg":"none"}`, "{}"), "malformed", `has "alg" twice in its header`},
		{"demands", both, signed(`{"alg":"HS256","crit":["b64"],"b64":false}`, "{}"), "malformed", `has the header "crit"`},
		{"not a JWT", both, signed(`{"alg":"HS256","typ":"dpop+jwt"}`, "{}"), "malformed", `"typ" that is not "JWT"`},
		{"no algorithm", both, signed(`{"typ":"JWT"}`, "{}"), "algorithm", `has no "alg"`},
		{"an algorithm that is a number", both, signed(`{"alg":256}`, "{}"), "algorithm", `"alg" in its header that is not a string`},
		{"none", both, signed(`{"alg":"none"}`, payload), "algorithm", `is not signed \(alg "none"\), which is never accepted`},
		{"an algorithm that is not known", both, signed(`{"alg":"RS256"}`, "{}"), "algorithm", `is signed with "RS256"; HS256 and EdDSA`},
		{"HS256 in small letters", both, signed(`{"alg":"hs256"}`, "{}"), "algorithm", `is signed with "hs256"`},
		{"EdDSA where there are secrets only", onlySecret, ed(t, private, good()), "algorithm", `with EdDSA, and this server has no key of that kind; it takes HS256`},
		{"HS256 where there are public keys only", onlyKey, confused, "algorithm", `with HS256, and this server has no key of that kind; it takes EdDSA`},
		{"a key of nobody", &Verifier{}, hs(t, good()), "algorithm", `it takes no tokens at all`},
		{"a short signature", both, header + "." + payload + "." + signature[:41], "malformed", `signature that is not base64url: it is cut off`},
		{"a signature of 3 bytes", both, header + "." + payload + ".AAAA", "signature", `has a signature of 3 bytes; those of HS256 have 32`},
		{"the signature of the other algorithm", both, edParts[0] + "." + edParts[1] + "." + signature, "signature", `32 bytes; those of EdDSA have 64`},
		{"another secret", &Verifier{Secrets: [][]byte{otherSecret}}, hs(t, good()), "signature", `wrong signature`},
		{"another key", both, ed(t, otherKey, good()), "signature", `wrong signature`},
		{"another payload", both, header + "." + base64url.EncodeToString([]byte(`{"sub":">"}`)) + "." + signature, "signature", `wrong signature`},
		{"the public key as a secret", both, confused, "signature", `wrong signature`},
		{"a payload that is no base64url", both, withPayload("!"), "malformed", `'!' in its payload`},
		{"a payload that is a list", both, claiming(`["a"]`), "malformed", `payload that is not a JSON object`},
		{"a payload that is cut off", both, claiming(`{"sub":"a"`), "malformed", `payload that is not a JSON object`},
		{"more than a payload", both, claiming(`{"sub":"a"}{}`), "malformed", `behind the JSON object of its payload`},
		{"a claim twice", both, claiming(`{"sub":"a","sub":">"}`), "malformed", `has "sub" twice in its payload`},
		{"topics that are a number", both, claiming(`{"sub":7}`), "claims", `claim "sub" that is neither a string nor a list of strings`},
		{"topics that are null", both, claiming(`{"pub":null}`), "claims", `claim "pub" that is neither a string nor a list`},
		{"a topic that is a number", both, claiming(`{"pub":["a",7]}`), "claims", `claim "pub" with something in its list that is not a string`},
		{"a topic that is null", both, claiming(`{"sub":[null]}`), "claims", `claim "sub" with something in its list that is not`},
		{"a time that is a string", both, claiming(`{"sub":"a","exp":"tomorrow"}`), "claims", `claim "exp" that is not a number`},
		{"a time that is null", both, claiming(`{"sub":"a","nbf":null}`), "claims", `claim "nbf" that is not a number`},
		{"a time in milliseconds", both, claiming(`{"sub":"a","exp":1764072000000}`), "claims", `claim "exp" that is no time`},
		{"a time before all times", both, claiming(`{"sub":"a","exp":-1}`), "claims", `claim "exp" that is no time`},
		{"a time beyond all times", both, claiming(`{"sub":"a","iat":1e300}`), "claims", `claim "iat" that is no time`},
		{"a name that is a number", both, claiming(`{"sub":"a","name":1}`), "claims", `claim "name" that is not a string`},
		{"no topics", both, claiming(`{"exp":1890000000}`), "claims", `allows nothing: it has neither a claim "sub" nor`},
		{"expired", both, hs(t, expired), "expired", `has expired at 2026-11-25T11:59:30Z; here it is 2026-11-25T12:00:00Z`},
		{"not yet valid", both, hs(t, early), "not_yet", `is not valid before 2026-11-25T12:00:31Z`},
		{"issued in the future", both, hs(t, future), "not_yet", `was issued in the future, at 2026-11-25T12:00:31Z`},
	} {
		t.Run(row.name, func(t *testing.T) {
			claims, err := row.v.Verify(row.token, now)
			var e *Error
			if !errors.As(err, &e) || claims != nil {
				t.Fatalf("got %+v, %v; want an *Error", claims, err)
			}
			if e.Code != row.code || !regexp.MustCompile(row.says).MatchString(e.Reason) || !strings.HasPrefix(e.Reason, "the token ") {
				t.Errorf("%s: %q; want %s: %q", e.Code, e.Reason, row.code, row.says)
			}
			for _, s := range []string{string(secret), signature, payload} {
				if strings.Contains(e.Reason, s) {
					t.Errorf("%q shows a part of the token or a key", e.Reason)
				}
			}
			seen[e.Reason] = row.name
		})
	}
	if len(seen) < 40 {
		t.Errorf("%d messages for all mistakes; many have one of their own", len(seen))
	}
}

// withPayload returns a token whose payload stands there as it is given.
func withPayload(payload string) string {
	s := base64url.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + payload
	return s + "." + base64url.EncodeToString(hs256(secret, s))
}

// TestTimesAreBounds: a token is good up to the second, with the leeway, and not beyond.
func TestTimesAreBounds(t *testing.T) {
	c := good()
	token := hs(t, c)
	for _, row := range []struct {
		at   time.Time
		good bool
	}{
		{c.Expires, true},
		{c.Expires.Add(Leeway - time.Nanosecond), true},
		{c.Expires.Add(Leeway), false},
		{c.IssuedAt.Add(-Leeway), true},
		{c.IssuedAt.Add(-Leeway - time.Nanosecond), false},
	} {
		if _, err := both.Verify(token, row.at); (err == nil) != row.good {
			t.Errorf("at %v: %v", row.at, err)
		}
	}
	c.Expires = time.Time{}
	if got, err := both.Verify(hs(t, c), now.AddDate(100, 0, 0)); err != nil || !got.Expires.IsZero() {
		t.Errorf("a token without end: %v, %v", got, err)
	}
}

// TestClaimsInOtherForms that are just as good.
func TestClaimsInOtherForms(t *testing.T) {
	for payload, want := range map[string]Claims{
		`{"sub":"a"}`:                                        {Sub: []string{"a"}},
		` { "sub" : [ "a" , "b" ] } `:                        {Sub: []string{"a", "b"}},
		`{"pub":[],"sub":"a","x":{"sub":7},"aud":["y"]}`:     {Sub: []string{"a"}, Pub: []string{}},
		`{"pub":"c","exp":1790000000.5,"iss":"somebody"}`:    {Pub: []string{"c"}, Expires: time.Unix(1790000000, 5e8)},
		`{"\u0073ub":"a","name":"\u0041"}`:                   {Sub: []string{"a"}, Name: "A"},
		`{"sub":"a","SUB":"b","exp":1.79e9,"nbf":1,"iat":1}`: {Sub: []string{"a"}, Expires: time.Unix(1790000000, 0)},
	} {
		got, err := both.Verify(claiming(payload), time.Unix(1780000000, 0))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
			continue
		}
		if !slices.Equal(got.Sub, want.Sub) || !slices.Equal(got.Pub, want.Pub) || got.Name != want.Name ||
			!got.Expires.Equal(want.Expires) {
			t.Errorf("%s: got %+v, want %+v", payload, got, want)
		}
	}
}

// TestSignRefuses what no server would take.
func TestSignRefuses(t *testing.T) {
	if _, err := SignHS256([]byte("short"), good()); err == nil || !strings.Contains(err.Error(), "5 bytes; HS256 needs 32") {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := SignHS256(secret, Claims{Name: "x"}); err == nil || !strings.Contains(err.Error(), "good for nothing") {
		t.Errorf("no topics: %v", err)
	}
}

// FuzzVerify: whatever a token looks like the answer is claims or an *Error that is short and can be sent, and what was
// accepted is signed: one changed byte and it is refused.
func FuzzVerify(f *testing.F) {
	token, err := SignHS256(secret, good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(claiming(`{"sub":["a",null]}`))
	f.Add(claiming(`{"sub":"a","exp":1e999}`))
	f.Add(signed(`{"alg":"none"}`, `{"sub":">"}`))
	f.Add("a.b.c.d.e")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := both.Verify(token, now)
		if err == nil {
			i := strings.LastIndexByte(token, '.') - 1
			other := byte('A')
			if token[i] == other {
				other = 'B'
			}
			if _, err := both.Verify(token[:i]+string(other)+token[i+1:], now); err == nil {
				t.Fatalf("%q is accepted with another payload, too", token)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || claims != nil || len(e.Reason) > 300 || strings.ContainsAny(e.Reason, "\r\n\x00") {
			t.Errorf("%q: %v, %q", token, claims, err)
		}
	})
}

// FuzzClaims: what the payload of a signed token may be is what a Go program reads from it.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{"sub":"a"}`, `{"pub":["a","b.>"],"exp":1.5e9}`, `{"sub":null}`, `{"sub":"a","sub":"b"}`, `[]`, `{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := readClaims(payload)
		if err != nil {
			return
		}
		if len(c.Sub) == 0 && len(c.Pub) == 0 {
			return // lists that are empty
		}
		again, aerr := appendClaims(*c)
		if aerr != nil {
			t.Fatal(aerr)
		}
		d, err := readClaims(again)
		if err != nil || !slices.Equal(c.Sub, d.Sub) || !slices.Equal(c.Pub, d.Pub) || c.Name != d.Name || unix(c.Expires) != unix(d.Expires) {
			t.Errorf("%s is read as %+v; written and read again it is %+v, %v", payload, c, d, err)
		}
	})
}
