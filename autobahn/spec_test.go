package autobahn

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The specs of existing set-ups are read as they are.
func TestSpecs(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		want  Spec
		notes []string
	}{
		"of the client": {`{"outdir": "./reports/servers", "options": {"failByDrop": false},
			"servers": [{"agent": "ws", "url": "ws://127.0.0.1:9002", "hostname": "h", "origin": "http://o",
				"protocols": ["a", "b"], "options": {"version": 18}}],
			"cases": ["1.*", "6.4.1"], "exclude-cases": ["12.*"], "exclude-agent-cases": {"ws*": ["9.*"]}}`,
			Spec{OutDir: "./reports/servers", Cases: []string{"1.*", "6.4.1"}, Exclude: []string{"12.*"},
				ExcludeFor: map[string][]string{"ws*": {"9.*"}},
				Servers:    []SpecServer{{"ws://127.0.0.1:9002", "ws", "h", "http://o", []string{"a", "b"}}}}, nil},
		"of the server": {`{"url": "ws://127.0.0.1:9001", "outdir": "o", "cases": ["*"], "exclude-cases": [],
			"exclude-agent-cases": {}, "options": {"version": 13}}`,
			Spec{URL: "ws://127.0.0.1:9001", OutDir: "o", Cases: []string{"*"}, Exclude: []string{},
				ExcludeFor: map[string][]string{}}, nil},
		"empty": {`{}`, Spec{}, nil},
		"keys that are not known": {`{"webport": 8080, "servers": [{"url": "ws://h", "x": 1, "options": {"version": 8}}],
			"options": {"failByDrop": true, "autoFragmentSize": 3}}`,
			Spec{Servers: []SpecServer{{URL: "ws://h"}}}, []string{
				`"webport" is not known, and ignored`, `"options.autoFragmentSize" is ignored`, `"options.failByDrop" is ignored`,
				`"servers[0].x" is not known, and ignored`, `"servers[0].options.version" is ignored`}},
		"options of another kind": {`{"options": 3}`, Spec{}, []string{`"options" is no object, and ignored`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSpec([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Notes, tt.notes) {
				t.Errorf("notes %q, want %q", got.Notes, tt.notes)
			}
			got.Notes = nil
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}

// What is no spec is an error that names the file.
func TestSpecsThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spec.json")
	for _, text := range []string{
		"", "{", "null", "[]", `{"cases": "1.*"}`, `{"cases": [1]}`, `{"servers": {}}`, `{"servers": [{}]}`,
		`{"servers": [null]}`,
		`{"servers": ["ws://h"]}`, `{"cases": [""]}`, `{"exclude-cases": [""]}`, `{"exclude-agent-cases": {"a": [""]}}`,
		`{"exclude-agent-cases": ["a"]}`, `{"url": 1}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if s, err := ReadSpec(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %+v, error %v", text, s, err)
		}
	}
	if _, err := ReadSpec(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestCasesThatAgentsAreSpared(t *testing.T) {
	s := Spec{ExcludeFor: map[string][]string{"a": {"1.*"}, "a*": {"2.*"}, "*c*d": {"3.*"}, "*": {"4.*"}}}
	for agent, want := range map[string][]string{
		"a": {"4.*", "1.*", "2.*"}, "ab": {"4.*", "2.*"}, "b": {"4.*"}, "xcyd": {"4.*", "3.*"}, "cd": {"4.*", "3.*"},
		"cdx": {"4.*"}, "acd": {"4.*", "3.*", "2.*"}, "dc": {"4.*"}, "": {"4.*"},
	} {
		got := s.ExcludedFor(agent)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q is spared %q, want %q", agent, got, want)
		}
	}
}

// Cases for one side alone are not wanted of the other.
func TestCasesOfRoles(t *testing.T) {
	both, servers, clients := &Case{ID: "1.1.1"}, &Case{ID: "H.1", role: server}, &Case{ID: "H.2", role: client}
	either := &Case{ID: "H.3", role: server | client}
	all := []*Case{both, servers, clients, either}
	if got := ForServers(all); !slices.Equal(got, []*Case{both, servers, either}) {
		t.Errorf("for servers: %v", got)
	}
	if got := ForClients(all); !slices.Equal(got, []*Case{both, clients, either}) {
		t.Errorf("for clients: %v", got)
	}
}

// FuzzSpec: a spec can be used, or it is an error.
func FuzzSpec(f *testing.F) {
	for _, file := range []string{"config/fuzzingclient.json", "config/fuzzingserver.json"} {
		p, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Add([]byte(`{"servers": [{"url": "a"}], "Servers": [{"url": "b"}, {"url": "c"}],
		"exclude-agent-cases": {"*a*": null}}`))
	f.Add([]byte(`{"options": null, "servers": null}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		s, err := ParseSpec(p)
		if err != nil {
			return
		}
		for _, server := range s.Servers {
			if server.URL == "" {
				t.Error("a server without a URL")
			}
			s.ExcludedFor(server.Agent)
		}
	})
}
