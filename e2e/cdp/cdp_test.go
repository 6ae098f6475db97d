package cdp

import (
	"bytes"
	"context"
	"image/png"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

const testPage = `<!doctype html>
<html lang="en"><title>Test page</title>
<link rel="icon" href="data:,">
<h1 id="greeting">waiting</h1>
<form><input id="name" value="nobody"><button id="go">Go</button></form><p id="gone"></p>
<button id="hidden" style="display: none">Hidden</button>
<div style="position: relative"><button id="covered">Covered</button><div style="position: absolute; inset: 0"></div></div>
<script>
  setTimeout(() => { document.querySelector("#greeting").textContent = "grüße, 世界" }, 50)
  document.querySelector("form").addEventListener("submit", event => {
    event.preventDefault()
    document.querySelector("#gone").textContent = document.querySelector("#name").value
  })
</script>
</html>`

const brokenPage = `<!doctype html>
<html lang="en"><title>Broken page</title>
<link rel="icon" href="data:,">
<img src="/missing.png" alt="">
<script>console.error("first", 2); console.log("harmless")</script>
<script>undefinedFunction()</script>
</html>`

// newPage starts a browser of its own for the test and serves the two pages to it.
func newPage(t *testing.T) (context.Context, *Page, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	browser, err := Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Errorf("close the DevTools connection: %v", err)
		}
	})
	page, err := browser.NewPage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, html := range map[string]string{"/{$}": testPage, "/broken": brokenPage} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte(html))
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return ctx, page, server.URL
}

func TestPage(t *testing.T) {
	ctx, page, url := newPage(t)
	if err := page.Navigate(ctx, url); err != nil {
		t.Fatal(err)
	}
	if err := page.WaitFor(ctx, `document.querySelector("#greeting").textContent !== "waiting"`); err != nil {
		t.Fatal(err)
	}
	var greeting string
	if err := page.Eval(ctx, `document.querySelector("#greeting").textContent`, &greeting); err != nil {
		t.Fatal(err)
	}
	if greeting != "grüße, 世界" {
		t.Errorf("the page shows %q", greeting)
	}
	var sum int
	if err := page.Eval(ctx, `Promise.resolve(40 + 2)`, &sum); err != nil || sum != 42 {
		t.Errorf("a promise evaluates to %d, %v; want 42", sum, err)
	}
	if err := page.Eval(ctx, `null.property`, nil); err == nil || !strings.Contains(err.Error(), "TypeError") {
		t.Errorf("an expression that throws: error %v; want the TypeError", err)
	}
	if problems := page.Problems(); len(problems) > 0 {
		t.Errorf("problems on a page without any: %v", problems)
	}
}

func TestWaitForGivesUp(t *testing.T) {
	ctx, page, url := newPage(t)
	if err := page.Navigate(ctx, url); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := page.WaitFor(short, `false`); err == nil || !strings.Contains(err.Error(), "did not become true") {
		t.Errorf("error %v; want that the condition did not become true", err)
	}
	if err := page.WaitFor(ctx, `true`); err != nil {
		t.Errorf("the page is of no use after a wait that gave up: %v", err)
	}
}

func TestTypeAndClick(t *testing.T) {
	ctx, page, url := newPage(t)
	if err := page.Navigate(ctx, url); err != nil {
		t.Fatal(err)
	}
	if err := page.Type(ctx, "#name", "Günther"); err != nil {
		t.Fatal(err)
	}
	if err := page.Click(ctx, "#go"); err != nil {
		t.Fatal(err)
	}
	if err := page.WaitFor(ctx, `document.querySelector("#gone").textContent === "Günther"`); err != nil {
		t.Error(err)
	}
	for selector, reason := range map[string]string{
		"#missing": "no such element",
		"#hidden":  "covered by", // a box without a size lies in the corner of the page, under something else
		"#covered": "covered by",
	} {
		if err := page.Click(ctx, selector); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("click %s: %v; want that it says %q", selector, err, reason)
		}
	}
}

func TestScreenshot(t *testing.T) {
	ctx, page, url := newPage(t)
	if err := page.Navigate(ctx, url); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{1280, 390} {
		if err := page.SetViewport(ctx, width, 700); err != nil {
			t.Fatal(err)
		}
		shot, err := page.Screenshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		config, err := png.DecodeConfig(bytes.NewReader(shot))
		if err != nil || config.Width != width || config.Height != 700 {
			t.Errorf("the screenshot is %d by %d, %v; want %d by 700", config.Width, config.Height, err, width)
		}
	}
}

func TestProblems(t *testing.T) {
	ctx, page, url := newPage(t)
	if err := page.Navigate(ctx, url+"/broken"); err != nil {
		t.Fatal(err)
	}
	has := func(source, text string) func(Problem) bool {
		return func(p Problem) bool { return p.Source == source && strings.Contains(p.String(), text) }
	}
	want := []func(Problem) bool{has("console", `"first" 2`), has("exception", "undefinedFunction"), has("network", "missing.png")}
	for i, match := range want {
		for !slices.ContainsFunc(page.Problems(), match) {
			select {
			case <-ctx.Done():
				t.Fatalf("problem %d is not among %v", i, page.Problems())
			case <-time.After(pollInterval):
			}
		}
	}
	if got := page.Problems(); len(got) != len(want) {
		t.Errorf("problems %v; want %d", got, len(want))
	}
}

// TestLargeMessages sends 2 MiB to Chromium's WebSocket server and has it send 6 MiB back: lengths beyond 65535 in both
// directions, and reads of many pieces.
func TestLargeMessages(t *testing.T) {
	ctx, page, _ := newPage(t)
	text := strings.Repeat("hawser ", 2<<20/7)
	var length int
	if err := page.Eval(ctx, `(text = "`+text+`").length`, &length); err != nil {
		t.Fatal(err)
	}
	if length != len(text) {
		t.Fatalf("Chromium received %d characters; want %d", length, len(text))
	}
	var back string
	if err := page.Eval(ctx, `text + text + text`, &back); err != nil {
		t.Fatal(err)
	}
	if back != text+text+text {
		t.Fatalf("%d characters came back, or other ones; want %d", len(back), 3*len(text))
	}
	if in := page.browser.Stats().BytesIn; in < int64(3*len(text)) {
		t.Errorf("the connection counted %d bytes in", in)
	}
}

// TestManyMessages keeps many calls in flight on the one connection, from many goroutines.
func TestManyMessages(t *testing.T) {
	ctx, page, _ := newPage(t)
	failed := make(chan error, 50)
	for i := range cap(failed) {
		go func() {
			for j := range 20 {
				var product int
				err := page.Eval(ctx, `6 * 7`, &product)
				if err != nil || product != 42 {
					t.Errorf("goroutine %d, call %d: %d, %v; want 42", i, j, product, err)
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range cap(failed) {
		<-failed
	}
}
