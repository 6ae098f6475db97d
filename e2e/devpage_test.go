package e2e

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The page of "hawser serve --dev".

// publishTo publishes until a number of subscribers gets it: only the server knows when a subscription has begun.
func publishTo(t *testing.T, addr, topic, text string, subscribers int) {
	t.Helper()
	for ctx := within(t); ctx.Err() == nil; {
		if _, n := post(t, addr, topic, text); n == subscribers {
			return
		}
	}
	t.Fatalf("%s never had %d subscribers", topic, subscribers)
}

// TestDevPage is a newcomer's first minute: start the binary, open the page, publish with curl, see it arrive.
func TestDevPage(t *testing.T) {
	hawser, addr := startHawser(t, "serve", "--dev", "--addr", "127.0.0.1:0")
	page := openPage(t, "http://"+addr+"/")
	page.shows("#state", "^connected to news$")
	url := "http://" + addr + "/topics/news"

	published(t, curl(t, "--data", "hello from curl", url), 1)
	shown := page.showsMessage("hello from curl")
	if shown.Topic != "news" {
		t.Errorf("the message has the topic %q; want news", shown.Topic)
	}
	at := shown.At.Local().Format("04:05")
	if age := time.Since(shown.At); age < -time.Second || age > patience || !strings.Contains(shown.Time, at) {
		t.Errorf("the message has the time %q, %v; it is %v", shown.Time, shown.At, time.Now())
	}

	texts := []string{"grüße, 世界 👋", `<img src=x onerror="console.error('markup ran')">`, strings.Repeat("w", 300)}
	for _, text := range texts {
		published(t, curl(t, "--data-binary", text, url), 1)
		page.showsMessage(text)
	}
	published(t, curl(t, "--data-binary", "\xfe\xff", "-H", "Content-Type: application/octet-stream", url), 1)
	page.showsMessage("fe ff")
	page.shows("#messages > li:first-child .kind", "^binary, 2 bytes")
	page.shows("#messages > li:first-child .id", "^[0-9a-f]{8}-5$")
	if n := len(page.messages()); n != 5 {
		t.Errorf("the page shows %d messages; want 5", n)
	}

	page.typeInto("#publish-body", "hello from the form")
	page.click("#publish-form button")
	page.showsMessage("hello from the form")
	page.shows("#publish-result", `^sent to 1 subscriber as [0-9a-f]{8}-6$`)
	published(t, curl(t, "--data", "elsewhere", "http://"+addr+"/topics/another"), 0)
	for _, width := range []int{1280, 390} {
		page.screenshot("dev-page", width)
	}
	if problems := page.tab.Problems(); len(problems) > 0 {
		t.Errorf("the console shows %v", problems)
	}

	long := strings.Repeat("t", 255)
	page.typeInto("#topic", long)
	page.click("#add")
	page.shows("#state", "^connected to 2 topics$")
	publishTo(t, addr, long, "to the long topic", 1)
	if got := page.showsMessage("to the long topic").Topic; got != long {
		t.Errorf("the message has the topic %q; want %d times t", got, len(long))
	}
	page.screenshot("dev-page-long", 390)

	hawser.kill()
	page.shows("#state", "^connection lost")
	page.screenshot("dev-page-lost", 1280)
	startHawser(t, "serve", "--dev", "--addr", addr)
	page.shows("#state", "^connected")
	page.shows("#recovery", "may be lost")
	published(t, curl(t, "--data", "hello again", "http://"+addr+"/topics/"+long), 1)
	page.showsMessage("hello again")
	for _, problem := range page.tab.Problems() {
		// The browser itself, not the page, logs each attempt to connect again that is refused.
		if !strings.Contains(problem.Text, "ERR_CONNECTION_REFUSED") {
			t.Errorf("after the server's end and its return the console shows %v", problem)
		}
	}
}

// TestDevPageByKeyboard does without a mouse what the page is for, on a screen and on a phone.
func TestDevPageByKeyboard(t *testing.T) {
	for _, width := range []int{1280, 390} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			_, addr := startHawser(t, "serve", "--dev", "--addr", "127.0.0.1:0")
			testByKeyboard(t, "http://"+addr, width, func(page) {})
		})
	}
}

// testByKeyboard uses the page at a URL; prepare is called before it is opened.
func testByKeyboard(t *testing.T, base string, width int, prepare func(page)) {
	p := openPage(t, "about:blank#")
	prepare(p)
	p.do(func(ctx context.Context) error { return p.tab.SetViewport(ctx, width, 844) })
	p.do(func(ctx context.Context) error { return p.tab.Navigate(ctx, base+"/?topic=news") })
	p.shows("#state", "^connected to news$")

	// The way around the page, each step of which is seen.
	for _, want := range []string{"toggle", "Unsubscribe from news", "topic", "add", "publish-topic", "publish-body",
		"publish", "curl", "clear"} {
		p.press("Tab")
		p.wantFocus(want)
	}
	for range 6 {
		p.press("Shift+Tab")
	}
	p.wantFocus("topic")

	p.enter("alerts.>")
	p.press("Enter")
	p.shows("#state", "^connected to 2 topics$")
	p.shows("#topics", "alerts.>")
	p.press("Tab")
	p.press("Tab")
	p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, `document.activeElement.select()`, nil) })
	p.enter("alerts.fire")
	p.press("Tab")
	p.enter("it burns")
	p.press("Enter")
	if got := p.showsMessage("it burns").Topic; got != "alerts.fire" {
		t.Errorf("the message has the topic %q", got)
	}
	p.shows("#publish-result", "^sent to 1 subscriber")

	// Disconnected and back: what was published meanwhile comes, and the page says that it was all.
	p.focus("#toggle")
	p.press("Space")
	p.shows("#state", "^disconnected$")
	p.shows("#toggle", "^Connect$")
	for _, text := range []string{"missed one", "missed two", "missed three"} {
		curlInsecure(t, base+"/topics/news", text)
	}
	p.press("Enter")
	p.shows("#state", "^connected to 2 topics$")
	p.shows("#recovery", "^missed 3, all recovered$")
	p.showsMessage("missed three")
	var payloads []string
	for _, m := range p.messages() {
		payloads = append(payloads, m.Payload)
	}
	if got := strings.Join(payloads, ", "); got != "missed three, missed two, missed one, it burns" {
		t.Errorf("the page shows %s", got)
	}

	// A topic less, and the focus is not lost with its button.
	p.focus(`[aria-label="Unsubscribe from news"]`)
	p.press("Enter")
	p.wantFocus("topic")
	p.shows("#state", "^connected to alerts.>$")
	if query := p.evalString(`location.search`); query != "?topic=alerts.%3E" {
		t.Errorf("the address has %q", query)
	}
	p.wantTouchable()
	for _, scheme := range []string{"light", "dark"} {
		p.do(func(ctx context.Context) error { return p.tab.SetColorScheme(ctx, scheme) })
		p.wantContrast(scheme)
		p.screenshot("dev-page-keyboard-"+scheme, width)
	}
	if problems := p.tab.Problems(); len(problems) > 0 {
		t.Errorf("the console shows %v", problems)
	}
}

// curlInsecure publishes through a proxy whose certificate nobody vouches for.
func curlInsecure(t *testing.T, url, text string) {
	t.Helper()
	if answer := curl(t, "--insecure", "--data-binary", text, url); !strings.Contains(answer, `"id":`) {
		t.Fatalf("publish: %s", answer)
	}
}

func (p page) press(key string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.Press(ctx, key) })
}

func (p page) enter(text string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.Enter(ctx, text) })
}

// focus puts the focus on an element, for when it does not matter by which way.
func (p page) focus(selector string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `document.querySelector(`+strconv.Quote(selector)+`).focus()`, nil)
	})
}

func (p page) evalString(expression string) (s string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, expression, &s) })
	return s
}

// wantFocus checks what has the focus, by its id or its label, and that this is to be seen.
func (p page) wantFocus(want string) {
	p.t.Helper()
	var got struct {
		ID, Name, Outline string
		Seen              bool
	}
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `(() => {
			const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e)
			return {
				ID: e.id,
				Name: e.ariaLabel || e.labels?.[0]?.innerText || e.innerText,
				Outline: style.outlineStyle === "none" ? "" : style.outlineWidth,
				Seen: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth,
			}
		})()`, &got)
	})
	if got.ID != want && got.Name != want {
		p.t.Errorf("the focus is on %+v; want %s", got, want)
	}
	if got.Outline == "" || got.Outline == "0px" || !got.Seen || strings.TrimSpace(got.Name) == "" {
		p.t.Errorf("the focus on %s is not to be seen, or has no name: %+v", want, got)
	}
}

// wantTouchable checks that what can be pressed is large enough for a finger.
func (p page) wantTouchable() {
	p.t.Helper()
	small := p.evalString(`[...document.querySelectorAll("button, input, textarea")].filter(e => {
		const box = e.getBoundingClientRect()
		return box.width < 44 || box.height < 44
	}).map(e => e.outerHTML.slice(0, 60)).join(", ")`)
	if small != "" {
		p.t.Errorf("smaller than 44 pixels: %s", small)
	}
}

// wantContrast checks that all text stands out from what is behind it by 4.5 to 1 (WCAG 2.2, 1.4.3).
func (p page) wantContrast(scheme string) {
	p.t.Helper()
	faint := p.evalString(`(() => {
		const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true})
		const rgba = color => {
			canvas.clearRect(0, 0, 1, 1)
			canvas.fillStyle = color
			canvas.fillRect(0, 0, 1, 1)
			return canvas.getImageData(0, 0, 1, 1).data
		}
		const luminance = color => {
			const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
			const [r, g, b] = [...rgba(color)].map(v => linear(v / 255))
			return 0.2126 * r + 0.7152 * g + 0.0722 * b
		}
		const behind = e => e && (rgba(getComputedStyle(e).backgroundColor)[3] === 255
			? getComputedStyle(e).backgroundColor : behind(e.parentElement)) || "white"
		return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() &&
			[...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())).map(e => {
				const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))]
				return {e, ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)}
			}).filter(({ratio}) => ratio < 4.5).map(({e, ratio}) => e.outerHTML.slice(0, 60) + " " + ratio.toFixed(1)).join(", ")
	})()`)
	if faint != "" {
		p.t.Errorf("in the %s scheme too faint: %s", scheme, faint)
	}
}
