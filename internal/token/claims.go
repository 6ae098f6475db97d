package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"time"
	"unicode/utf8"

	"hawser.example/websocket/internal/strictjson"
)

// Claims is what a token says. RFC 7519, section 4. Claims that are not listed here are ignored.
type Claims struct {
	Sub  []string // "sub": patterns of topics that may be subscribed to; a string or a list
	Pub  []string // "pub": patterns of topics that may be published on; a string or a list
	Name string   // "name": whose token it is, for logs

	Expires   time.Time // "exp"; zero: never
	NotBefore time.Time // "nbf"
	IssuedAt  time.Time // "iat"
}

// readClaims reads the payload of a token that is signed.
func readClaims(p []byte) (*Claims, *Error) {
	members, err := readObject("payload", p)
	if err != nil {
		return nil, err
	}
	var c Claims
	for name, to := range map[string]*[]string{"sub": &c.Sub, "pub": &c.Pub} {
		if raw, ok := members[name]; ok {
			if *to, err = readList(name, raw); err != nil {
				return nil, err
			}
		}
	}
	for name, to := range map[string]*time.Time{"exp": &c.Expires, "nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		if raw, ok := members[name]; ok {
			if *to, err = readTime(name, raw); err != nil {
				return nil, err
			}
		}
	}
	if raw, ok := members["name"]; ok {
		if c.Name, ok = readString(raw); !ok {
			return nil, wrong("claims", `has a claim "name" that is not a string`)
		}
	}
	if c.Sub == nil && c.Pub == nil {
		return nil, wrong("claims", `allows nothing: it has neither a claim "sub" nor a claim "pub" with topics`)
	}
	return &c, nil
}

// checkTime compares the claims with the clock. RFC 7519, sections 4.1.4 to 4.1.6.
func (c *Claims) checkTime(now time.Time) *Error {
	switch {
	case !c.Expires.IsZero() && !now.Before(c.Expires.Add(Leeway)):
		return wrong("expired", "has expired at %s; here it is %s", clock(c.Expires), clock(now))
	case now.Add(Leeway).Before(c.NotBefore):
		return wrong("not_yet", "is not valid before %s (nbf); here it is %s", clock(c.NotBefore), clock(now))
	case now.Add(Leeway).Before(c.IssuedAt):
		return wrong("not_yet", "was issued in the future, at %s (iat); here it is %s", clock(c.IssuedAt), clock(now))
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// readObject reads a JSON object. RFC 7519, section 4: the names in it are unique. Else two readers could understand
// two different things.
func readObject(what string, p []byte) (map[string]json.RawMessage, *Error) {
	if !utf8.Valid(p) {
		return nil, wrong("malformed", "has a %s that is not UTF-8", what)
	}
	members, err := strictjson.Object(p)
	var twice *strictjson.TwiceError
	switch {
	case errors.As(err, &twice):
		return nil, wrong("malformed", "has %.40q twice in its %s", twice.Name, what)
	case err == strictjson.ErrBehind:
		return nil, wrong("malformed", "has something behind the JSON object of its %s", what)
	case err != nil:
		return nil, wrong("malformed", "has a %s that is not a JSON object", what)
	}
	return members, nil
}

func readString(raw json.RawMessage) (s string, ok bool) {
	// null would leave s as it is.
	return s, raw[0] == '"' && json.Unmarshal(raw, &s) == nil
}

// readList reads a string, or a list of strings.
func readList(name string, raw json.RawMessage) ([]string, *Error) {
	if s, ok := readString(raw); ok {
		return []string{s}, nil
	}
	var elements []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, wrong("claims", "has a claim %q that is neither a string nor a list of strings", name)
	}
	list := make([]string, len(elements))
	for i, e := range elements {
		s, ok := readString(e)
		if !ok {
			return nil, wrong("claims", "has a claim %q with something in its list that is not a string", name)
		}
		list[i] = s
	}
	return list, nil
}

// latest is the last second of the year 9999, the last that can be written as people write it.
const latest = 253402300799

// readTime reads a NumericDate: seconds since 1970, which need not be whole. RFC 7519, section 2.
func readTime(name string, raw json.RawMessage) (time.Time, *Error) {
	var seconds float64
	if raw[0] == '"' || raw[0] == 'n' || json.Unmarshal(raw, &seconds) != nil {
		return time.Time{}, wrong("claims", "has a claim %q that is not a number (of seconds since 1970)", name)
	}
	if seconds < 1 || seconds > latest {
		return time.Time{}, wrong("claims", "has a claim %q that is no time: it has to be seconds since 1970", name)
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// appendClaims is the payload of a token.
func appendClaims(c Claims) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // patterns end in >, and this is no page
	err := e.Encode(struct {
		Sub  []string `json:"sub,omitempty"`
		Pub  []string `json:"pub,omitempty"`
		Name string   `json:"name,omitempty"`
		Iat  int64    `json:"iat,omitempty"`
		Nbf  int64    `json:"nbf,omitempty"`
		Exp  int64    `json:"exp,omitempty"`
	}{c.Sub, c.Pub, c.Name, unix(c.IssuedAt), unix(c.NotBefore), unix(c.Expires)})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
