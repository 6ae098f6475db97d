package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates are those of a TLS listener, read again when their files change.
type certificates struct {
	log     *slog.Logger
	stampOf func(certFile, keyFile string) stamp

	looking sync.Mutex // held while somebody looks at the files; before mu
	looked  time.Time  // guarded by looking

	mu                sync.Mutex // guards what follows
	certFile, keyFile string
	current           *tls.Certificate
	read              stamp // of the files when they were read last, whether or not they could be used
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
	c := &certificates{log: log, stampOf: stampOf, certFile: certFile, keyFile: keyFile}
	c.read = stampOf(certFile, keyFile)
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

// get returns the certificate for a connection. Now and then one of those who ask looks whether the files have changed;
// the others do not wait for him, who may have to wait for a file system.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.looking.TryLock() {
		c.look(time.Now())
		c.looking.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, nil
}

// look reads the files if they have changed. While they do not fit, as between the writing of one and of the other, the
// old certificate stays. looking is held.
func (c *certificates) look(now time.Time) {
	if now.Sub(c.looked) < lookAgain {
		return
	}
	c.looked = now
	c.mu.Lock()
	certFile, keyFile, read := c.certFile, c.keyFile, c.read
	c.mu.Unlock()
	found := c.stampOf(certFile, keyFile)
	if found == read {
		return
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.read != read: // replaced meanwhile
		return
	case err != nil:
		c.log.Error("the certificate has changed and cannot be used; the old one stays", "file", certFile, "error", err)
	default:
		c.current = &pair
		c.log.Info("the certificate was read again", "file", certFile)
	}
	c.read = found
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
