package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates are those of a TLS listener, read again when their files change. mu guards the fields.
type certificates struct {
	log *slog.Logger

	mu                sync.Mutex
	certFile, keyFile string
	current           *tls.Certificate
	read              stamp // of the files when they were read last, whether or not they could be used
	looked            time.Time
}

// A stamp tells whether files are still the same.
type stamp struct {
	certTime, keyTime time.Time
	certSize, keySize int64
}

// lookAgain is how long files are taken to be the same.
const lookAgain = time.Second

// newCertificates reads the files.
func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{log: log, certFile: certFile, keyFile: keyFile, read: stampOf(certFile, keyFile)}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	c.current = &pair
	return c, err
}

// replace takes what other has, which nobody else uses.
func (c *certificates) replace(other *certificates) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile, c.current, c.read = other.certFile, other.keyFile, other.current, other.read
}

// get returns the certificate for a connection. Now and then it looks whether the files have changed. While they do not
// fit, as between the writing of one and of the other, the old certificate stays.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAgain {
		c.looked = now
		c.look()
	}
	return c.current, nil
}

// look reads the files if they have changed. mu is held.
func (c *certificates) look() {
	found := stampOf(c.certFile, c.keyFile)
	if found == c.read {
		return
	}
	c.read = found
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error("the certificate has changed and cannot be used; the old one stays", "file", c.certFile, "error", err)
		return
	}
	c.current = &pair
	c.log.Info("the certificate was read again", "file", c.certFile)
}

// stampOf looks at files. What cannot be looked at has the zero stamp, and the error comes with reading.
func stampOf(certFile, keyFile string) (s stamp) {
	if info, err := os.Stat(certFile); err == nil {
		s.certTime, s.certSize = info.ModTime(), info.Size()
	}
	if info, err := os.Stat(keyFile); err == nil {
		s.keyTime, s.keySize = info.ModTime(), info.Size()
	}
	return s
}
