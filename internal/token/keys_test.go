package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

func TestReadSecrets(t *testing.T) {
	long := strings.Repeat("s", MinSecret)
	for _, row := range []struct {
		name, file string
		n          int
		says       string
	}{
		{"one", long, 1, ""},
		{"one and a line break", long + "\n", 1, ""},
		{"two, as Windows writes them", long + "\r\n" + long + "x\r\n", 2, ""},
		{"comments", "# the old one\n\n  \n" + long + "\n# the end", 1, ""},
		{"what is made here", NewSecret() + "\n" + NewSecret(), 2, ""},
		{"nothing", "", 0, "no secret in it"},
		{"comments only", "# nothing\n", 0, "no secret in it"},
		{"a short one", long + "\nshort\n", 0, "line 2: the secret has 5 bytes; HS256 needs 32 or more"},
	} {
		got, err := ReadSecrets([]byte(row.file))
		switch {
		case row.says == "" && (err != nil || len(got) != row.n):
			t.Errorf("%s: %d, %v", row.name, len(got), err)
		case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
			t.Errorf("%s: %v, want %q", row.name, err, row.says)
		}
		for _, s := range got {
			if bytes.ContainsAny(s, "\r\n") {
				t.Errorf("%s: %q has a line break", row.name, s)
			}
		}
	}
	if one, other := NewSecret(), NewSecret(); one == other {
		t.Error("two new secrets are the same")
	}
}

// A new pair of keys is read again, and fits.
func TestNewKey(t *testing.T) {
	privatePEM, publicPEM, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := ReadPrivateKey(privatePEM)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := ReadPublicKeys(append(other, publicPEM...))
	if err != nil || len(public) != 2 {
		t.Fatal(public, err)
	}
	signed, err := SignEdDSA(private, good())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Verifier{PublicKeys: public}).Verify(signed, now); err != nil {
		t.Error(err)
	}
}

func TestReadKeysRefuses(t *testing.T) {
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecPrivate, _ := x509.MarshalPKCS8PrivateKey(ec)
	ecPublic, _ := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	block := func(kind string, p []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: p}))
	}
	for _, row := range []struct{ name, file, public, private string }{
		{"nothing", "", "it is not PEM", "it is not PEM"},
		{"the other half", string(private), "a private key, which the server does not need", ""},
		{"the other half", string(public), "", `it has a "PUBLIC KEY"; it needs a PRIVATE KEY`},
		{"a certificate", block("CERTIFICATE", []byte{1}), `it is a "CERTIFICATE"`, `it has a "CERTIFICATE"`},
		{"cut off", string(public[:len(public)/2]), "0 of the 1 PEM blocks", "it is not PEM"},
		{"the second is cut off", string(public) + string(public[:len(public)/2]), "1 of the 2 PEM blocks", ""},
		{"another kind of key", block("PUBLIC KEY", ecPublic), "*ecdsa.PublicKey; EdDSA needs Ed25519", ""},
		{"another kind of key", block("PRIVATE KEY", ecPrivate), "", "*ecdsa.PrivateKey; EdDSA needs Ed25519"},
		{"broken", block("PUBLIC KEY", []byte{1, 2}), "it is broken", ""},
		{"broken", block("PRIVATE KEY", []byte{1, 2}), "", "broken"},
		{"two", string(private) + string(private), "", "behind the private key"},
	} {
		if _, err := ReadPublicKeys([]byte(row.file)); row.public != "" && (err == nil || !strings.Contains(err.Error(), row.public)) {
			t.Errorf("public key, %s: %v, want %q", row.name, err, row.public)
		}
		if _, err := ReadPrivateKey([]byte(row.file)); row.private != "" && (err == nil || !strings.Contains(err.Error(), row.private)) {
			t.Errorf("private key, %s: %v, want %q", row.name, err, row.private)
		}
	}
}
