// Package token is JSON Web Tokens as the notification server takes them: JWS compact serialization (RFC 7515) of a set
// of claims (RFC 7519), signed with HS256 (RFC 7518, section 3.2) or EdDSA with Ed25519 (RFC 8037, section 3.1).
//
//	token.go    Claims, Verifier, and what is wrong with a token
//	claims.go   claims from JSON and to JSON
//	sign.go     making tokens
//	keys.go     secrets and keys in files
//
// Three things that have gone wrong elsewhere cannot here. A key belongs to one algorithm: a token that names another
// one is compared with no key at all. The algorithm "none" is not known. And nothing of the claims is looked at before
// the signature has been found good.
package token
