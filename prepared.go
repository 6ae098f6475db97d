package websocket

import (
	"sync"

	"hawser.example/websocket/internal/deflate"
)

// This file is messages that are encoded once and sent to many connections. What differs between those is whether and
// how they compress, so there is a variant for each window that has been asked for.

// A PreparedMessage is a message that is encoded once and sent to many connections with [Conn.WritePrepared]. It is
// immutable: any number of goroutines may send it at the same time. It is compressed once for each size of window that
// connections have agreed on; see [Compression.PreparedTakeover].
type PreparedMessage struct {
	plain preparedFrame

	mu       sync.Mutex
	deflated []*preparedFrame // guarded by mu; those that have been asked for
}

// A preparedFrame is a variant of a PreparedMessage, as one frame.
type preparedFrame struct {
	msgType  MessageType
	variant  frameVariant
	deflated bool   // with RSV1; a variant that would not gain by it is not
	frame    []byte // as a server sends it
	payload  []byte // lies in frame
	message  []byte // what it stands for
	state    string // of what it is the newest state; "" for a message that none supersedes
}

// header is that of its frame. RFC 7692, section 6.1: RSV1 says that it is compressed.
func (f *preparedFrame) header() Header {
	return Header{Fin: true, RSV1: f.deflated, Opcode: Opcode(f.msgType)}
}

// A frameVariant says how a message is encoded for connections that share its frame. The zero value is: not compressed.
type frameVariant struct {
	bits      uint8 // of the window; 0: not compressed
	level     CompressionLevel
	threshold int // bytes from which on a message is compressed
}

// NewPreparedMessage prepares p as a message of type t. It copies p. It returns [ErrMessageType] or [ErrInvalidUTF8]
// for what no connection could send.
func NewPreparedMessage(t MessageType, p []byte) (*PreparedMessage, error) {
	var e encoder
	frame, err := e.appendMessage(make([]byte, 0, frameSize(len(p))), t, p)
	if err != nil {
		return nil, err
	}
	payload := frame[len(frame)-len(p):]
	return &PreparedMessage{plain: preparedFrame{msgType: t, frame: frame, payload: payload, message: payload}}, nil
}

// NewLatestMessage is [NewPreparedMessage] for a message that tells the newest state of what name names, such as a
// price. A subscriber who takes messages more slowly than they are published gets the newest one only: as long as it
// waits in the queue for that subscriber, a later message with the same name supersedes it, and it counts as dropped.
// Names are compared for each subscriber, whatever the topic: states of different topics need different names. An empty
// name is none, and the message an ordinary one.
func NewLatestMessage(name string, t MessageType, p []byte) (*PreparedMessage, error) {
	m, err := NewPreparedMessage(t, p)
	if err == nil {
		m.plain.state = name
	}
	return m, err
}

// Type returns the message's type.
func (m *PreparedMessage) Type() MessageType { return m.plain.msgType }

// Len returns the size of the message's payload in bytes.
func (m *PreparedMessage) Len() int { return len(m.plain.payload) }

// as returns the message as v asks for it.
func (m *PreparedMessage) as(v frameVariant) *preparedFrame {
	if v.bits == 0 || m.Len() < v.threshold {
		return &m.plain
	}
	v.threshold = 0
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.deflated {
		if f.variant == v {
			return f
		}
	}
	f := m.plain.compress(v)
	m.deflated = append(m.deflated, f)
	return f
}

// compress makes a variant of a frame that is not compressed. It is made without a context, so that every connection
// can send it, whatever it has sent before.
func (f preparedFrame) compress(v frameVariant) *preparedFrame {
	e := encoder{deflater: &deflater{Encoder: deflate.NewEncoder(int(v.bits), false, v.level.internal())}}
	scratch := getBuffer(messagePool)
	defer scratch.freeMessage()
	f.variant = v
	if scratch.b, f.deflated = e.deflate(scratch.b, f.message, false); f.deflated {
		f.frame = e.append(make([]byte, 0, frameSize(len(scratch.b))), f.header(), scratch.b)
		f.payload = f.frame[len(f.frame)-len(scratch.b):]
	}
	return &f
}
