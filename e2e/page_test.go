package e2e

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"hawser.example/websocket/e2e/cdp"
)

// artefacts is where screenshots stay for whoever wants to look at them.
const artefacts = "artefacts"

// page is a tab of the browser that ends the test when it cannot do what it is told.
type page struct {
	t   *testing.T
	tab *cdp.Page
}

// openPage starts a browser and has it open url.
func openPage(t *testing.T, url string) page {
	t.Helper()
	browser, err := cdp.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := browser.Close(); err != nil {
			t.Errorf("close the DevTools connection: %v", err)
		}
	})
	tab, err := browser.NewPage(within(t))
	if err != nil {
		t.Fatal(err)
	}
	p := page{t, tab}
	p.do(func(ctx context.Context) error { return tab.Navigate(ctx, url) })
	return p
}

// do is for one step that has to succeed within a while.
func (p page) do(step func(ctx context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := step(ctx); err != nil {
		p.t.Fatalf("%v\nthe page shows:\n%s\nits problems: %v", err, p.text("body"), p.tab.Problems())
	}
}

// text returns the text of the first element that matches, as a person sees it.
func (p page) text(selector string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	var text string
	if err := p.tab.Eval(ctx, `document.querySelector(`+strconv.Quote(selector)+`).innerText`, &text); err != nil {
		p.t.Errorf("the text of %s: %v", selector, err)
	}
	return text
}

// shows waits until an element's text matches a regular expression, which is one to JavaScript as well.
func (p page) shows(selector, pattern string) {
	p.t.Helper()
	condition := `new RegExp(` + strconv.Quote(pattern) + `, "i").test(document.querySelector(` + strconv.Quote(selector) + `)?.innerText)`
	p.do(func(ctx context.Context) error { return p.tab.WaitFor(ctx, condition) })
}

func (p page) click(selector string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.Click(ctx, selector) })
}

func (p page) typeInto(selector, text string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.Type(ctx, selector, text) })
}

// screenshot keeps what the page looks like at a width, and checks that it needs no horizontal scrolling there.
func (p page) screenshot(name string, width int) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.SetViewport(ctx, width, 900) })
	var shown struct{ Content, Window int }
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `scrollTo(0, 0), ({Content: document.documentElement.scrollWidth, Window: innerWidth})`, &shown)
	})
	if shown.Window != width || shown.Content > width {
		p.t.Errorf("at a width of %d: the window is %d wide and the page %d: it scrolls sideways", width, shown.Window, shown.Content)
	}
	var shot []byte
	p.do(func(ctx context.Context) (err error) {
		shot, err = p.tab.Screenshot(ctx)
		return err
	})
	if config, err := png.DecodeConfig(bytes.NewReader(shot)); err != nil || config.Width != width {
		p.t.Errorf("the screenshot is %d wide, %v; want %d", config.Width, err, width)
	}
	if err := os.MkdirAll(artefacts, 0o777); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artefacts, name+"-"+strconv.Itoa(width)+".png"), shot, 0o666); err != nil {
		p.t.Fatal(err)
	}
}

// shownMessage is an entry of the list on the page of hawser serve --dev.
type shownMessage struct {
	Topic, Time, Payload string
	At                   time.Time // what Time says to programs
}

// messages returns the list on the page, in the order of the document.
func (p page) messages() []shownMessage {
	p.t.Helper()
	var shown []shownMessage
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `[...document.querySelectorAll("#messages > li:not(.break)")].map(li => ({
			Topic: li.querySelector(".topic").innerText,
			Time: li.querySelector(".time").innerText,
			At: li.querySelector(".time").dateTime,
			Payload: li.querySelector(".payload").innerText,
		}))`, &shown)
	})
	return shown
}

// showsMessage waits until exactly one message has the payload, and returns it.
func (p page) showsMessage(payload string) shownMessage {
	p.t.Helper()
	quoted, err := json.Marshal(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	condition := `[...document.querySelectorAll("#messages > li .payload")].filter(e => e.innerText === ` + string(quoted) + `).length === 1`
	p.do(func(ctx context.Context) error { return p.tab.WaitFor(ctx, condition) })
	for _, m := range p.messages() {
		if m.Payload == payload {
			return m
		}
	}
	p.t.Fatalf("the message %q is gone again", payload)
	panic("not reached")
}

// curl runs curl as the README shows it, and returns what it prints.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(within(t), "curl", append([]string{"--silent", "--show-error"}, args...)...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s (installed by e2e/install.sh): %v\n%s", cmd, err, output)
	}
	return string(output)
}

// published checks the answer to a publication.
func published(t *testing.T, answer string, subscribers int) {
	t.Helper()
	var got struct {
		ID          string `json:"id"`
		Subscribers int    `json:"subscribers"`
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatalf("the answer %q: %v", answer, err)
	}
	if !regexp.MustCompile(`^[^-]+-[0-9]+$`).MatchString(got.ID) || got.Subscribers != subscribers {
		t.Errorf("the answer is %q; want an id epoch-seq and %d subscribers", answer, subscribers)
	}
}

// TestBinaryIsStatic: the binary that users get needs no library of the system.
func TestBinaryIsStatic(t *testing.T) {
	path, err := builds["hawser"]()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("it imports %v, %v; want nothing", libraries, err)
	}
	if interpreter := file.Section(".interp"); interpreter != nil {
		t.Error("it asks for a dynamic loader")
	}
}
