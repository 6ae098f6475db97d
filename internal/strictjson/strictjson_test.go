package strictjson

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestObject(t *testing.T) {
	for _, row := range []struct {
		json string
		err  error
		read int // members
	}{
		{`{}`, nil, 0},
		{" {\"a\":1 ,\t\"\\u0062\":[{}],\"A\":null}\n", nil, 3},
		{`{"a":{"b":1,"b":2}}`, nil, 1}, // what is inside is its reader's business
		{``, ErrNoObject, 0}, {`[]`, ErrNoObject, 0}, {`null`, ErrNoObject, 0}, {`"a"`, ErrNoObject, 0}, {`{`, ErrNoObject, 0},
		{`{"a"}`, ErrNoObject, 0}, {`{"a":1`, ErrNoObject, 1}, {`{"a":1,}`, ErrNoObject, 1}, {`{1:1}`, ErrNoObject, 0},
		{`{"a":x}`, ErrNoObject, 0}, {`{"a":1]`, ErrNoObject, 1},
		{`{"a":1}{}`, ErrBehind, 1}, {`{"a":1} x`, ErrBehind, 1}, {`{}null`, ErrBehind, 0},
	} {
		members, err := Object([]byte(row.json))
		if err != row.err || len(members) != row.read {
			t.Errorf("%s: %v, %v; want %d members, %v", row.json, members, err, row.read, row.err)
		}
	}
	var twice *TwiceError
	if _, err := Object([]byte(`{"a":1,"\u0061":2}`)); !errors.As(err, &twice) || twice.Name != "a" || twice.Error() != `"a" is there twice` {
		t.Errorf("a name twice: %v", err)
	}
}

// What is taken is valid JSON, with the members that encoding/json finds in it.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[1,{"c":null}]}`, `{"a":1,"a":2}`, `{"a":1}x`, `[]`, `{"\ud800":"\udfff"}`, `{"a":1,}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		members, err := Object(p)
		if err != nil {
			return
		}
		var loose map[string]json.RawMessage
		if err := json.Unmarshal(p, &loose); err != nil || len(loose) != len(members) {
			t.Errorf("%q: %v here, %v there, error %v", p, members, loose, err)
		}
		for name, value := range members {
			if !json.Valid(value) || string(loose[name]) != string(value) {
				t.Errorf("%q: %q is %q here, %q there", p, name, value, loose[name])
			}
		}
	})
}
