// Package strictjson reads a JSON object of which there is one understanding only. encoding/json alone takes a name
// that is there twice, and then two readers may go by two different values.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What may be wrong with an object, besides a [TwiceError].
var (
	ErrNoObject = errors.New("it is not a JSON object")
	ErrBehind   = errors.New("there is something behind the object")
)

// A TwiceError is a name that is there twice.
type TwiceError struct{ Name string }

// Error names it.
func (e *TwiceError) Error() string { return fmt.Sprintf("%.40q is there twice", e.Name) }

// Object returns the members of p, which has to be one object and nothing else. What is in them is valid JSON, and not
// looked into. With an error, which is one of those above, it returns the members that it has read.
func Object(p []byte) (map[string]json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	d := json.NewDecoder(bytes.NewReader(p))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return members, ErrNoObject
	}
	for d.More() {
		key, err := d.Token()
		name, isName := key.(string)
		var value json.RawMessage
		if err != nil || !isName || d.Decode(&value) != nil {
			return members, ErrNoObject
		}
		if _, twice := members[name]; twice {
			return members, &TwiceError{name}
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return members, ErrNoObject
	}
	if _, err := d.Token(); err != io.EOF {
		return members, ErrBehind
	}
	return members, nil
}
