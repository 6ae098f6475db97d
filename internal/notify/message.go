package notify

import (
	"container/list"
	"sync"
	"time"
	"weak"

	"hawser.example/websocket"
)

// A form is how messages look to a connection.
type form uint8

const (
	plainForm form = iota // the payload as it was published
	jsonForm              // the envelope of hawser.v1
	forms     = 2
)

// A message is what was published once on one topic. All but forms is fixed, except place, which is the history's.
type message struct {
	position
	topic   string
	msgType websocket.MessageType
	payload []byte
	at      time.Time
	latest  bool // the topic's newest message supersedes it

	place *list.Element // in history.order

	mu    sync.Mutex
	forms [forms]weak.Pointer[websocket.PreparedMessage] // guarded by mu
}

// as returns the message in a form. It is made once for all who hold it at the same time, and not kept for the history:
// that weighs payloads. data is the payload as appendData has it, or nil.
func (m *message) as(f form, data []byte) *websocket.PreparedMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.forms[f].Value(); p != nil {
		return p
	}
	p := m.prepare(f, data)
	m.forms[f] = weak.Make(p)
	return p
}

// prepare makes a form.
func (m *message) prepare(f form, data []byte) *websocket.PreparedMessage {
	t, p := m.msgType, m.payload
	if f == jsonForm {
		t, p = websocket.TextMessage, m.appendJSON(nil, data)
	}
	var prepared *websocket.PreparedMessage
	var err error
	if m.latest {
		prepared, err = websocket.NewLatestMessage(m.topic, t, p)
	} else {
		prepared, err = websocket.NewPreparedMessage(t, p)
	}
	if err != nil {
		panic(err) // the broker takes only what can be sent
	}
	return prepared
}

// cost is what a message takes in the memory of a queue or of the history.
func (m *message) cost() int64 { return int64(len(m.payload)) + messageCost }

const messageCost = 512 // bytes beside the payload
