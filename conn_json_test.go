package websocket

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// ReadJSON returns json's errors, and the message that it could not take is over.
func TestReadJSON(t *testing.T) {
	type point struct{ X, Y int }
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	var wrongTarget *json.InvalidUnmarshalError
	tests := []struct {
		name, in string
		op       Opcode
		into     any
		as       any // what the error is; nil: there is none
	}{
		{"text", `{"X":1,"Y":2}`, OpText, new(point), nil},
		{"binary", `{"X":1,"Y":2}`, OpBinary, new(point), nil},
		{"longer than a buffer", `{"X":1,` + strings.Repeat(" ", 50_000) + `"Y":2}`, OpText, new(point), nil},
		{"no JSON", `{"X":`, OpText, new(point), &syntax},
		{"empty", ``, OpText, new(point), &syntax},
		{"two values", `{"X":1} {"Y":2}`, OpText, new(point), &syntax},
		{"wrong type", `{"X":"one"}`, OpText, new(point), &wrongType},
		{"no pointer", `{"X":1}`, OpText, point{}, &wrongTarget},
		{"nil", `{"X":1}`, OpText, nil, &wrongTarget},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				half := len(tt.in) / 2
				peer.write(peer.frame(tt.op, false, tt.in[:half]))
				peer.write(peer.frame(OpContinuation, true, tt.in[half:]))
				peer.send(OpText, "next")
				err := c.ReadJSON(tt.into)
				switch {
				case tt.as == nil && (err != nil || *tt.into.(*point) != point{1, 2}):
					t.Errorf("%v, %v", tt.into, err)
				case tt.as != nil && (err == nil || !errors.As(err, tt.as)):
					t.Errorf("got %v, want %T", err, tt.as)
				}
				if p, ok := tt.into.(*point); ok {
					*p = point{}
				}
				wantMessages(t, c, "next")
			})
		})
	}
	t.Run("lost", func(t *testing.T) {
		rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			peer.write(peer.frame(OpText, false, `{"X":1}`)) // JSON so far, but not a message
			peer.nc.Close()
			var p point
			if err := c.ReadJSON(&p); !errors.Is(err, io.ErrUnexpectedEOF) || p != (point{}) {
				t.Errorf("%v, %v", p, err)
			}
		})
	})
}

// WriteJSON sends one text message, or returns json's error and sends nothing.
func TestWriteJSON(t *testing.T) {
	var unsupported *json.UnsupportedTypeError
	var value *json.UnsupportedValueError
	var marshaler *json.MarshalerError
	rawBubble(t, 1<<20, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		for _, tt := range []struct{ v, as any }{
			{make(chan int), &unsupported},
			{map[string]any{"f": func() {}}, &unsupported},
			{infinity(), &value},
			{badMarshaler{}, &marshaler},
		} {
			if err := c.WriteJSON(tt.v); err == nil || !errors.As(err, tt.as) {
				t.Errorf("WriteJSON(%T) = %v, want %T", tt.v, err, tt.as)
			}
		}
		for v, want := range map[any]string{nil: "null", "\xff<>": `"\ufffd\u003c\u003e"`, 1.5: "1.5"} {
			if err := c.WriteJSON(v); err != nil {
				t.Error(err)
			}
			peer.want(OpText, want)
		}
		if s := c.Stats(); s.MessagesOut != 3 {
			t.Errorf("%d messages were sent", s.MessagesOut)
		}
	})
}

func infinity() float64 {
	var zero float64
	return 1 / zero
}

type badMarshaler struct{}

func (badMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }
