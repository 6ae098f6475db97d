package e2e

import "testing"

// TestNotify runs examples/notify: its Go client sends, and Chromium shows the text.
func TestNotify(t *testing.T) {
	service := start(t, "notify", "-addr", "127.0.0.1:0")
	addr := service.says(`http://(127\.0\.0\.1:[0-9]+)/`)[1]
	page := openPage(t, "http://"+addr+"/")
	page.shows("#state", "^connected$")

	client := start(t, "notify", "-addr", addr, "-send", "grüße von Go")
	if code := client.wait(); code != 0 {
		t.Errorf("the Go client's exit code is %d; want 0", code)
	}
	page.shows("#messages > li:first-child", "Go: grüße von Go$")

	page.typeInto("#text", "hello from the browser")
	page.click("#send button")
	page.shows("#messages > li:first-child", "browser: hello from the browser$")

	page.screenshot("notify", 1280)
	page.screenshot("notify", 390)
	if problems := page.tab.Problems(); len(problems) > 0 {
		t.Errorf("the console shows %v", problems)
	}

	service.kill()
	page.shows("#state", "^disconnected")
}
