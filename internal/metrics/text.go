package metrics

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ContentType is that of the text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// ServeHTTP answers with the text.
func (s *Set) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	s.Write(w)
}

// Write writes the text.
func (s *Set) Write(to io.Writer) error {
	w := &writer{bufio.NewWriter(to)}
	for _, f := range s.families {
		w.print("# HELP ", f.name, " ", escapeHelp.Replace(f.help), "\n")
		w.print("# TYPE ", f.name, " ", f.kind, "\n")
		f.samples(w)
	}
	return w.Flush()
}

// A label is the name and the value of one.
type label struct{ name, value string }

type writer struct{ *bufio.Writer }

// print writes strings. An error stays in the bufio.Writer.
func (w *writer) print(parts ...string) {
	for _, s := range parts {
		w.WriteString(s)
	}
}

// sample writes a line: name{label="value"} number.
func (w *writer) sample(name string, labels []label, v float64) {
	w.print(name)
	for i, l := range labels {
		before := ","
		if i == 0 {
			before = "{"
		}
		w.print(before, l.name, `="`, escapeValue.Replace(l.value), `"`)
	}
	if len(labels) > 0 {
		w.print("}")
	}
	w.print(" ", number(v), "\n")
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
