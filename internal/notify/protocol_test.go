package notify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"hawser.example/websocket"
)

func text(s string) *string { return &s }

func TestParseRequest(t *testing.T) {
	id := position{"5f0c9a1e", 42}
	tests := []struct {
		json string
		want request
	}{
		{`{"type":"ping"}`, request{kind: "ping"}},
		{" {\t\"ref\" : \"\" ,\r\n\"type\":\"ping\"} ", request{kind: "ping", ref: text("")}},
		{`{"type":"ping","ref":"` + strings.Repeat("r", 255) + `"}`, request{kind: "ping", ref: text(strings.Repeat("r", 255))}},
		{`{"type":"subscribe","topics":["a"]}`, request{kind: "subscribe", topics: []string{"a"}}},
		{`{"type":"subscribe","topics":["b.>","a","\u003e","a"],"ref":"1"}`,
			request{kind: "subscribe", topics: []string{"b.>", "a", ">"}, ref: text("1")}},
		{`{"last":"5f0c9a1e-42","type":"subscribe","topics":["a"]}`,
			request{kind: "subscribe", topics: []string{"a"}, last: &id}},
		{`{"type":"unsubscribe","topics":["a"]}`, request{kind: "unsubscribe", topics: []string{"a"}}},
		{`{"type":"publish","topic":"a","data":"grüße\n\u0000"}`,
			request{kind: "publish", topic: "a", msgType: websocket.TextMessage, payload: []byte("grüße\n\x00")}},
		{`{"type":"publish","topic":"a","data":""}`,
			request{kind: "publish", topic: "a", msgType: websocket.TextMessage, payload: []byte{}}},
		{`{"type":"publish","topic":"a","base64":"AP8="}`,
			request{kind: "publish", topic: "a", msgType: websocket.BinaryMessage, payload: []byte{0, 255}}},
		{`{"type":"publish","topic":"a","base64":"","ref":"x"}`,
			request{kind: "publish", topic: "a", msgType: websocket.BinaryMessage, payload: []byte{}, ref: text("x")}},
	}
	for _, tt := range tests {
		if got, err := parseRequest([]byte(tt.json)); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v; want %+v", tt.json, got, err, tt.want)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	tests := []struct {
		why  string // a part of the error
		json []string
	}{
		{"not a JSON object", []string{
			"", " ", "null", "1", `"ping"`, "[]", "ping", "{", `{"type"`, `{"type":`, `{"type":"ping"`, `{"type":"ping",`,
			`{"type":"ping",}`, `{type:"ping"}`, `{"type":"ping"]`, `{"type" "ping"}`, `{1:2}`, "\xff", `{"type":"ping"` + "\n",
			`{"topics":[1,}`,
		}},
		{"behind", []string{`{"type":"ping"}{}`, `{"type":"ping"} x`, `{"type":"ping"}}`, `{"type":"ping"}null`}},
		{"is given twice", []string{`{"type":"ping","type":"ping"}`, `{"type":"ping","ref":"a","\u0072ef":"b"}`}},
		{"type has to be one of", []string{
			"{}", `{"type":"PING"}`, `{"Type":"ping"}`, `{"type":1}`, `{"type":null}`, `{"type":"welcome"}`, `{"type":["ping"]}`,
		}},
		{"not known", []string{
			`{"type":"ping","x":1}`, `{"type":"ping","topics":["a"]}`, `{"type":"subscribe","topics":["a"],"Last":"5f0c9a1e-42"}`,
			`{"type":"unsubscribe","topics":["a"],"last":"5f0c9a1e-42"}`, `{"type":"publish","topic":"a","data":"x","id":"y"}`,
			`{"type":"subscribe","topics":["a"],"topic":"a"}`, `{"type":"ping","":1}`,
		}},
		{`the field "x" is not known; a message of the type publish may have "type", "ref", "topic", "data", "base64"`, []string{
			`{"type":"publish","topic":"a","data":"x","x":"y"}`,
		}},
		{"ref", []string{`{"type":"ping","ref":1}`, `{"type":"ping","ref":null}`, `{"type":"ping","ref":"` + strings.Repeat("r", 256) + `"}`}},
		{"topics has to be", []string{
			`{"type":"subscribe"}`, `{"type":"subscribe","topics":[]}`, `{"type":"subscribe","topics":"a"}`,
			`{"type":"subscribe","topics":null}`, `{"type":"subscribe","topics":{}}`, `{"type":"unsubscribe","topics":[]}`,
		}},
		{"list of strings", []string{`{"type":"subscribe","topics":["a",1]}`, `{"type":"unsubscribe","topics":[["a"]]}`}},
		{"1 to 255", []string{
			`{"type":"subscribe","topics":[""]}`, `{"type":"subscribe","topics":["a b"]}`,
			`{"type":"subscribe","topics":["a.*"]}`, `{"type":"subscribe","topics":[".>"]}`, `{"type":"subscribe","topics":["a\r\n"]}`,
			`{"type":"publish","topic":"a.>","data":""}`, `{"type":"publish","topic":1,"data":""}`, `{"type":"publish","data":""}`,
			`{"type":"publish","topic":"","data":""}`, `{"type":"publish","topic":"a\u0000","data":""}`,
		}},
		{"last id", []string{
			`{"type":"subscribe","topics":["a"],"last":""}`, `{"type":"subscribe","topics":["a"],"last":null}`,
			`{"type":"subscribe","topics":["a"],"last":42}`, `{"type":"subscribe","topics":["a"],"last":"5f0c9a1e-042"}`,
		}},
		{"one of data and base64", []string{
			`{"type":"publish","topic":"a"}`, `{"type":"publish","topic":"a","data":"x","base64":""}`,
			`{"type":"publish","topic":"a","data":1}`, `{"type":"publish","topic":"a","base64":null}`,
			`{"type":"publish","topic":"a","data":{"x":1}}`, `{"type":"publish","topic":"a","data":1,"base64":""}`,
		}},
		{"standard alphabet", []string{
			`{"type":"publish","topic":"a","base64":"A"}`, `{"type":"publish","topic":"a","base64":"AP8"}`,
			`{"type":"publish","topic":"a","base64":"AP9="}`, `{"type":"publish","topic":"a","base64":"_-8="}`,
		}},
	}
	for _, tt := range tests {
		for _, j := range tt.json {
			if got, err := parseRequest([]byte(j)); err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%.80s: %+v, error %v; want one with %q", j, got, err, tt.why)
			}
		}
	}
}

// The answer to a mistake has the ref, if there was one that could be read.
func TestParseRequestFindsTheRefOfAMistake(t *testing.T) {
	for _, j := range []string{
		`{"ref":"7","type":"nothing"}`, `{"ref":"7","type":"ping","x":1}`, `{"ref":"7","type":"ping"} x`, `{"ref":"7","type":`,
		`{"ref":"7","ref":"8"}`, `{"type":"subscribe","topics":[1],"ref":"7"}`,
	} {
		if q, err := parseRequest([]byte(j)); err == nil || q.ref == nil || *q.ref != "7" {
			t.Errorf("%s: %+v, error %v", j, q, err)
		}
	}
}

// json returns q as a client writes it.
func (q request) json() []byte {
	fields := map[string]any{"type": q.kind}
	if q.ref != nil {
		fields["ref"] = *q.ref
	}
	if q.topics != nil {
		fields["topics"] = q.topics
	}
	if q.last != nil {
		fields["last"] = q.last.String()
	}
	if q.kind == "publish" {
		fields["topic"] = q.topic
		if q.msgType == websocket.BinaryMessage {
			fields["base64"] = base64.StdEncoding.EncodeToString(q.payload)
		} else {
			fields["data"] = string(q.payload)
		}
	}
	return marshal(fields)
}

// What is taken is JSON, and read again from what it means it is the same. What is refused is refused with a reason.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ping","ref":"1"}`, `{"type":"subscribe","topics":["a","b.>"],"last":"5f0c9a1e-42","ref":""}`,
		`{"type":"unsubscribe","topics":[">"]}`, `{"type":"publish","topic":"a","data":"\ud83d\ude00\u2028<>"}`,
		`{"type":"publish","topic":"a","base64":"AAECAw=="}`, `{"type":"ping","type":"ping"}`, `{"type":"ping"} `, `{"a":[[[{}]]]}`,
		`{"type":"publish","topic":"a","data":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		q, err := parseRequest(p)
		if q.ref != nil && len(*q.ref) > maxRef {
			t.Errorf("a ref of %d bytes", len(*q.ref))
		}
		if err != nil {
			if err.Error() == "" || !utf8.ValidString(err.Error()) {
				t.Errorf("the error is %q", err)
			}
			return
		}
		var any map[string]any
		if err := json.Unmarshal(p, &any); err != nil {
			t.Errorf("%q was taken and is not JSON: %v", p, err)
		}
		if len(q.payload) > 3*len(p) {
			t.Errorf("%q became larger than it was: %+v", p, q)
		}
		again, err := parseRequest(q.json())
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Errorf("%+v became %+v, %v", q, again, err)
		}
	})
}

// Every JSON parser reads from an envelope what was published. An envelope is one line, for server-sent events.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("hello"), false)
	f.Add([]byte("\x00\x01\x1f \"\\/<>&\x7f\r\n\t\u2028\u2029\U0001f600"), false)
	f.Add([]byte{0, 255, 254}, true)
	f.Fuzz(func(t *testing.T, payload []byte, binary bool) {
		m := &message{position: position{"5f0c9a1e", 42}, topic: "a.b", msgType: websocket.TextMessage, payload: payload}
		if binary {
			m.msgType = websocket.BinaryMessage
		} else if !utf8.Valid(payload) {
			return
		}
		b := m.appendJSON([]byte("before"), nil)
		if made := m.appendJSON([]byte("before"), appendData(nil, m.msgType, payload)); !bytes.Equal(b, made) {
			t.Fatalf("%q with a payload that was made before, else %q", made, b)
		}
		b, ok := bytes.CutPrefix(b, []byte("before"))
		if !ok || bytes.ContainsAny(b, "\r\n") || !utf8.Valid(b) {
			t.Fatalf("the envelope is %q", b)
		}
		var got struct {
			Type, ID, Topic string
			Data            *string
			Base64          *[]byte
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil || got.Type != "message" || got.ID != "5f0c9a1e-42" || got.Topic != "a.b" {
			t.Fatalf("%q is read as %+v, %v", b, got, err)
		}
		switch {
		case binary && (got.Base64 == nil || got.Data != nil || !bytes.Equal(*got.Base64, payload)):
			t.Errorf("%q has another payload than %q", b, payload)
		case !binary && (got.Data == nil || got.Base64 != nil || *got.Data != string(payload)):
			t.Errorf("%q has another payload than %q", b, payload)
		}
	})
}

func TestReplies(t *testing.T) {
	no, zero := false, 0
	tests := []struct {
		reply reply
		want  string
	}{
		{start{after: position{"5f0c9a1e", 7}}.reply("welcome", request{}), `{"type":"welcome","id":"5f0c9a1e-7","topics":[]}`},
		{start{after: position{"5f0c9a1e", 7}, asked: true, complete: true, missed: make([]*message, 3)}.
			reply("welcome", request{topics: []string{"a", "b.>"}}),
			`{"type":"welcome","id":"5f0c9a1e-7","topics":["a","b.>"],"recovered":true,"missed":3}`},
		{reply{Type: "subscribed", Recovered: &no, Missed: &zero, Ref: text("")},
			`{"type":"subscribed","recovered":false,"missed":0,"ref":""}`},
		{reply{Type: "published", ID: "5f0c9a1e-7", Subscribers: &zero}, `{"type":"published","id":"5f0c9a1e-7","subscribers":0}`},
		{reply{Type: "error", Error: "<why>", Ref: text("\"\n")}, `{"type":"error","error":"<why>","ref":"\"\n"}`},
		{reply{Type: "pong"}, `{"type":"pong"}`},
	}
	for _, tt := range tests {
		if got := string(marshal(tt.reply)); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
