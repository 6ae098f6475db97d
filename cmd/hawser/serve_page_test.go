package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// serverPage is docs/SERVER.md.
func serverPage(t *testing.T) string {
	t.Helper()
	p, err := os.ReadFile("../../docs/SERVER.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// TestServerPageHasEverySetting: each flag with its variable, its default, whether it is a list, and whether SIGHUP
// changes it.
func TestServerPageHasEverySetting(t *testing.T) {
	page := serverPage(t)
	fs := verb{name: "serve"}.flagSet()
	declareServe(fs)
	fs.VisitAll(func(f *flag.Flag) {
		marks := ""
		if _, ok := f.Value.(*listFlag); ok {
			marks += " +"
		}
		if slices.Contains(reloadable, f.Name) {
			marks += " ↻"
		}
		value := ""
		if f.DefValue != "" {
			value = " `" + f.DefValue + "`"
		}
		if row := fmt.Sprintf("\n| `--%s`%s | `%s` |%s | ", f.Name, marks, envName(f.Name), value); !strings.Contains(page, row) {
			t.Errorf("no row %q", row)
		}
	})
	for _, m := range regexp.MustCompile("HAWSER_[A-Z_]+[A-Z]").FindAllString(page, -1) {
		known := false
		fs.VisitAll(func(f *flag.Flag) { known = known || envName(f.Name) == m })
		if !known {
			t.Errorf("there is no %s", m)
		}
	}
	for _, name := range reloadable {
		if fs.Lookup(name) == nil {
			t.Errorf("there is no --%s to read again", name)
		}
	}
}

// TestServerPageHasEveryMetric, and no other.
func TestServerPageHasEveryMetric(t *testing.T) {
	page := serverPage(t)
	p, addr := startServe(t, "--admin-addr", "127.0.0.1:0")
	post(t, addr, "news", "wrong", "x")
	served := make(map[string]bool)
	for name := range p.metrics() {
		family := regexp.MustCompile(`^[a-z_]+?(_bucket|_sum|_count)?(\{|$)`).FindString(name)
		family = strings.TrimSuffix(family, "{")
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			family = strings.TrimSuffix(family, suffix)
		}
		served[family] = true
		if !strings.Contains(page, "`"+family+"`") {
			t.Errorf("nothing on %s", family)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:hawser|go|process)_[a-z_]+)`").FindAllStringSubmatch(page, -1) {
		// Not there before the first of them.
		if !served[m[1]] && m[1] != "hawser_connections_closed_total" {
			t.Errorf("%s is not served", m[1])
		}
	}
}
