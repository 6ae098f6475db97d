package autobahn

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// maxShown is how many bytes of a payload a report shows, as the original does.
const maxShown = 64

// WriteReport puts results into the report in a directory, which it makes where there is none: index.json, a JSON file
// for each case, and index.html, one page for all. What the report holds of other agents and of other cases stays, so
// that several runs can make one report. It returns the whole of the index.
func WriteReport(dir string, results []*Result) (Index, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	index, err := ReadIndex(filepath.Join(dir, "index.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		index = Index{}
	case err != nil:
		return nil, err
	}
	for agent, cases := range NewIndex(results) {
		if index[agent] == nil {
			index[agent] = map[string]IndexEntry{}
		}
		for id, e := range cases {
			e.ReportFile = index.freeName(agent, id)
			index[agent][id] = e
		}
	}
	for _, r := range worst(results) {
		if err := writeFile(dir, index[r.Agent][r.ID].ReportFile, encodeCase(r)); err != nil {
			return nil, err
		}
	}
	if err := writeFile(dir, "index.json", index.encode()); err != nil {
		return nil, err
	}
	return index, writeFile(dir, "index.html", encodePage(index, readCases(dir, index)))
}

// writeFile writes a file so that nobody ever sees a half of it.
func writeFile(dir, name string, p []byte) error {
	half := filepath.Join(dir, name+".part")
	if err := os.WriteFile(half, p, 0o666); err != nil {
		return err
	}
	return os.Rename(half, filepath.Join(dir, name))
}

// maxName keeps the names of files within what file systems take, however long an agent's is.
const maxName = 200

// freeName returns the name of a case's file: the original's, unless another agent's name leads to the same.
func (x Index) freeName(agent, id string) string {
	name, end := ReportFile(agent, id), ""
	if len(name) > maxName {
		_, end = name[:maxName], name[len(name)-len(ReportFile("", id)):]
		name = name[:maxName]
	}
	for n := 1; ; n++ {
		file := name + end + ".json"
		if n > 1 {
			file = fmt.Sprintf("%s%s_%d.json", name, end, n)
		}
		if x.owner(file, id) == agent || x.owner(file, id) == "" {
			return file
		}
	}
}

// owner returns the agent that has a file for a case, "" if none has.
func (x Index) owner(file, id string) string {
	for agent, cases := range x {
		if cases[id].ReportFile == file {
			return agent
		}
	}
	return ""
}

// worst returns one result of each agent and case, the one that stands in the index.
func worst(results []*Result) map[[2]string]*Result {
	picked := map[[2]string]*Result{}
	grades := func(r *Result) IndexEntry { return IndexEntry{Behavior: r.Behavior, BehaviorClose: r.BehaviorClose} }
	for _, r := range results {
		key := [2]string{r.Agent, r.ID}
		if old := picked[key]; old == nil || betterThan(grades(old), grades(r)) {
			picked[key] = r
		}
	}
	return picked
}

// encodeCase returns the file of a case: its keys are sorted, as the original's are.
func encodeCase(r *Result) []byte {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(encodeJSON(r), &keys); err != nil {
		panic(err)
	}
	return encodeJSON(keys)
}

// MarshalJSON writes what an event was and the first bytes of its payload.
func (e Event) MarshalJSON() ([]byte, error) {
	out := struct {
		Kind    string   `json:"event"`
		Binary  bool     `json:"binary,omitempty"`
		Payload *excerpt `json:"payload,omitempty"`
		Tag     string   `json:"tag,omitempty"`
	}{e.Kind, e.Binary, nil, e.Tag}
	if e.Kind != "timeout" {
		x := newExcerpt(e.Payload, e.Binary)
		out.Payload = &x
	}
	return json.Marshal(out)
}

// An excerpt is the beginning of a payload.
type excerpt struct {
	Len  int    `json:"len"`
	Hex  string `json:"hex"`
	Text string `json:"text,omitempty"`
}

func newExcerpt(p []byte, binary bool) excerpt {
	shown := p[:min(len(p), maxShown)]
	x := excerpt{Len: len(p), Hex: hex.EncodeToString(shown)}
	for cut := 0; cut < utf8.UTFMax && len(shown) > 0 && len(p) > maxShown && !utf8.Valid(shown); cut++ {
		shown = shown[:len(shown)-1] // a character that the excerpt ends in the middle of
	}
	if !binary && utf8.Valid(shown) {
		x.Text = string(shown)
	}
	return x
}
