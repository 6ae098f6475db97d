package autobahn

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateGolden = flag.Bool("update-reports", false, "rewrite the golden reports in testdata/report")

// sampleResult is a result with something in each of its fields.
func sampleResult() *Result {
	code, reason := 1000, ""
	peerCode, peerReason := 1002, "bad"
	return &Result{
		Agent: "Some Server/1.0", ID: "2.9", Case: 25, Description: "A Pong that nobody asked for, then a Ping.",
		Expectation: "A Pong for the Ping.", Behavior: Failed, BehaviorClose: WrongCode,
		Reason: "A message came.", ReasonClose: "The code is 1002.",
		Started: "2026-11-25T12:00:00.250Z", Duration: 12,
		HTTPRequest: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", HTTPResponse: "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		Expected: map[Grade][][]Event{OK: {{{Kind: "pong", Payload: []byte("payload")}}, {}},
			NonStrict: {{{Kind: "timeout", Tag: "A"}}}},
		Received: []Event{
			{Kind: "message", Payload: []byte("grüße")}, {Kind: "message", Binary: true, Payload: []byte{0, 255}},
			{Kind: "message", Payload: bytes.Repeat([]byte("ü"), 50)}, {Kind: "ping"},
		},
		ExpectedClose: CloseRule{ClosedByMe: true, Codes: []int{1000}, RequireClean: true},
		ClosedByMe:    true, WasClean: true, LocalCloseCode: &code, LocalCloseReason: &reason,
		RemoteCloseCode: &peerCode, RemoteCloseReason: &peerReason, CreateStats: true, CreateWirelog: true,
		RxOctets: map[int]int{9: 1}, TxOctets: map[int]int{13: 1, 8: 2}, RxFrames: map[string]int{"1": 1},
		TxFrames: map[string]int{"9": 1}, Traffic: &Traffic{IncomingOctetsApp: 9},
		Wirelog: []WireEntry{
			{Kind: "TF", At: 0.5, Opcode: 9, Fin: true, Masked: true, Key: "01020304", Payload: 7, Data: "7061796c6f6164"},
			{Kind: "RF", At: 1.25, Opcode: 1, Fin: true, RSV: 4, Payload: 6, Data: "6772c3bcc39f"}, {Kind: "KL", At: 2,
				Delay: 1},
			{Kind: "RO", At: 3, Size: 2, Data: "8800"}, {Kind: "WLM", At: 4, Text: "The connection has ended."},
		},
		Own: []Finding{{Failed, "RFC 7692, section 7.2.1", "a distance of 700"}},
	}
}

// readReport returns the files of a report.
func readReport(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		p, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(p)
	}
	return files
}

// writeReport writes results into a directory, in addition to what is there.
func writeReport(t *testing.T, dir string, results ...*Result) Index {
	t.Helper()
	x, err := WriteReport(dir, results)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// The files have the names, the keys and the form of the original's.
func TestReportAsGolden(t *testing.T) {
	dir := t.TempDir()
	writeReport(t, dir, sampleResult(), &Result{Agent: "Some Server/1.0", ID: "1.1.1", Behavior: OK, BehaviorClose: OK})
	files := readReport(t, dir)
	for _, name := range []string{"index.json", "some_server_1_0_case_2_9.json"} {
		golden := filepath.Join("testdata", "report", name)
		if *updateGolden {
			if err := os.WriteFile(golden, []byte(files[name]), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if files[name] != string(want) {
			t.Errorf("%s is\n%s\nwant %s", name, files[name], golden)
		}
	}
	if len(files) != 4 || files["index.html"] == "" {
		t.Errorf("%d files, want index.json, index.html and one for each of 2 cases", len(files))
	}
}

// Whoever reads the original's case files finds every key in ours.
func TestCaseFileHasTheKeysOfTheOriginal(t *testing.T) {
	var ours, original map[string]json.RawMessage
	p, err := os.ReadFile("testdata/original/some_server_1_0_case_2_9.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(p, &original); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encodeCase(new(Result)), &ours); err != nil {
		t.Fatal(err)
	}
	for key := range original {
		if _, ok := ours[key]; !ok {
			t.Errorf("there is no %q", key)
		}
		delete(ours, key)
	}
	for key := range ours {
		t.Errorf("the original has no %q", key)
	}
	if len(original) != 39 {
		t.Errorf("the sample has %d keys, the original has 39", len(original))
	}
}

// Another agent's cases, and the same agent's other cases, stay in a report; the same case is replaced.
func TestReportsAreMerged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	writeReport(t, dir, &Result{Agent: "a", ID: "1.1.1", Behavior: Failed, BehaviorClose: OK,
		Description: "of the first run"},
		&Result{Agent: "a", ID: "1.1.2", Behavior: OK, BehaviorClose: OK})
	writeReport(t, dir, &Result{Agent: "b", ID: "1.1.1", Behavior: NonStrict, BehaviorClose: OK})
	x := writeReport(t, dir, &Result{Agent: "a", ID: "1.1.1", Behavior: OK, BehaviorClose: OK,
		Description: "of the last run"})
	if x["a"]["1.1.1"].Behavior != OK || x["b"]["1.1.1"].Behavior != NonStrict || len(x["a"]) != 2 || len(x) != 2 {
		t.Errorf("the index is %+v", x)
	}
	again, err := ReadIndex(filepath.Join(dir, "index.json"))
	if err != nil || !bytes.Equal(again.encode(), x.encode()) {
		t.Errorf("the file has %+v, error %v", again, err)
	}
	page := readReport(t, dir)["index.html"]
	if !strings.Contains(page, "of the last run") || strings.Contains(page, "of the first run") ||
		!strings.Contains(page, "<h2>b</h2>") {
		t.Error("the page does not show both agents and the last run")
	}
}

// A report of the original gets company: ours, and the page that shows both.
func TestReportOfTheOriginalIsMerged(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/original")); err != nil {
		t.Fatal(err)
	}
	writeReport(t, dir, &Result{Agent: "ours", ID: "2.9", Behavior: OK, BehaviorClose: OK})
	page := readReport(t, dir)["index.html"]
	for _, text := range []string{"<h2>Some Server/1.0</h2>", "<h2>ours</h2>", "close: wrong code",
		"What came is not what was expected.", "Made up in the original&#39;s shape.", "pong, 7 bytes: \\\"payload\\\"",
		"text message, 7 bytes", `["RF",0.000,"text FIN RSV1",7,"=payload"]`, `["CT",0.000,"waits 1 s"]`,
		`["TO",0.000,"",13,"8987aabbccdddaa0b5a2c5dfa8"]`, "The connection has ended."} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not have %q", text)
		}
	}
}

// Agents whose names lead to the same file, and names that lead to none, do not spoil each other's reports.
func TestNamesOfCaseFiles(t *testing.T) {
	dir := t.TempDir()
	agents := []string{"ws 1", "ws/1", "ws!1", "世界", "", "../../etc", strings.Repeat("x", 5000), strings.Repeat("x", 5001)}
	for range 2 { // the second time there are files of these names already
		for _, agent := range agents {
			writeReport(t, dir, &Result{Agent: agent, ID: "1.1.1", Behavior: OK, BehaviorClose: OK, Reason: agent})
		}
	}
	x, err := ReadIndex(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, agent := range agents {
		name := x[agent]["1.1.1"].ReportFile
		f, err := readCase(dir, name)
		if err != nil || f.Reason != agent {
			t.Errorf("agent %.10q has the file %q, with another's reason or error %v", agent, name, err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(agents) || names[0] == "" {
		t.Errorf("files %q", names)
	}
	if files := readReport(t, dir); len(files) != len(agents)+2 {
		t.Errorf("%d files", len(files))
	}
}

// A directory that has something else under the name of the index is left alone.
func TestReportWhereNoneCanBe(t *testing.T) {
	dir := t.TempDir()
	index := filepath.Join(dir, "index.json")
	if err := os.WriteFile(index, []byte(`{"name": "my app"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	result := &Result{Agent: "a", ID: "1.1.1", Behavior: OK, BehaviorClose: OK}
	if _, err := WriteReport(dir, []*Result{result}); err == nil || !strings.Contains(err.Error(), index) {
		t.Errorf("error %v", err)
	}
	if files := readReport(t, dir); len(files) != 1 || files["index.json"] != `{"name": "my app"}` {
		t.Errorf("the directory has %v", files)
	}
	if _, err := WriteReport(index, []*Result{result}); err == nil {
		t.Error("a report was written into a file")
	}
}

// An index may name any file, but only those beside it are read.
func TestCaseFilesAreBesideTheIndex(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.json"), []byte(`{"result": "secret"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../secret.json", filepath.Join(dir, "secret.json"), "..", ".", "",
		"x/../../secret.json"} {
		if f, err := readCase(sub, name); err == nil {
			t.Errorf("%q was read: %+v", name, f)
		}
	}
	why := Why(dir, Index{"a": {"1": {ReportFile: "secret.json"}, "2": {ReportFile: "none.json"}}})
	if reason, _ := why("a", "1"); reason != "secret" {
		t.Errorf("the reason is %q", reason)
	}
	if reason, end := why("a", "2"); reason+end != "" {
		t.Errorf("without a file the reasons are %q and %q", reason, end)
	}
}

func TestWireLogForPeople(t *testing.T) {
	var out strings.Builder
	if err := PrintWire(&out, sampleResult()); err != nil {
		t.Fatal(err)
	}
	want := `Some Server/1.0 case 2.9: behavior FAILED, close WRONG CODE
    0.500 ms ->  ping FIN masked, 7 bytes: 7061796c6f6164
    1.250 ms <-  text FIN RSV1, 6 bytes: 6772c3bcc39f
    2.000 ms     will fail the connection after 1 s
    3.000 ms <-  2 octets: 8800
    4.000 ms     The connection has ended.
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if got := Findings([]*Result{sampleResult()}); len(got) != 1 || !strings.Contains(got[0],
		"2.9: FAILED, which the original does not") {
		t.Errorf("findings %q", got)
	}
	behavior, end := Reasons([]*Result{sampleResult()})("Some Server/1.0", "2.9")
	if none, _ := Reasons(nil)("a", "1"); behavior != "A message came." || end != "The code is 1002." || none != "" {
		t.Errorf("reasons %q, %q, %q", behavior, end, none)
	}
}
