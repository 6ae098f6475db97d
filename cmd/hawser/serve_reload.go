package main

import (
	"flag"
	"fmt"
	"maps"
	"slices"
)

// reloadable are the flags whose new values hold after a SIGHUP. Those of files count also if only what is in the file
// has changed.
var reloadable = []string{
	"publish-key", "publish-key-file", "jwt-secret-file", "jwt-public-key-file", "auth-url", "public", "origin",
	"trusted-proxy", "max-connections", "max-connections-per-ip", "max-handshakes", "max-topics", "max-message",
	"max-publish-rate", "tls-cert", "tls-key", "log-level",
}

// reload reads the configuration again, and all files that it names, and goes by it. Nobody is dropped, and if there is
// a mistake in it everything stays as it was.
func (s *service) reload() {
	now, err := s.tryReload()
	s.server.Reloaded(err == nil)
	if err != nil {
		s.log.Error("the configuration was not changed: there is a mistake in it", "error", err)
		return
	}
	s.log.Info("the configuration was read again")
	for _, name := range s.needRestart(now) {
		s.log.Warn("a setting has changed that needs a restart; it stays as it was until then", "setting", envName(name))
	}
}

// tryReload returns the settings that hold now, or why they do not.
func (s *service) tryReload() (*settings, error) {
	opt, set, err := s.from.load()
	if err != nil {
		return nil, err
	}
	cfg, err := opt.config()
	if err != nil {
		return nil, set.whence(err)
	}
	level, err := parseLevel(opt.logLevel)
	if err != nil {
		return nil, err
	}
	// What may fail comes first, and what is in use last.
	var certs *certificates
	if s.certs != nil && opt.cert != "" {
		if certs, err = newCertificates(opt.cert, opt.certKey, s.log.Logger); err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
	}
	if err := s.server.Reload(cfg); err != nil {
		return nil, err
	}
	if certs != nil {
		s.certs.replace(certs)
	}
	s.log.level.Set(level)
	return set, nil
}

// needRestart returns the flags that have another value than at the start and are not reloadable.
func (s *service) needRestart(now *settings) (names []string) {
	then, today := s.start.values(), now.values()
	for _, name := range slices.Sorted(maps.Keys(today)) {
		turned := name == "tls-cert" && (then[name] == "") != (today[name] == "") // TLS on or off
		if today[name] != then[name] && !slices.Contains(reloadable, name) || turned {
			names = append(names, name)
		}
	}
	return names
}

// values returns the values of all flags.
func (s *settings) values() map[string]string {
	values := make(map[string]string)
	s.fs.VisitAll(func(f *flag.Flag) { values[f.Name] = f.Value.String() })
	return values
}
