package autobahn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A Spec is what fuzzingclient.json and fuzzingserver.json say, the files that tell the original what to run. Each has
// its own part of it.
type Spec struct {
	URL     string   `json:"url"` // where the server shall listen; older specs of the client have theirs here too
	OutDir  string   `json:"outdir"`
	Cases   []string `json:"cases"`
	Exclude []string `json:"exclude-cases"`

	// ExcludeFor has more cases to leave out, by agent. In the name of an agent * stands for any text.
	ExcludeFor map[string][]string `json:"exclude-agent-cases"`

	Servers []SpecServer `json:"servers"`

	// Notes tells of what the spec says and the kit does not heed.
	Notes []string `json:"-"`
}

// A SpecServer is a server under test.
type SpecServer struct {
	URL       string   `json:"url"`
	Agent     string   `json:"agent"`
	Hostname  string   `json:"hostname"` // for the Host header
	Origin    string   `json:"origin"`
	Protocols []string `json:"protocols"`
}

// ReadSpec reads a spec from a file.
func ReadSpec(file string) (*Spec, error) {
	p, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s, err := ParseSpec(p)
	if err != nil {
		return nil, fmt.Errorf("%s is no spec: %w", file, err)
	}
	return s, nil
}

// ParseSpec reads a spec. Keys that are not known are noted, as are options that ask for what the kit does not do: it
// speaks RFC 6455 and sends a Close when it fails a connection, which is what the original is usually told.
func ParseSpec(p []byte) (*Spec, error) {
	var s Spec
	if err := json.Unmarshal(p, &s); err != nil {
		return nil, jsonError(p, err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(p, &keys); err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, errors.New("it is null")
	}
	s.note("", keys, "url", "outdir", "cases", "exclude-cases", "exclude-agent-cases", "servers", "options")
	s.noteOptions("options", keys["options"])
	var servers []map[string]json.RawMessage
	if raw, ok := keys["servers"]; ok {
		if err := json.Unmarshal(raw, &servers); err != nil {
			return nil, err
		}
	}
	for i, server := range s.Servers {
		if server.URL == "" {
			return nil, fmt.Errorf("servers[%d] has no url", i)
		}
	}
	for i, server := range servers {
		name := fmt.Sprintf("servers[%d].", i)
		s.note(name, server, "url", "agent", "hostname", "origin", "protocols", "options")
		s.noteOptions(name+"options", server["options"])
	}
	for _, patterns := range s.patterns() {
		if slices.Contains(patterns, "") {
			return nil, errors.New("a pattern of cases is empty")
		}
	}
	return &s, nil
}

// patterns returns all lists of patterns.
func (s *Spec) patterns() [][]string {
	return append(slices.Collect(maps.Values(s.ExcludeFor)), s.Cases, s.Exclude)
}

// note notes the keys of an object that are not among the known ones.
func (s *Spec) note(name string, object map[string]json.RawMessage, known ...string) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, key) {
			s.Notes = append(s.Notes, fmt.Sprintf("%q is not known, and ignored", name+key))
		}
	}
}

// noteOptions notes the options that ask for another behaviour than the kit's.
func (s *Spec) noteOptions(name string, raw json.RawMessage) {
	var options map[string]any
	if len(raw) > 0 && json.Unmarshal(raw, &options) != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("%q is no object, and ignored", name))
	}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		switch value := options[key]; {
		case key == "version" && (value == 13.0 || value == 18.0): // the number in the RFC, and that of the last draft
		case key == "failByDrop" && value == false:
		default:
			s.Notes = append(s.Notes, fmt.Sprintf("%q is ignored", name+"."+key))
		}
	}
}

// ExcludedFor returns the patterns of the cases that an agent is spared.
func (s *Spec) ExcludedFor(agent string) (patterns []string) {
	for _, name := range slices.Sorted(maps.Keys(s.ExcludeFor)) {
		if matchAgent(name, agent) {
			patterns = append(patterns, s.ExcludeFor[name]...)
		}
	}
	return patterns
}

// matchAgent reports whether a name is that of a pattern, in which * stands for any text.
func matchAgent(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

// ForServers returns those of cases that test a server. All of the original's do; some of the kit's own, such as those
// of the opening handshake, are for one side alone.
func ForServers(cases []*Case) []*Case { return forRole(cases, server) }

// ForClients returns those of cases that test a client.
func ForClients(cases []*Case) []*Case { return forRole(cases, client) }

func forRole(cases []*Case, r role) (picked []*Case) {
	for _, c := range cases {
		if c.role == 0 || c.role&r != 0 {
			picked = append(picked, c)
		}
	}
	return picked
}

// jsonError words an error of encoding/json for those who have written the text p.
func jsonError(p []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	line := func(offset int64) int { return 1 + bytes.Count(p[:min(int(offset), len(p))], []byte("\n")) }
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d is not JSON: %w", line(syntax.Offset), err)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("it is a JSON %s, not an object", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: %q must not be a JSON %s", line(kind.Offset), kind.Field, kind.Value)
	}
	return err
}
