package notify

// Limits bounds what clients may use.
type Limits struct {
	Topics  int   // patterns that a connection may have, and topics of one publication; 0: DefaultTopics
	Message int   // bytes of a message; 0: DefaultMessage
	Queue   int64 // bytes that may wait for one subscriber; 0: DefaultQueue
}

// What limits are if nothing else is said.
const (
	DefaultTopics  = 64
	DefaultMessage = 1 << 20
	DefaultQueue   = 1 << 20
)

// withDefaults returns l with the defaults filled in.
func (l Limits) withDefaults() Limits {
	if l.Topics == 0 {
		l.Topics = DefaultTopics
	}
	if l.Message == 0 {
		l.Message = DefaultMessage
	}
	if l.Queue == 0 {
		l.Queue = DefaultQueue
	}
	return l
}
