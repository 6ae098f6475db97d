package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
)

// A trust is the flags of the verbs that connect which say what certificates of servers are taken.
type trust struct {
	cacert   string
	insecure bool
}

// declare declares the flags.
func (t *trust) declare(fs *flag.FlagSet) {
	fs.StringVar(&t.cacert, "cacert", "", "trust the certificate authorities in `FILE` (PEM), and no others")
	fs.BoolVar(&t.insecure, "k", false, "take any certificate: whoever is in between can read and change all")
}

// config returns what the flags say.
func (t *trust) config() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: t.insecure}
	if t.cacert == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.cacert)
	if err != nil {
		return nil, fmt.Errorf("--cacert: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--cacert: there is no certificate in %s", t.cacert)
	}
	return c, nil
}

// isDistrust reports whether there is no connection because of the server's certificate, which stays what it is.
func isDistrust(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// trustHint returns, behind an error because of the server's certificate, what flag helps; "" behind any other.
func trustHint(err error) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return " (--cacert FILE says whom to trust, -k takes any certificate)"
	case isDistrust(err):
		return " (-k takes any certificate)"
	}
	return ""
}
