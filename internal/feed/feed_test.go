package feed

import (
	"encoding/json"
	"reflect"
	"regexp"
	"testing"
)

// TestParse: the quick way and the other agree.
func TestParse(t *testing.T) {
	quick := 0
	for _, text := range []string{
		`{"type":"message","id":"0123abcd-7","topic":"a.b","data":"42"}`,
		`{"type":"message","id":"0123abcd-7","topic":"a.b","data":""}`,
		`{"type":"message","id":"0123abcd-7","topic":"a.b","data":"grüße"}`,
		`{"type":"message","id":"0123abcd-7","topic":"a.b","data":"a\"b\\u00e9"}`,
		`{"type":"message","id":"0123abcd-7","topic":"a.b","base64":"AP8="}`,
		`{"id":"0123abcd-7","type":"message","topic":"a.b","data":"42"}`,
		`{"type":"message","id":"0123abcd-7","topic":"a.b","data":"42","more":"x"}`,
		`{"type":"welcome","id":"0123abcd-7","topics":["a"],"recovered":true,"missed":3}`,
	} {
		var want Message
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if got, err := parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
		if _, ok := parsePlain([]byte(text)); ok {
			quick++
		}
	}
	if quick != 3 {
		t.Errorf("%d were parsed the quick way; want 3", quick)
	}
	for _, text := range []string{``, `{`, `{"type":"message","id":"0123abcd-7","topic":"a.b","data":"42"`} {
		if m, err := parse([]byte(text)); err == nil {
			t.Errorf("%q: %+v; want an error", text, m)
		}
	}
}

// TestFollower: what a follower finds wrong, and what it lets pass.
func TestFollower(t *testing.T) {
	yes, no := true, false
	welcome := func(id string, recovered *bool) Message {
		return Message{Type: "welcome", ID: id, Recovered: recovered}
	}
	message := func(id, data string) Message { return Message{Type: "message", ID: id, Topic: "t", Data: data} }
	for name, row := range map[string]struct {
		messages []Message
		wrong    string // of the last one; "" if nothing is
		want     Follower
	}{
		"in order": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"), message("aaaaaaaa-5", "2")}, "",
			Follower{Received: 2}},
		"begins anywhere": {[]Message{welcome("aaaaaaaa-8", nil), message("aaaaaaaa-9", "7")}, "", Follower{Received: 1}},
		"a gap": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"), message("aaaaaaaa-2", "3")},
			"t: 3 came.*want 2", Follower{}},
		"twice": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"), message("aaaaaaaa-2", "1")},
			"t: 1 came.*want 2", Follower{}},
		"ids that do not grow": {[]Message{welcome("aaaaaaaa-3", nil), message("aaaaaaaa-3", "1")},
			"message aaaaaaaa-3 behind aaaaaaaa-3", Follower{}},
		"all recovered": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"), welcome("aaaaaaaa-1", &yes),
			message("aaaaaaaa-2", "2")}, "", Follower{Received: 2, Recoveries: 1}},
		"a gap in spite of that": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"),
			welcome("aaaaaaaa-1", &yes), message("aaaaaaaa-3", "3")}, "want 2", Follower{}},
		"a gap that was told": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"),
			welcome("bbbbbbbb-0", &no), message("bbbbbbbb-1", "4")}, "",
			Follower{Received: 2, Lost: 2, Recoveries: 1, Incomplete: 1}},
		"told once": {[]Message{welcome("aaaaaaaa-0", nil), message("aaaaaaaa-1", "1"), welcome("bbbbbbbb-0", &no),
			message("bbbbbbbb-1", "4"), message("bbbbbbbb-2", "6")}, "want 5", Follower{}},
		"not told whether": {[]Message{welcome("aaaaaaaa-0", nil), welcome("aaaaaaaa-0", nil)}, "welcome", Follower{}},
		"told unasked":     {[]Message{welcome("aaaaaaaa-0", &yes)}, "welcome", Follower{}},
		"no welcome":       {[]Message{message("aaaaaaaa-1", "1")}, "before the welcome", Follower{}},
		"another run": {[]Message{welcome("aaaaaaaa-0", nil), message("bbbbbbbb-1", "1")},
			"in one connection", Follower{}},
		"behind the drain": {[]Message{welcome("aaaaaaaa-0", nil), {Type: "drain"}, message("aaaaaaaa-1", "1")},
			"behind the drain", Follower{}},
		"an error": {[]Message{{Type: "error", Error: "no"}}, `says "no"`, Follower{}},
		"no id":    {[]Message{welcome("aaaaaaaa", nil)}, "no id", Follower{}},
	} {
		t.Run(name, func(t *testing.T) {
			var f Follower
			for i, m := range row.messages {
				err := f.Take(m)
				switch last := i == len(row.messages)-1; {
				case err != nil && (!last || row.wrong == ""):
					t.Fatalf("%+v: %v", m, err)
				case last && row.wrong != "" && (err == nil || !regexp.MustCompile(row.wrong).MatchString(err.Error())):
					t.Fatalf("%+v: %v; want %q", m, err, row.wrong)
				}
			}
			got := Follower{Received: f.Received, Lost: f.Lost, Recoveries: f.Recoveries, Incomplete: f.Incomplete}
			if row.wrong == "" && !reflect.DeepEqual(got, row.want) {
				t.Errorf("%+v; want %+v", got, row.want)
			}
		})
	}
}
