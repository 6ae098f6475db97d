package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
)

// MinSecret is how many bytes a secret has at least. RFC 7518, section 3.2: as many as the hash.
const MinSecret = 32

func checkSecret(secret []byte) error {
	if len(secret) < MinSecret {
		return fmt.Errorf("the secret has %d bytes; HS256 needs %d or more", len(secret), MinSecret)
	}
	return nil
}

// NewSecret returns a secret, as a line of text that ReadSecrets reads.
func NewSecret() string {
	b := make([]byte, MinSecret)
	rand.Read(b)
	return base64url.EncodeToString(b)
}

// Lines returns the lines of a file of keys with their numbers, without what ends them. Empty ones and those that begin
// with # are left out.
func Lines(file []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		number := 0
		for line := range bytes.Lines(file) {
			number++
			line = bytes.TrimRight(line, "\r\n")
			if len(bytes.TrimSpace(line)) > 0 && line[0] != '#' && !yield(number, line) {
				return
			}
		}
	}
}

// ReadSecrets reads a file of secrets: one a line, as its bytes stand there.
func ReadSecrets(file []byte) (secrets [][]byte, err error) {
	for number, line := range Lines(file) {
		if err := checkSecret(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		secrets = append(secrets, bytes.Clone(line))
	}
	if secrets == nil {
		return nil, errors.New("there is no secret in it")
	}
	return secrets, nil
}

// The types of PEM blocks. RFC 7468, sections 10 and 13.
const (
	privateKeyBlock = "PRIVATE KEY"
	publicKeyBlock  = "PUBLIC KEY"
)

// NewKey returns a new pair of keys in PEM.
func NewKey() (private, public []byte, err error) {
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	privDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, nil, err
	}
	pubDER, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateKeyBlock, Bytes: privDER}),
		pem.EncodeToMemory(&pem.Block{Type: publicKeyBlock, Bytes: pubDER}), nil
}

// ReadPrivateKey reads a file with one private key.
func ReadPrivateKey(file []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(file)
	switch {
	case block == nil:
		return nil, errors.New("it is not PEM: there is no line -----BEGIN PRIVATE KEY-----")
	case block.Type != privateKeyBlock:
		return nil, fmt.Errorf("it has a %.40q; it needs a PRIVATE KEY", block.Type)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is something behind the private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key in it is broken")
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the private key in it is a %T; EdDSA needs Ed25519", key)
	}
	return private, nil
}

// ReadPublicKeys reads a file with one or more public keys.
func ReadPublicKeys(file []byte) (keys []ed25519.PublicKey, err error) {
	for rest := file; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		key, err := readPublicKey(block)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
	// pem.Decode passes over what it does not understand: a key that is cut off must not be missing silently.
	if n := bytes.Count(file, []byte("-----BEGIN ")); n != len(keys) {
		return nil, fmt.Errorf("%d of the %d PEM blocks in it can be read", len(keys), n)
	}
	if keys == nil {
		return nil, errors.New("it is not PEM: there is no line -----BEGIN PUBLIC KEY-----")
	}
	return keys, nil
}

func readPublicKey(block *pem.Block) (ed25519.PublicKey, error) {
	switch block.Type {
	case publicKeyBlock:
	case privateKeyBlock:
		return nil, errors.New("it is a private key, which the server does not need and should not have")
	default:
		return nil, fmt.Errorf("it is a %.40q; it has to be a PUBLIC KEY", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is broken")
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T; EdDSA needs Ed25519", key)
	}
	return public, nil
}
