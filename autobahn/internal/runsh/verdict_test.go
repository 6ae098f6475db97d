package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// graded returns results of cases with the grades that follow their ids: "1.1 OK OK", with _ for a space in a grade.
func graded(lines ...string) map[string]result {
	cases := map[string]result{}
	for _, line := range lines {
		f := strings.Fields(line)
		for i := range f {
			f[i] = strings.ReplaceAll(f[i], "_", " ")
		}
		cases[f[0]] = result{f[1], f[2], "hawser_case_" + strings.ReplaceAll(f[0], ".", "_") + ".json"}
	}
	return cases
}

// writeFiles writes a spec and a report into a directory.
func writeFiles(t *testing.T, spec, index any) (specFile, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, v := range map[string]any{"spec.json": spec, "index.json": index} {
		text, ok := v.(string)
		if !ok {
			p, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text = string(p)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "spec.json"), dir
}

// Both grades of a case have to be the best that it has; the rest is listed with its report.
func TestVerdictIsStrict(t *testing.T) {
	category10 := map[string]any{"cases": []string{"10.*"}}
	for name, tt := range map[string]struct {
		cases  map[string]result
		passed bool
		says   []string
	}{
		"passed":        {graded("10.1.1 OK OK"), true, []string{"hawser: 1 cases (behavior: 1 OK), 0 not passed\n"}},
		"informational": {graded("10.1.1 INFORMATIONAL OK"), true, []string{"(behavior: 1 INFORMATIONAL)"}},
		"close informs": {graded("10.1.1 OK INFORMATIONAL"), true, []string{"0 not passed"}},
		"non-strict": {graded("10.1.1 OK OK", "6.4.1 NON-STRICT OK"), false, []string{
			"case 6.4.1    behavior NON-STRICT, close OK; see DIR/hawser_case_6_4_1.html\n",
			"(behavior: 1 NON-STRICT, 1 OK), 1 not passed"}},
		"failed":           {graded("10.1.1 FAILED OK"), false, []string{"behavior FAILED, close OK"}},
		"unimplemented":    {graded("10.1.1 UNIMPLEMENTED OK"), false, []string{"behavior UNIMPLEMENTED"}},
		"close failed":     {graded("10.1.1 OK FAILED"), false, []string{"behavior OK, close FAILED"}},
		"wrong code":       {graded("10.1.1 OK WRONG_CODE"), false, []string{"behavior OK, close WRONG CODE"}},
		"unclean":          {graded("10.1.1 OK UNCLEAN"), false, []string{"close UNCLEAN"}},
		"failed by client": {graded("10.1.1 OK FAILED_BY_CLIENT"), false, []string{"close FAILED BY CLIENT"}},
		"unknown grade":    {graded("10.1.1 EXCELLENT OK"), false, []string{"behavior EXCELLENT"}},
		"in order": {graded("10.1.1 FAILED OK", "9.1.10 FAILED OK", "9.1.9 FAILED OK"), false, []string{
			"case 9.1.9 ", "case 9.1.10 ", "case 10.1.1 ", "3 not passed"}},
		"cut short": {graded(), false, []string{
			"hawser: 0 cases", "0 not passed", "at least 1 cases are missing: the run was cut short"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec, dir := writeFiles(t, category10, map[string]any{"hawser": tt.cases})
			var out strings.Builder
			passed, err := printVerdict(&out, spec, dir)
			if err != nil {
				t.Fatal(err)
			}
			rest := strings.ReplaceAll(out.String(), dir, "DIR")
			for _, text := range tt.says {
				_, after, ok := strings.Cut(rest, text)
				if !ok {
					t.Fatalf("it said\n%s\nwithout %q, or not in this order", out.String(), text)
				}
				rest = after
			}
			if passed != tt.passed {
				t.Errorf("passed is %v", passed)
			}
		})
	}
}

// One agent's failure is the run's, wherever it stands.
func TestEveryAgentIsJudged(t *testing.T) {
	good, bad := graded("1.1.1 OK OK"), graded("1.1.1 FAILED OK")
	for _, index := range []map[string]any{{"a": bad, "b": good}, {"a": good, "b": bad}} {
		spec, dir := writeFiles(t, map[string]any{"cases": []string{"1.1.1"}}, index)
		if passed, err := printVerdict(new(strings.Builder), spec, dir); passed || err != nil {
			t.Errorf("%v: passed %v, error %v", index, passed, err)
		}
	}
}

// Where there is no report there is no verdict either.
func TestNoReportIsAnError(t *testing.T) {
	spec := map[string]any{"cases": []string{"*"}}
	for name, tt := range map[string]struct{ spec, index any }{
		"no agent": {spec, "{}"}, "no JSON": {spec, "{"}, "another shape": {spec, "[]"}, "no spec": {"", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			file, dir := writeFiles(t, tt.spec, tt.index)
			if passed, err := printVerdict(new(strings.Builder), file, dir); passed || err == nil {
				t.Errorf("passed %v, error %v", passed, err)
			}
		})
	}
	file, _ := writeFiles(t, spec, "{}")
	if passed, err := printVerdict(new(strings.Builder), file, t.TempDir()); passed || err == nil {
		t.Errorf("no file: passed %v, error %v", passed, err)
	}
}

func TestLeastNumberOfCases(t *testing.T) {
	for _, tt := range []struct {
		cases, exclude []string
		want           int
	}{
		{[]string{"*"}, nil, 517},
		{[]string{"*"}, []string{"12.*", "13.*"}, 301},
		{[]string{"1.*", "10.*"}, nil, 17},
		{[]string{"1.*", "1.*"}, []string{"9.*"}, 16},
		{[]string{"6.4.*"}, nil, 1},
		{[]string{"*"}, []string{"6.4.1"}, 1},
		{[]string{"1*"}, nil, 1},
		{nil, nil, 0},
	} {
		if got := (selection{tt.cases, tt.exclude}).least(); got != tt.want {
			t.Errorf("cases %v but %v: at least %d, want %d", tt.cases, tt.exclude, got, tt.want)
		}
	}
}

func TestCasesAreOrderedByTheirNumbers(t *testing.T) {
	want := []string{"1.1.1", "1.1.2", "1.1.10", "1.2.1", "2.1", "2.1.1", "2.10", "10.1.1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareCases)
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSpecKeepsAllButTheURL(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"server": {`{"url": "ws://a:1", "cases": ["*"], "x": {"y": 1}}`, `{"cases":["*"],"url":"ws://b:2","x":{"y":1}}`},
		"client": {`{"servers": [{"agent": "h", "url": "ws://a:1"}], "outdir": "/r"}`,
			`{"outdir":"/r","servers":[{"agent":"h","url":"ws://b:2"}]}`},
		"no server":   {`{"servers": []}`, ""},
		"two servers": {`{"servers": [{}, {}]}`, ""},
		"no object":   {`{"servers": ["ws://a:1"]}`, ""},
		"no JSON":     {`{`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file, _ := writeFiles(t, tt.in, "{}")
			var out strings.Builder
			err := printSpec(&out, file, "ws://b:2")
			got := strings.NewReplacer(" ", "", "\n", "").Replace(out.String())
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %s, error %v; want %s", got, err, tt.want)
			}
		})
	}
}

// The exit code tells a failure from nothing to judge, which is told on one line.
func TestExitCodes(t *testing.T) {
	spec := map[string]any{"cases": []string{"1.1.1"}}
	passedSpec, passed := writeFiles(t, spec, map[string]any{"hawser": graded("1.1.1 OK OK")})
	failedSpec, failed := writeFiles(t, spec, map[string]any{"hawser": graded("1.1.1 FAILED OK")})
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"port"}, 0},
		{[]string{"spec", passedSpec, "ws://127.0.0.1:1"}, 0},
		{[]string{"verdict", passedSpec, passed}, 0},
		{[]string{"verdict", failedSpec, failed}, 1},
		{[]string{"verdict", passedSpec, t.TempDir()}, 2},
		{[]string{"verdict", passedSpec}, 2},
		{[]string{"spec", filepath.Join(passed, "missing"), "ws://127.0.0.1:1"}, 2},
		{nil, 2},
		{[]string{"judge"}, 2},
	} {
		var out, errs strings.Builder
		if got := run(tt.args, &out, &errs); got != tt.want {
			t.Errorf("%q: exit code %d, want %d", tt.args, got, tt.want)
		}
		if lines := strings.Count(errs.String(), "\n"); tt.want == 2 && lines != 1 || tt.want != 2 && lines != 0 {
			t.Errorf("%q: said on stderr %q", tt.args, errs.String())
		}
	}
}
