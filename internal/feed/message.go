package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A Message is anything that the server sends.
type Message struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"`
	Topic       string   `json:"topic"`
	Data        string   `json:"data"`
	Base64      []byte   `json:"base64"`
	Topics      []string `json:"topics"`
	Recovered   *bool    `json:"recovered"`
	Missed      int      `json:"missed"`
	Retry       int      `json:"retry"`
	Subscribers int      `json:"subscribers"`
	Error       string   `json:"error"`
	Ref         string   `json:"ref"`
}

// parse returns what p says.
func parse(p []byte) (m Message, err error) {
	if m, ok := parsePlain(p); ok {
		return m, nil
	}
	if err := json.Unmarshal(p, &m); err != nil {
		return m, fmt.Errorf("feed: %w in %.200q", err, p)
	}
	return m, nil
}

// parsePlain parses a text message in which nothing is escaped, which most are: a test receives millions.
func parsePlain(p []byte) (m Message, ok bool) {
	if bytes.IndexByte(p, '\\') >= 0 {
		return m, false
	}
	m.Type = "message"
	rest, ok := bytes.CutPrefix(p, []byte(`{"type":"message","id":"`))
	if !ok {
		return m, false
	}
	for _, field := range []struct {
		to  *string
		end string
	}{{&m.ID, `","topic":"`}, {&m.Topic, `","data":"`}, {&m.Data, `"}`}} {
		value, after, found := bytes.Cut(rest, []byte(field.end))
		if !found || bytes.IndexByte(value, '"') >= 0 {
			return m, false
		}
		*field.to = string(value)
		rest = after
	}
	return m, len(rest) == 0
}

// parseID returns the parts of an id.
func parseID(id string) (epoch string, seq uint64, err error) {
	epoch, number, ok := strings.Cut(id, "-")
	seq, err = strconv.ParseUint(number, 10, 64)
	if !ok || len(epoch) != 8 || err != nil {
		return "", 0, fmt.Errorf("feed: %.80q is no id", id)
	}
	return epoch, seq, nil
}
