package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
	"hawser.example/websocket/internal/token"
	"hawser.example/websocket/internal/topic"
)

// This file judges the values of the flags of hawser serve and makes the configuration of the server of them.

// check says what is wrong with the values, or with one beside another.
func (o *serveOptions) check(set *settings) error {
	if o.dev {
		if err := o.checkDev(set); err != nil {
			return err
		}
	}
	for _, check := range []func() error{o.checkAddrs, o.checkAuth, o.checkPatterns, o.checkNumbers, o.checkRest} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkDev refuses what makes no sense with --dev. Keys in the environment are for the server that is meant to be safe,
// and not looked at.
func (o *serveOptions) checkDev(set *settings) error {
	for _, name := range []string{
		"publish-key", "publish-key-file", "jwt-secret-file", "jwt-public-key-file", "auth-url", "public", "origin",
		"publish-addr",
	} {
		from, ok := set.from[name]
		why := "needs no key"
		switch {
		case !ok || from == fromEnvironment:
			continue
		case name == "origin":
			why = "allows pages of this machine only"
		case name == "publish-addr":
			why = "is one server for one machine"
		}
		return fmt.Errorf("--dev and --%s exclude each other: --dev %s", name, why)
	}
	o.key, o.keyFile, o.secretFile, o.publicFile, o.authURL, o.publishAddr = "", "", "", "", "", ""
	o.public, o.origins = nil, nil
	if _, given := set.from["drain"]; !given {
		o.drain = devDrain
	}
	for _, a := range []struct{ flag, addr string }{{"addr", o.addr}, {"admin-addr", o.adminAddr}} {
		if a.addr != "" && !notify.IsLoopback(a.addr) {
			return fmt.Errorf("--dev serves this machine only, and --%s %q is not a loopback address; use 127.0.0.1:PORT",
				a.flag, a.addr)
		}
	}
	return nil
}

func (o *serveOptions) checkAddrs() error {
	taken := make(map[string]string) // flags by what they listen on
	for _, a := range []struct{ flag, addr string }{
		{"addr", o.addr}, {"publish-addr", o.publishAddr}, {"admin-addr", o.adminAddr},
	} {
		if a.addr == "" && a.flag != "addr" {
			continue
		}
		if err := checkAddr(a.addr); err != nil {
			return fmt.Errorf("--%s: %w", a.flag, err)
		}
		if other := taken[a.addr]; other != "" && !strings.HasSuffix(a.addr, ":0") {
			return fmt.Errorf("--%s %s is that of --%s: each needs its own", a.flag, a.addr, other)
		}
		taken[a.addr] = a.flag
	}
	if o.profiles && o.adminAddr == "" {
		return errors.New("--pprof needs --admin-addr: profiles are not for everybody")
	}
	return nil
}

func (o *serveOptions) checkAuth() error {
	mayPublish := o.dev || o.key != "" || o.keyFile != "" || o.secretFile != "" || o.publicFile != "" || o.authURL != ""
	switch {
	case !mayPublish:
		return errors.New("--publish-key is missing: nobody could publish. For a first try use --dev")
	case o.key == notShown:
		return fmt.Errorf("--publish-key: %s is what --print-config shows in place of the key", notShown)
	case len(o.public) > 0 && o.secretFile == "" && o.publicFile == "" && o.authURL == "":
		return errors.New("--public has no effect: all topics are public without keys for tokens and without --auth-url")
	}
	if o.key != "" {
		if err := notify.CheckKey(o.key); err != nil {
			return fmt.Errorf("--publish-key: %w", err)
		}
	}
	if o.authURL != "" {
		if err := notify.CheckAuthURL(o.authURL); err != nil {
			return fmt.Errorf("--auth-url: %w", err)
		}
	}
	return nil
}

func (o *serveOptions) checkPatterns() error {
	for _, origin := range o.origins {
		if err := websocket.CheckOriginPattern(origin); err != nil {
			return fmt.Errorf("--origin: %w", err)
		}
	}
	for _, list := range []struct {
		flag     string
		patterns listFlag
	}{{"public", o.public}, {"latest", o.latest}} {
		for _, p := range list.patterns {
			if err := topic.CheckPattern(p); err != nil {
				return fmt.Errorf("--%s: %w", list.flag, err)
			}
		}
	}
	_, err := o.trustedProxies()
	return err
}

// trustedProxies reads the networks of --trusted-proxy. An address alone is one, too.
func (o *serveOptions) trustedProxies() (nets []netip.Prefix, err error) {
	for _, s := range o.proxies {
		network, err := netip.ParsePrefix(s)
		if addr, addrErr := netip.ParseAddr(s); err != nil && addrErr == nil {
			network, err = addr.Unmap().WithZone("").Prefix(addr.Unmap().BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy: %q is neither a network such as 10.0.0.0/8 nor an address", s)
		}
		nets = append(nets, network.Masked())
	}
	return nets, nil
}

func (o *serveOptions) checkNumbers() error {
	for _, n := range []struct {
		flag         string
		value, least int64
	}{
		{"history-messages", int64(o.history.Messages), 0},
		{"max-connections", int64(o.limits.Connections), 0},
		{"max-connections-per-ip", int64(o.limits.ConnectionsPerIP), 0},
		{"max-handshakes", int64(o.limits.Handshakes), 0},
		{"max-publish-rate", int64(o.limits.PublishRate), 0},
		{"max-topics", int64(o.limits.Topics), 1},
		{"max-message", o.message, 1},
		{"queue-bytes", o.queue, 1},
	} {
		if n.value < n.least {
			return fmt.Errorf("--%s %d: it has to be at least %d", n.flag, n.value, n.least)
		}
	}
	for flag, size := range map[string]*int64{"max-message": &o.message, "queue-bytes": &o.queue} {
		if *size > math.MaxInt32 {
			return fmt.Errorf("--%s %s: it has to be less than 2GiB", flag, (*sizeFlag)(size))
		}
	}
	for flag, d := range map[string]time.Duration{"drain": o.drain, "history-age": o.history.Age} {
		if d < 0 {
			return fmt.Errorf("--%s %v: it cannot be negative", flag, d)
		}
	}
	return nil
}

func (o *serveOptions) checkRest() error {
	if o.pipe != "" {
		if err := topic.Check(o.pipe); err != nil {
			return fmt.Errorf("--pipe: %w", err)
		}
	}
	switch {
	case (o.cert == "") != (o.certKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case o.log != "text" && o.log != "json":
		return fmt.Errorf("--log %q: it has to be text or json", o.log)
	}
	if _, err := parseLevel(o.logLevel); err != nil {
		return fmt.Errorf("--log-level %q: %w", o.logLevel, err)
	}
	return nil
}

// config makes the server's configuration. It reads the files with keys.
func (o *serveOptions) config() (notify.Config, error) {
	cfg := notify.Config{
		Origins: o.origins, Dev: o.dev, NoCompression: o.noFlate,
		History: o.historyConfig(), Latest: o.latest, Limits: o.limits,
		AuthURL: o.authURL, Public: o.public, PublishElsewhere: o.publishAddr != "", DrainTime: o.drain,
	}
	if o.drain == 0 {
		cfg.DrainTime = -1 // where 0 stands for the default
	}
	cfg.Limits.Message, cfg.Limits.Queue = int(o.message), o.queue
	var err error
	if cfg.TrustedProxies, err = o.trustedProxies(); err != nil {
		return cfg, err
	}
	if o.key != "" {
		cfg.PublishKeys = []string{o.key}
	}
	fromFile, err := readKeyFile("publish-key-file", o.keyFile, readKeys)
	if err != nil {
		return cfg, err
	}
	cfg.PublishKeys = append(cfg.PublishKeys, fromFile...)
	if cfg.JWT.Secrets, err = readKeyFile("jwt-secret-file", o.secretFile, token.ReadSecrets); err != nil {
		return cfg, err
	}
	cfg.JWT.PublicKeys, err = readKeyFile[ed25519.PublicKey]("jwt-public-key-file", o.publicFile, token.ReadPublicKeys)
	return cfg, err
}

// historyConfig is what the flags say, where 0 stands for no limit, in the words of notify, where -1 does.
func (o *serveOptions) historyConfig() notify.HistoryConfig {
	h := o.history
	if h.Messages == 0 {
		h.Messages = -1
	}
	if h.Age == 0 {
		h.Age = -1
	}
	if h.Bytes == 0 {
		h.Bytes = -1
	}
	if h.TotalBytes == 0 {
		h.TotalBytes = -1
	}
	return h
}

// readKeyFile reads the keys in the file of a flag, none if it is not set.
func readKeyFile[K any](flagName, name string, read func([]byte) ([]K, error)) ([]K, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flagName, err)
	}
	keys, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("--%s: %s: %w", flagName, name, err)
	}
	return keys, nil
}

// readKeys reads publish keys, one a line.
func readKeys(file []byte) (keys []string, err error) {
	for number, line := range token.Lines(file) {
		key := string(line)
		if err := notify.CheckKey(key); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if slices.Contains(keys, key) {
			return nil, fmt.Errorf("line %d: this key is there already", number)
		}
		keys = append(keys, key)
	}
	if keys == nil {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}
