package cdp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Problem is something a developer would find in red in the browser's console.
type Problem struct {
	Source string // "exception", "console", or Chromium's name for what logged it, such as "network"
	Text   string
	URL    string // of the resource it is about, where there is one
}

func (p Problem) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s", p.Source, p.Text, p.URL))
}

// Problems returns everything that went wrong in the page so far: uncaught exceptions, what its scripts wrote with
// console.error, and what the browser itself logged as an error.
func (p *Page) Problems() []Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// event takes the events that tell of a problem, and leaves the rest.
func (p *Page) event(m message) {
	problem, found := parseProblem(m)
	if !found {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

func parseProblem(m message) (Problem, bool) {
	switch m.Method {
	case "Runtime.exceptionThrown":
		var event struct {
			ExceptionDetails exceptionDetails `json:"exceptionDetails"`
		}
		json.Unmarshal(m.Params, &event)
		return Problem{"exception", event.ExceptionDetails.String(), event.ExceptionDetails.URL}, true
	case "Runtime.consoleAPICalled":
		var event struct {
			Type string         `json:"type"`
			Args []remoteObject `json:"args"`
		}
		json.Unmarshal(m.Params, &event)
		return Problem{"console", joinObjects(event.Args), ""}, event.Type == "error" || event.Type == "assert"
	case "Log.entryAdded":
		var event struct {
			Entry struct {
				Source string `json:"source"`
				Level  string `json:"level"`
				Text   string `json:"text"`
				URL    string `json:"url"`
			} `json:"entry"`
		}
		json.Unmarshal(m.Params, &event)
		return Problem{event.Entry.Source, event.Entry.Text, event.Entry.URL}, event.Entry.Level == "error"
	}
	return Problem{}, false
}

// exceptionDetails is Chromium's report of an exception.
type exceptionDetails struct {
	Text      string        `json:"text"`
	URL       string        `json:"url"`
	Exception *remoteObject `json:"exception"`
}

func (e *exceptionDetails) String() string {
	if e.Exception == nil {
		return e.Text
	}
	return e.Text + " " + e.Exception.String()
}

// remoteObject is a value of the page, as the protocol shows it.
type remoteObject struct {
	Value       json.RawMessage `json:"value"`
	Description string          `json:"description"`
}

func (o *remoteObject) String() string {
	if o.Description != "" {
		return o.Description
	}
	return string(o.Value)
}

func joinObjects(objects []remoteObject) string {
	texts := make([]string, len(objects))
	for i := range objects {
		texts[i] = objects[i].String()
	}
	return strings.Join(texts, " ")
}
