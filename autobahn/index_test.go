package autobahn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A report of the original is read: its grades, durations and close codes, and its cases in their order.
func TestIndexOfTheOriginal(t *testing.T) {
	x, err := ReadIndex("testdata/original/index.json")
	if err != nil {
		t.Fatal(err)
	}
	const agent = "Some Server/1.0"
	if got := x.Agents(); !slices.Equal(got, []string{agent}) {
		t.Errorf("agents %q", got)
	}
	if got, want := x.IDs(agent), []string{"1.1.1", "2.9", "2.10"}; !slices.Equal(got, want) {
		t.Errorf("cases %q, want %q", got, want)
	}
	e := x[agent]["1.1.1"]
	if e.RemoteCloseCode == nil || *e.RemoteCloseCode != 1000 || x[agent]["2.9"].RemoteCloseCode != nil {
		t.Errorf("close codes %v and %v, want 1000 and none", e.RemoteCloseCode, x[agent]["2.9"].RemoteCloseCode)
	}
	e.RemoteCloseCode = nil
	if want := (IndexEntry{OK, OK, 2, nil, "some_server_1_0_case_1_1_1.json"}); e != want {
		t.Errorf("1.1.1 is %+v, want %+v", e, want)
	}
}

// What is no index is an error that names the file, not an empty report.
func TestIndexThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "index.json")
	for _, text := range []string{
		"", "{", "null", "[]", `"x"`, `{"a": null}`, `{"a": []}`, `{"a": {"1.1.1": null}}`, `{"a": {"1.1.1": {}}}`,
		`{"a": {"1.1.1": {"behavior": "OK"}}}`, `{"a": {"1.1.1": {"behaviorClose": "OK"}}}`,
		`{"a": {"1.1.1": {"behavior": 1, "behaviorClose": "OK"}}}`,
		`{"servers": [{"url": "ws://127.0.0.1:9002"}]}`, `{} {}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if x, err := ReadIndex(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, error %v", text, x, err)
		}
	}
}

func TestIDsAreOrderedByTheirNumbers(t *testing.T) {
	want := []string{"", "1.1.1", "1.1.2", "1.1.10", "1.2.1", "2.1", "2.1.1", "2.10", "10.1.1", "10.a", "H.1.2",
		"H.1.10", "H.x", "U.1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareIDs)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of a case that ran several times the worst run stands, whichever came first.
func TestIndexKeepsTheWorstRun(t *testing.T) {
	good := &Result{Agent: "a", ID: "1.1.1", Behavior: OK, BehaviorClose: OK}
	bad := &Result{Agent: "a", ID: "1.1.1", Behavior: Failed, BehaviorClose: OK}
	badEnd := &Result{Agent: "a", ID: "1.1.1", Behavior: OK, BehaviorClose: Unclean}
	for _, tt := range []struct {
		runs []*Result
		want *Result
	}{
		{[]*Result{good, bad, good}, bad}, {[]*Result{bad, good}, bad}, {[]*Result{good, badEnd},
			badEnd}, {[]*Result{good}, good},
	} {
		e := NewIndex(tt.runs)["a"]["1.1.1"]
		if e.Behavior != tt.want.Behavior || e.BehaviorClose != tt.want.BehaviorClose {
			t.Errorf("%d runs: %+v, want %s, %s", len(tt.runs), e, tt.want.Behavior, tt.want.BehaviorClose)
		}
		if got := worst(tt.runs)[[2]string{"a", "1.1.1"}]; got != tt.want {
			t.Errorf("%d runs: the one that stands is %+v", len(tt.runs), got)
		}
	}
}

// FuzzIndex: what is taken for an index can be judged, and survives being written.
func FuzzIndex(f *testing.F) {
	sample, err := os.ReadFile("testdata/original/index.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte(`{"a": {"1.1.1": {"behavior": "?", "behaviorClose": "x", "duration": -1, "reportfile": "../x"}}}`))
	f.Add([]byte(`{"": {"": {"Behavior": "OK", "behaviorclose": "OK"}}}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		x, err := ParseIndex(p)
		if err != nil {
			return
		}
		s := Judge{Rules: StrictRules}.Judge(x)
		if len(s.Agents) != len(x) {
			t.Errorf("%d agents were judged of %d", len(s.Agents), len(x))
		}
		for name, again := range map[string][]byte{"index": x.encode(), "baseline": Baseline(x).encode()} {
			y, err := ParseIndex(again)
			if err != nil {
				t.Fatalf("%s: %v in\n%s", name, err, again)
			}
			for _, agent := range x.Agents() {
				if len(y[agent]) != len(x[agent]) {
					t.Errorf("%s: agent %q has %d cases, then %d", name, agent, len(x[agent]), len(y[agent]))
				}
				for id, e := range x[agent] {
					if !sameGrades(e, y[agent][id]) {
						t.Errorf("%s: case %q is %+v, then %+v", name, id, e, y[agent][id])
					}
				}
			}
		}
		encodePage(x, readCases(t.TempDir(), x))
	})
}
