package autobahn

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// pageOf returns the page of a report on results.
func pageOf(t *testing.T, results ...*Result) string {
	t.Helper()
	dir := t.TempDir()
	writeReport(t, dir, results...)
	return readReport(t, dir)["index.html"]
}

// evil is text that would become markup if it were not escaped, wherever it stands.
const evil = `"'><img src=x onerror=alert(1)></script></style></title><!--<script>alert(1)</script>`

// Nothing that a peer says becomes markup.
func TestPageEscapes(t *testing.T) {
	reason := evil
	r := sampleResult()
	r.Agent, r.Description, r.Expectation, r.Reason, r.ReasonClose = evil, evil, evil, evil, evil
	r.HTTPRequest, r.HTTPResponse = evil, evil
	r.RemoteCloseReason, r.LocalCloseReason, r.WasNotCleanReason = &reason, &reason, &reason
	r.WasClean = false
	r.Received = []Event{{Kind: "message", Payload: []byte(evil)}, {Kind: evil}, {Kind: "timeout", Tag: evil}}
	r.Wirelog = []WireEntry{{Kind: "WLM", Text: evil}, {Kind: evil, Text: evil}, {Kind: "RF", Data: evil}}
	r.Own = []Finding{{Grade(evil), evil, evil}}
	r.Started = evil
	r.Behavior, r.BehaviorClose = Grade(evil), Grade(evil)
	plainPage := pageOf(t, sampleResult(), &Result{Agent: "x", ID: "7.1.1"})
	dir := t.TempDir() // with a report from elsewhere
	other := Index{"x": {"7.1." + evil: {Behavior: Grade(evil), BehaviorClose: Grade(evil), ReportFile: evil}}}
	if err := writeFile(dir, "index.json", other.encode()); err != nil {
		t.Fatal(err)
	}
	writeReport(t, dir, r)
	page := readReport(t, dir)["index.html"]
	for _, markup := range []string{"<img", "<script", "</script", "<style", "</style", "</title", "<!--", "<meta",
		"<link"} {
		if got, want := strings.Count(page, markup), strings.Count(plainPage, markup); got != want {
			t.Errorf("%d times %s, without evil text %d times", got, markup, want)
		}
	}
	body := regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|"[^"]*"`).ReplaceAllString(page, "")
	for _, tag := range regexp.MustCompile(`<[a-z][^>]*\son\w+=?[^>]*>`).FindAllString(body, -1) {
		t.Errorf("a handler: %s", tag)
	}
}

// All is in the file: no address of anything else, and a policy that forbids to load it.
func TestPageLoadsNothing(t *testing.T) {
	page := pageOf(t, sampleResult())
	for _, m := range regexp.MustCompile(`(?i)(src|href|url|@import)\s*[=(]\s*["']?[^"')\s]+`).FindAllString(page, -1) {
		if m != `href="data:,` {
			t.Errorf("the page has %s", m)
		}
	}
	if strings.Contains(page, "http:") || strings.Contains(page, "https:") || !strings.Contains(page,
		"default-src 'none'") {
		t.Error("the page has an address, or no policy")
	}
}

// The data of the script is JSON, by case and agent.
func TestPageData(t *testing.T) {
	other := &Result{Agent: "other", ID: "1.1.1", Behavior: OK, BehaviorClose: OK}
	page := pageOf(t, sampleResult(), other)
	m := regexp.MustCompile(`(?s)<script id="data" type="application/json">(.*?)</script>`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("there is no data")
	}
	var data map[string][]*caseDetail
	if err := json.Unmarshal([]byte(m[1]), &data); err != nil {
		t.Fatal(err)
	}
	if len(data) != 2 || len(data["2.9"]) != 2 || data["2.9"][0] == nil || data["2.9"][1] != nil ||
		data["1.1.1"][0] != nil {
		t.Fatalf("the data is %+v", data)
	}
	d := data["2.9"][0]
	got, err := json.Marshal([]any{d.Facts, d.Expected, d.Received, d.Wire})
	if err != nil {
		t.Fatal(err)
	}
	want := `[[["Took","12 ms"],["Close of the kit","1000"],["Close of the peer","1002 \"bad\""],["Ended","cleanly"],` +
		`["The kit","closed first"]],` +
		`[["NON-STRICT","the end of wait A"],["OK","pong, 7 bytes: \"payload\""],["OK"]],` +
		`["text message, 7 bytes: \"grüße\"","binary message, 2 bytes: 00ff",` +
		`"text message, 100 bytes: \"` + strings.Repeat("ü", 32) + `\" …","ping, empty"],` +
		`[["TF",0.5,"ping FIN masked",7,"7061796c6f6164"],["RF",1.25,"text FIN RSV1",6,"6772c3bcc39f"],` +
		`["KL",2,"will fail the connection after 1 s"],["RO",3,"",2,"8800"],["WLM",4,"The connection has ended."]]]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Without its script the page has the counts, every case with its grades, and the reasons.
func TestPageWithoutScript(t *testing.T) {
	page := pageOf(t, sampleResult(), &Result{Agent: "other", ID: "9.1.1", Behavior: NonStrict, BehaviorClose: OK})
	page = regexp.MustCompile(`(?s)<script.*?</script>`).ReplaceAllString(page, "")
	for _, text := range []string{
		"2 cases", "2026-11-25 12:00:00", "1 fell short", `>passed</b>`, "1 failed", "1 non-strict",
		`<details id="case-2.9" data-bad>`, "A Pong that nobody asked for, then a Ping.", "A Pong for the Ping.",
		"A message came.", "The code is 1002.", "close: wrong code", "a distance of 700 (RFC 7692, section 7.2.1)",
		`<em class="none">not run</em>`, "0 of 1 passed",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("there is no %q", text)
		}
	}
}

// A case that has sent and received much does not blow up the page.
func TestPageIsBounded(t *testing.T) {
	r := sampleResult()
	r.HTTPResponse = strings.Repeat("x", 1<<20)
	r.Wirelog = nil
	for n := range 2000 {
		r.Wirelog = append(r.Wirelog, WireEntry{Kind: "RO", At: float64(n), Size: 65536, Data: strings.Repeat("00", 64)})
		r.Received = append(r.Received, Event{Kind: "message", Payload: make([]byte, 100)})
	}
	small, large := len(pageOf(t, sampleResult())), len(pageOf(t, r))
	if large > small+30<<10 {
		t.Errorf("%d bytes for a case, beyond the %d of a page with a small one", large-small, small)
	}
}
