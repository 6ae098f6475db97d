package token

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
)

// errNothing is for claims that would make a token which is good for nothing.
var errNothing = errors.New("a token that allows neither to subscribe nor to publish is good for nothing")

// SignHS256 makes a token that is signed with a secret.
func SignHS256(secret []byte, c Claims) (string, error) {
	if err := checkSecret(secret); err != nil {
		return "", err
	}
	return sign(HS256, c, func(signed string) []byte { return hs256(secret, signed) })
}

// SignEdDSA makes a token that is signed with a private key.
func SignEdDSA(key ed25519.PrivateKey, c Claims) (string, error) {
	return sign(EdDSA, c, func(signed string) []byte { return ed25519.Sign(key, []byte(signed)) })
}

// sign puts a token together. RFC 7515, section 5.1.
func sign(alg string, c Claims, signature func(signed string) []byte) (string, error) {
	if len(c.Sub) == 0 && len(c.Pub) == 0 {
		return "", errNothing
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Typ string `json:"typ"`
	}{alg, "JWT"})
	if err != nil {
		return "", err
	}
	payload, err := appendClaims(c)
	if err != nil {
		return "", err
	}
	signed := base64url.EncodeToString(header) + "." + base64url.EncodeToString(payload)
	return signed + "." + base64url.EncodeToString(signature(signed)), nil
}
