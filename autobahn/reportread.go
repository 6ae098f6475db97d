package autobahn

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A caseFile is what the page shows of a case's file, of the kit or of the original. The two write events and the lines
// of the wire log differently: the kit as objects, the original as lists.
type caseFile struct {
	Description  string            `json:"description"`
	Expectation  string            `json:"expectation"`
	Reason       string            `json:"result"`
	ReasonClose  string            `json:"resultClose"`
	Started      string            `json:"started"`
	IsServer     bool              `json:"isServer"`
	HTTPRequest  string            `json:"httpRequest"`
	HTTPResponse string            `json:"httpResponse"`
	Expected     map[string]any    `json:"expected"`
	Received     any               `json:"received"`
	WasClean     bool              `json:"wasClean"`
	NotClean     *string           `json:"wasNotCleanReason"`
	LocalCode    *int              `json:"localCloseCode"`
	LocalReason  *string           `json:"localCloseReason"`
	RemoteCode   *int              `json:"remoteCloseCode"`
	RemoteReason *string           `json:"remoteCloseReason"`
	ClosedByMe   bool              `json:"closedByMe"`
	FailedByMe   bool              `json:"failedByMe"`
	DroppedByMe  bool              `json:"droppedByMe"`
	Wirelog      []json.RawMessage `json:"wirelog"`
	Own          []Finding         `json:"own"`
}

// readCases reads the files of all cases in an index, as far as they are there: a report that has been moved without
// them still has its grades.
func readCases(dir string, x Index) map[string]map[string]*caseFile {
	files := map[string]map[string]*caseFile{}
	for agent, cases := range x {
		files[agent] = map[string]*caseFile{}
		for id, e := range cases {
			if f, err := readCase(dir, e.ReportFile); err == nil {
				files[agent][id] = f
			}
		}
	}
	return files
}

// readCase reads the file of a case, which has to be beside its index.
func readCase(dir, name string) (*caseFile, error) {
	if name != filepath.Base(name) || !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%.80q is not a name of a file", name)
	}
	p, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var f caseFile
	if err := json.Unmarshal(p, &f); err != nil {
		return nil, err
	}
	f.Description, f.Expectation = untag(f.Description), untag(f.Expectation)
	return &f, nil
}

// Why returns the reasons that a report's case files give, for [Judge.Why].
func Why(dir string, x Index) func(agent, id string) (behavior, end string) {
	return func(agent, id string) (string, string) {
		f, err := readCase(dir, x[agent][id].ReportFile)
		if err != nil {
			return "", ""
		}
		return f.Reason, f.ReasonClose
	}
}

// OfClients reports whether a report is one on clients, as far as its case files tell.
func OfClients(dir string, x Index) bool {
	for _, cases := range x {
		for _, e := range cases {
			if f, err := readCase(dir, e.ReportFile); err == nil {
				return f.IsServer // the kit, or the original
			}
		}
	}
	return false
}

// untag removes the markup that the original has in its texts.
var untag = strings.NewReplacer("<br/>", " ", "<br>", " ", "<b>", "", "</b>", "").Replace

// describeEvents returns a line for each event in what JSON has of one or of a list of them.
func describeEvents(v any) (lines []string) {
	switch v := v.(type) {
	case map[string]any:
		return []string{describeEvent(v)}
	case []any:
		if len(v) > 0 {
			if kind, ok := v[0].(string); ok {
				return []string{describeOriginal(kind, v[1:])}
			}
		}
		for _, e := range v {
			lines = append(lines, describeEvents(e)...)
		}
	}
	return lines
}

// describeEvent is for an event as the kit writes it.
func describeEvent(e map[string]any) string {
	kind, _ := e["event"].(string)
	if kind == "timeout" {
		return fmt.Sprintf("the end of wait %v", e["tag"])
	}
	if kind == "message" {
		kind = "text message"
		if e["binary"] == true {
			kind = "binary message"
		}
	}
	payload, _ := e["payload"].(map[string]any)
	size, _ := payload["len"].(float64)
	text, isText := payload["text"].(string)
	shown, _ := payload["hex"].(string)
	if isText {
		shown = strconv.Quote(text)
	}
	return describePayload(kind, int(size), shown, int(size) > maxShown)
}

// describeOriginal is for an event as the original writes it: ["message", "text", false].
func describeOriginal(kind string, rest []any) string {
	if len(rest) == 0 {
		return kind
	}
	text, _ := rest[0].(string)
	if kind == "timeout" {
		return "the end of wait " + text
	}
	if kind == "message" {
		kind = "text message"
		if len(rest) > 1 && rest[1] == true {
			kind = "binary message"
		}
	}
	shown := text
	if utf8.RuneCountInString(shown) > maxShown {
		shown = string([]rune(shown)[:maxShown])
	}
	return describePayload(kind, len(text), strconv.Quote(shown), len(shown) < len(text))
}

func describePayload(kind string, size int, shown string, cut bool) string {
	if size == 0 {
		return kind + ", empty"
	}
	more := ""
	if cut {
		more = " …"
	}
	return fmt.Sprintf("%s, %d bytes: %s%s", kind, size, shown, more)
}

// wireEntry reads a line of a wire log of either tool.
func wireEntry(p json.RawMessage) (e WireEntry, ok bool) {
	if json.Unmarshal(p, &e) == nil {
		return e, e.Kind != ""
	}
	var list []json.RawMessage
	if json.Unmarshal(p, &list) != nil || len(list) == 0 {
		return e, false
	}
	field := func(i int, v any) bool { return i < len(list) && json.Unmarshal(list[i], v) == nil }
	if !field(0, &e.Kind) {
		return e, false
	}
	switch e.Kind {
	case "RO", "TO", "RF", "TF":
		var payload []json.RawMessage
		var text string
		if field(1, &payload) && len(payload) == 2 {
			json.Unmarshal(payload[0], &e.Payload)
			json.Unmarshal(payload[1], &text)
		}
		e.Size, e.Text = e.Payload, text
		if _, err := hex.DecodeString(text); err == nil && (e.Kind == "RO" || e.Kind == "TO") {
			e.Data, e.Text = text, ""
		}
		field(2, &e.Opcode)
		field(3, &e.Fin)
		field(4, &e.RSV)
		if e.Kind == "RF" {
			field(5, &e.Masked)
		}
	case "WLM", "CTE":
		field(1, &e.Text)
	default:
		field(1, &e.Delay)
	}
	return e, true
}
