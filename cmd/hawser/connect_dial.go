package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"math"
	"net"
	"net/http/httptrace"
	"strings"
	"time"

	"hawser.example/websocket"
)

// expandURL makes of unix:/path the URL that a Dialer knows.
func expandURL(url string) string {
	if strings.HasPrefix(url, "unix:") {
		return "ws+" + url
	}
	return url
}

// shownURL returns the URL as it was given.
func (f *connectFlags) shownURL() string {
	if f.shortUnix {
		return strings.TrimPrefix(f.url, "ws+")
	}
	return f.url
}

// dialer returns the Dialer that the flags ask for.
func (f *connectFlags) dialer() (websocket.Dialer, error) {
	d := websocket.Dialer{
		Proxy:        websocket.ProxyFromEnvironment,
		Subprotocols: f.subprotocols,
		ReadLimit:    f.readLimit,
		WriteTimeout: -1, // whoever writes to a pipe waits for who reads it; a Close is bounded anyway
	}
	if f.user != "" {
		f.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user)))
	}
	if !f.noDeflate {
		d.Compression = new(websocket.Compression)
	}
	d.Keepalive = f.keepalive()
	if f.address != "" {
		network, address, err := splitAddress(f.address)
		if err != nil {
			return d, err
		}
		d.Proxy = nil
		d.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	var err error
	d.TLSConfig, err = f.tlsConfig()
	return d, err
}

// leastSilence is how long nothing has to come at least, with -i, for a peer to be taken as gone.
const leastSilence = 5 * time.Second

// keepalive returns how a peer is noticed that has gone without a word. With -i that is when a Ping has no Pong, and
// nothing else has come, by the time of the third one after it.
func (f *connectFlags) keepalive() websocket.Keepalive {
	var silence time.Duration
	if f.reconnect {
		silence = time.Minute
	}
	if f.pingInterval > 0 {
		own := max(3*min(f.pingInterval, math.MaxInt64/3), leastSilence)
		if !f.reconnect || own < silence {
			silence = own
		}
	}
	return websocket.Keepalive{Interval: silence - silence/3, Timeout: silence / 3}
}

// splitAddress reads the value of --connect.
func splitAddress(value string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(value, "unix:"); ok && path != "" {
		return "unix", path, nil
	}
	if host, port, err := net.SplitHostPort(value); err != nil || host == "" || port == "" {
		return "", "", fmt.Errorf("--connect: %q is not of the form HOST:PORT or unix:/path/of/socket", value)
	}
	return "tcp", value, nil
}

// tlsConfig returns what the flags say about TLS.
func (f *connectFlags) tlsConfig() (*tls.Config, error) {
	c, err := f.trust.config()
	if err != nil {
		return nil, err
	}
	if f.cert != "" {
		key := f.key
		if key == "" {
			key = f.cert
		}
		pair, err := tls.LoadX509KeyPair(f.cert, key)
		if err != nil {
			return nil, fmt.Errorf("--cert, --key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// dialTrace says which addresses a Dial reaches, and what TLS it agrees on.
func (c *client) dialTrace(ctx context.Context) context.Context {
	if !c.verbose {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone: func(network, addr string, err error) {
			if err != nil {
				c.note("%v", err)
				return
			}
			c.note("connected to %s %s", network, addr)
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil && len(state.PeerCertificates) > 0 {
				c.note("%s, %s, certificate %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite),
					state.PeerCertificates[0].Subject)
			}
		},
	})
}
