package e2e

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
)

// shownCases counts the cases that the page of a report shows.
const shownCases = `document.querySelectorAll("main details:not([hidden])").length`

// count evaluates a number.
func (p page) count(expression string) (n int) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, expression, &n) })
	return n
}

// report makes a report on three agents: one that passes, one that does not, and one that was run less.
func report(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	_, addr := startHawser(t, "echo", "--addr", "127.0.0.1:0")
	coder := start(t, "foreign", "coder", "server").says(`ws://\S+`)[0]
	for _, run := range [][]string{
		{"--agent", "hawser", "--cases", "1.*,2.*,6.3.*,6.4.*,7.*", "ws://" + addr + "/"},
		{"--agent", "coder/websocket v1.8.15", "--cases", "1.*,2.*,6.3.*,6.4.*,7.*", coder},
		{"--agent", `<img src=x onerror="console.error('markup ran')">`, "--cases", "1.*,6.*", coder},
	} {
		if code, text := conform(t, append([]string{"server", "--out", dir}, run...)...); code > 1 {
			t.Fatalf("exit code %d: %s", code, text)
		}
	}
	return dir
}

// TestConformPage: the report is opened as a file, filtered, and read case by case, on a screen and on a phone.
func TestConformPage(t *testing.T) {
	dir := report(t)
	address := (&url.URL{Scheme: "file", Path: filepath.Join(dir, "index.html")}).String()
	p := openPage(t, address)
	p.shows("header", `\d+ cases`)
	p.shows(".cards", `passed`)
	p.shows(".cards", `fell short`)
	all := p.count(shownCases)
	if want := 16 + 11 + 145 + 37; all != want {
		t.Errorf("%d cases are shown, want %d", all, want)
	}
	for _, width := range []int{1280, 390} {
		p.screenshot("conform", width)
	}
	p.filters(all)
	p.opensCase(address)
	for _, width := range []int{1280, 390} {
		p.screenshot("conform-case", width)
	}
	if n := p.count(`performance.getEntriesByType("resource").length`); n != 0 {
		t.Errorf("the page has loaded %d other things", n)
	}
	if problems := p.tab.Problems(); len(problems) > 0 {
		t.Errorf("the console shows %v", problems)
	}
}

// filters checks that each control hides what it should.
func (p page) filters(all int) {
	p.t.Helper()
	for _, tt := range []struct {
		text string
		want int
	}{{"6.4", 4}, {"6.4.1", 1}, {"1", 16}, {"nothing of the kind", 0}, {"7.*", 37}, {"6.", 145}, {"", all}} {
		p.typeFilter(tt.text)
		if got := p.count(shownCases); got != tt.want {
			p.t.Errorf("the filter %q shows %d cases, want %d", tt.text, got, tt.want)
		}
		p.shows("#shown", fmt.Sprintf(`^%d (of %d )?cases$`, tt.want, all))
	}
	p.click("#bad")
	bad := p.count(shownCases)
	if n := p.count(`document.querySelectorAll("main details[data-bad]").length`); bad != n || bad == 0 || bad == all {
		p.t.Errorf("%d cases are shown that are not OK, want %d of %d", bad, n, all)
	}
	p.screenshot("conform-bad", 390)
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `category.value = "7", category.dispatchEvent(new Event("input", {bubbles: true}))`, nil)
	})
	if n := p.count(`[...document.querySelectorAll("main > section:not([hidden])")].length`); n != 1 {
		p.t.Errorf("%d categories are shown, want 1", n)
	}
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `category.value = "", category.dispatchEvent(new Event("input", {bubbles: true}))`, nil)
	})
	p.click("#bad")
}

// typeFilter enters text into the filter, or empties it.
func (p page) typeFilter(text string) {
	p.t.Helper()
	p.typeInto("#text", text)
	if text == "" {
		p.do(func(ctx context.Context) error {
			return p.tab.Eval(ctx, `text.value = "", text.dispatchEvent(new Event("input", {bubbles: true}))`, nil)
		})
	}
}

// opensCase checks what is shown of a case that is opened, and that a link leads to it.
func (p page) opensCase(address string) {
	p.t.Helper()
	p.click(`[id="case-1.1.2"] summary`)
	section := `[id="case-1.1.2"] [data-agent="2"]`
	for _, pattern := range []string{
		"^hawser", "OK", "Took", "Expected for OK", "Received", `text message, 125 bytes: "\*`, "On the wire",
		"text FIN masked",
		"125 bytes", "GET / HTTP/1.1", "101 Switching Protocols",
	} {
		p.shows(section, pattern)
	}
	p.do(func(ctx context.Context) error { return p.tab.Navigate(ctx, address+"#6.4.1") })
	p.shows(`[id="case-6.4.1"]`, "failed")
	if n := p.count(`document.querySelectorAll("main details[open]").length`); n < 1 {
		p.t.Error("the link has opened nothing")
	}
}

// TestConformPageWithoutScript: the summary needs no script.
func TestConformPageWithoutScript(t *testing.T) {
	dir := report(t)
	p := openPage(t, "data:text/html,<title>nothing</title>")
	p.do(p.tab.DisableScripts)
	address := (&url.URL{Scheme: "file", Path: filepath.Join(dir, "index.html")}).String()
	p.do(func(ctx context.Context) error { return p.tab.Navigate(ctx, address) })
	p.shows(".cards", "fell short")
	p.click(`[id="case-6.4.1"] summary`)
	p.shows(`[id="case-6.4.1"]`, "The wrong side ended the connection")
	if n := p.count(`document.querySelectorAll("#filter:not([hidden])").length`); n != 0 {
		t.Error("there is a filter that does nothing")
	}
	p.screenshot("conform-without-script", 390)
}
