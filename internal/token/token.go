package token

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// MaxSize is how many bytes a token may have. Requests with larger headers do not arrive anyway.
const MaxSize = 8 << 10

// The algorithms.
const (
	HS256 = "HS256"
	EdDSA = "EdDSA"
)

// Leeway is by how much clocks may differ.
const Leeway = 30 * time.Second

// An Error says what is wrong with a token.
type Error struct {
	Code   string // one of a few, for counting: malformed, algorithm, signature, expired, not_yet, claims
	Reason string // begins with "the token"; nothing in it is secret
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

func wrong(code, format string, args ...any) *Error {
	return &Error{Code: code, Reason: "the token " + fmt.Sprintf(format, args...)}
}

// A Verifier knows the keys that tokens may be signed with. Any number of goroutines may use it.
type Verifier struct {
	Secrets    [][]byte            // for HS256
	PublicKeys []ed25519.PublicKey // for EdDSA
}

// Empty reports whether there is no key, so that no token can be good.
func (v *Verifier) Empty() bool { return len(v.Secrets) == 0 && len(v.PublicKeys) == 0 }

// Verify returns what a token claims, if it is signed with one of the keys and valid at time now. The error is an
// *Error.
func (v *Verifier) Verify(token string, now time.Time) (*Claims, error) {
	claims, err := v.verify(token, now)
	if err != nil { // a nil *Error must not become an error
		return nil, err
	}
	return claims, nil
}

func (v *Verifier) verify(token string, now time.Time) (*Claims, *Error) {
	header, payload, signature, err := split(token)
	if err != nil {
		return nil, err
	}
	alg, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	signed := token[:len(header)+1+len(payload)]
	if err := v.checkSignature(alg, signed, signature); err != nil {
		return nil, err
	}
	p, err := decodePart("payload", payload)
	if err != nil {
		return nil, err
	}
	claims, err := readClaims(p)
	if err != nil {
		return nil, err
	}
	if err := claims.checkTime(now); err != nil {
		return nil, err
	}
	return claims, nil
}

// split divides a token into its three parts. RFC 7515, section 7.1.
func split(token string) (header, payload, signature string, err *Error) {
	switch {
	case token == "":
		return "", "", "", wrong("malformed", "is empty")
	case len(token) > MaxSize:
		return "", "", "", wrong("malformed", "has %d bytes; at most %d", len(token), MaxSize)
	}
	parts := strings.Split(token, ".")
	switch {
	case len(parts) == 5:
		return "", "", "", wrong("malformed", "has five parts: it is encrypted (JWE), and only signed ones (JWS) are taken")
	case len(parts) != 3:
		return "", "", "", wrong("malformed", "is not of the form HEADER.PAYLOAD.SIGNATURE: it has %d of 3 parts", len(parts))
	}
	for i, name := range []string{"header", "payload", "signature"} {
		if parts[i] == "" {
			return "", "", "", wrong("malformed", "has an empty %s", name)
		}
	}
	return parts[0], parts[1], parts[2], nil
}

// base64url is what the parts are written in. RFC 7515, section 2: without padding. Strict, so that there is one way
// to write a token only.
var base64url = base64.RawURLEncoding.Strict()

// decodePart decodes a part of a token.
func decodePart(name, part string) ([]byte, *Error) {
	for i := range len(part) { // package base64 skips line breaks
		switch b := part[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
		case b == '=':
			return nil, wrong("malformed", "has padding (=) in its %s; base64url in a token has none", name)
		default:
			return nil, wrong("malformed", "has the character %q in its %s, which is not base64url", rune(b), name)
		}
	}
	p, err := base64url.DecodeString(part)
	if err != nil {
		return nil, wrong("malformed", "has a %s that is not base64url: it is cut off, or has bits too many at its end", name)
	}
	return p, nil
}

// readHeader returns the algorithm. RFC 7515, section 4.1. What else a header may have tells how to find the key, which
// we do not need to be told.
func readHeader(part string) (alg string, err *Error) {
	p, err := decodePart("header", part)
	if err != nil {
		return "", err
	}
	members, err := readObject("header", p)
	if err != nil {
		return "", err
	}
	if _, ok := members["crit"]; ok { // RFC 7515, section 4.1.11
		return "", wrong("malformed", `has the header "crit": it demands extensions, and none is known here`)
	}
	if raw, ok := members["typ"]; ok {
		// RFC 7519, section 5.1. "at+jwt" (RFC 9068) is a JWT, too.
		if typ, ok := readString(raw); !ok || !strings.EqualFold(typ, "JWT") && !strings.EqualFold(typ, "at+jwt") {
			return "", wrong("malformed", `has a header "typ" that is not "JWT"`)
		}
	}
	raw, ok := members["alg"]
	if !ok {
		return "", wrong("algorithm", `has no "alg" in its header`)
	}
	alg, ok = readString(raw)
	if !ok {
		return "", wrong("algorithm", `has an "alg" in its header that is not a string`)
	}
	return alg, nil
}

// checkSignature looks for a key of the algorithm that has made signature. RFC 8725, section 3.1: which keys are asked
// depends on what the keys are for, and on nothing else that the token says.
func (v *Verifier) checkSignature(alg, signed, signature string) *Error {
	var size, keys int
	var good func(p []byte) bool
	switch {
	case alg == HS256:
		size, keys, good = sha256.Size, len(v.Secrets), func(p []byte) bool { return v.secretMade(signed, p) }
	case alg == EdDSA:
		size, keys, good = ed25519.SignatureSize, len(v.PublicKeys), func(p []byte) bool { return v.keyMade(signed, p) }
	case strings.EqualFold(alg, "none"): // RFC 8725, section 3.2
		return wrong("algorithm", `is not signed (alg "none"), which is never accepted`)
	default:
		return wrong("algorithm", "is signed with %.40q; HS256 and EdDSA are known here", alg)
	}
	if keys == 0 {
		return wrong("algorithm", "is signed with %s, and this server has no key of that kind; it takes %s", alg, v.takes())
	}
	p, err := decodePart("signature", signature)
	switch {
	case err != nil:
		return err
	case len(p) != size:
		return wrong("signature", "has a signature of %d bytes; those of %s have %d", len(p), alg, size)
	case !good(p):
		return wrong("signature", "has a wrong signature: it was made with another key, or changed afterwards")
	}
	return nil
}

// takes names the algorithms that there are keys for.
func (v *Verifier) takes() string {
	switch {
	case len(v.Secrets) > 0:
		return HS256
	case len(v.PublicKeys) > 0:
		return EdDSA
	}
	return "no tokens at all"
}

// secretMade reports whether signature was made with one of the secrets.
func (v *Verifier) secretMade(signed string, signature []byte) bool {
	made := false
	for _, secret := range v.Secrets {
		made = hmac.Equal(hs256(secret, signed), signature) || made
	}
	return made
}

// keyMade reports whether signature was made with the private half of one of the keys.
func (v *Verifier) keyMade(signed string, signature []byte) bool {
	for _, key := range v.PublicKeys {
		if len(key) == ed25519.PublicKeySize && ed25519.Verify(key, []byte(signed), signature) {
			return true
		}
	}
	return false
}

// hs256 is HMAC with SHA-256.
func hs256(secret []byte, signed string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}
