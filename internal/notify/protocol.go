package notify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/strictjson"
	"hawser.example/websocket/internal/topic"
)

// This file is the messages of hawser.v1: what a client may send, and how what the server sends is written. The
// contract is docs/PROTOCOL.md.

// Subprotocol is the name of the JSON protocol.
const Subprotocol = "hawser.v1"

const maxRef = 255 // bytes

// A request is a message of a client. Only the fields that belong to its kind are set.
type request struct {
	kind    string
	ref     *string // repeated in the answer
	topics  []string
	last    *position // what subscribe asks to go on behind
	topic   string
	msgType websocket.MessageType
	payload []byte
}

// fieldsOf are the fields that each kind of request has beside type and ref.
var fieldsOf = map[string][]string{
	"subscribe":   {"topics", "last"},
	"unsubscribe": {"topics"},
	"publish":     {"topic", "data", "base64"},
	"ping":        {},
}

// parseRequest reads a message of a client. With an error it returns what it has understood, so that the answer can
// have the ref. encoding/json alone would take fields in other letters, twice, and unknown ones.
func parseRequest(p []byte) (request, error) {
	fields, err := parseObject(p)
	var q request
	if ref, ok := fields["ref"].(string); ok && len(ref) <= maxRef {
		q.ref = &ref
	}
	if err != nil {
		return q, err
	}
	if _, given := fields["ref"]; given && q.ref == nil {
		return q, fmt.Errorf("ref has to be a string of at most %d bytes", maxRef)
	}
	q.kind, _ = fields["type"].(string)
	known, ok := fieldsOf[q.kind]
	if !ok {
		return q, errors.New("type has to be one of subscribe, unsubscribe, publish, ping")
	}
	if err := onlyFields(fields, q.kind, known); err != nil {
		return q, err
	}
	switch q.kind {
	case "subscribe", "unsubscribe":
		err = q.parseTopics(fields)
	case "publish":
		err = q.parsePublish(fields)
	}
	return q, err
}

// parseTopics reads the fields of subscribe and unsubscribe.
func (q *request) parseTopics(fields map[string]any) (err error) {
	if q.topics, err = patterns(fields["topics"]); err != nil {
		return err
	}
	value, given := fields["last"]
	if !given {
		return nil
	}
	text, ok := value.(string)
	if !ok {
		return errID
	}
	last, err := parseID(text)
	q.last = &last
	return err
}

// patterns reads a list of patterns, each of which it returns once.
func patterns(value any) ([]string, error) {
	values, ok := value.([]any)
	if !ok || len(values) == 0 {
		return nil, errors.New("topics has to be a list of at least one topic or pattern")
	}
	names := make([]string, len(values))
	for i, v := range values {
		name, ok := v.(string)
		if !ok {
			return nil, errors.New("topics has to be a list of strings")
		}
		if err := topic.CheckPattern(name); err != nil {
			return nil, badTopic(err)
		}
		names[i] = name
	}
	return once(names), nil
}

// parsePublish reads the fields of publish.
func (q *request) parsePublish(fields map[string]any) error {
	q.topic, _ = fields["topic"].(string)
	if err := topic.Check(q.topic); err != nil {
		return badTopic(err)
	}
	data, isText := fields["data"].(string)
	encoded, isBinary := fields["base64"].(string)
	if len(fields) != 3+count(fields, "ref") || isText == isBinary {
		return errors.New("publish needs one of data and base64, which is a string")
	}
	q.msgType, q.payload = websocket.TextMessage, []byte(data)
	if isBinary {
		var err error
		q.msgType = websocket.BinaryMessage
		if q.payload, err = base64.StdEncoding.Strict().DecodeString(encoded); err != nil {
			return errors.New("base64 is not in the standard alphabet with padding")
		}
	}
	return nil
}

// count returns 1 if there is a field of this name, else 0.
func count(fields map[string]any, name string) int {
	if _, ok := fields[name]; ok {
		return 1
	}
	return 0
}

// onlyFields refuses fields other than type, ref and known ones.
func onlyFields(fields map[string]any, kind string, known []string) error {
	all := slices.Concat([]string{"type", "ref"}, known)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(all, name) {
			return fmt.Errorf("the field %.40q is not known; a message of the type %s may have %s", name, kind, quoteList(all))
		}
	}
	return nil
}

// parseObject reads p as one JSON object without doubles. With an error it returns the fields that it has read.
func parseObject(p []byte) (map[string]any, error) {
	members, err := strictjson.Object(p)
	fields := make(map[string]any, len(members))
	for name, raw := range members {
		var value any
		json.Unmarshal(raw, &value) // it is valid
		fields[name] = value
	}
	var twice *strictjson.TwiceError
	switch {
	case errors.As(err, &twice):
		return fields, fmt.Errorf("the field %.40q is given twice", twice.Name)
	case err == strictjson.ErrNoObject:
		return fields, errors.New("the message is not a JSON object")
	}
	return fields, err
}

// A reply is what the server sends besides messages. Fields that are not set are left out.
type reply struct {
	Type        string   `json:"type"`
	ID          string   `json:"id,omitzero"`
	Topics      []string `json:"topics,omitzero"`
	Recovered   *bool    `json:"recovered,omitzero"`
	Missed      *int     `json:"missed,omitzero"`
	Subscribers *int     `json:"subscribers,omitzero"`
	Error       string   `json:"error,omitzero"`
	Retry       *int64   `json:"retry,omitzero"` // ms
	Ref         *string  `json:"ref,omitzero"`
}

// marshal returns v, one of our own structs, as JSON in one line, without the escapes that are for HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// appendJSON appends the envelope of a message. data is its payload as appendData has it, or nil.
func (m *message) appendJSON(b, data []byte) []byte {
	b = append(b, `{"type":"message","id":"`...)
	b = append(b, m.position.String()...)
	b = append(b, `","topic":"`...)
	b = append(b, m.topic...) // a name has nothing to escape
	b = append(b, `",`...)
	if data != nil {
		b = append(b, data...)
	} else {
		b = appendData(b, m.msgType, m.payload)
	}
	return append(b, '}')
}

// appendData appends the field of a payload. Text is UTF-8, which the publisher was asked for.
func appendData(b []byte, t websocket.MessageType, payload []byte) []byte {
	if t == websocket.BinaryMessage {
		b = append(b, `"base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, payload)
		return append(b, '"')
	}
	return appendString(append(b, `"data":`...), payload)
}

// appendString appends text as a JSON string. RFC 8259, section 7.
func appendString(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	plain := 0 // up to where text is appended
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[plain:i]...)
		plain = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, text[plain:]...)
	return append(b, '"')
}
