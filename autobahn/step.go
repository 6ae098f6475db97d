package autobahn

import "time"

// A Step is one thing that the kit does in a case.
type Step struct {
	Op      Op
	Opcode  byte
	Payload []byte
	Fin     bool
	RSV     byte
	Sync    bool // leaves in a write of its own
	Chop    int  // leaves in writes of that many bytes
	Width   int  // bytes of the extended length, where it is longer than it has to be

	WrongMask bool          // masked where it must not be, or the other way round
	Fragment  int           // of a message: bytes of payload in each frame
	Length    uint64        // of Begin: the bytes that the header announces
	Wait      time.Duration // of Wait, Kill and CloseAfter
	Tag       string        // of Wait: the end of the wait is an Event with this tag
}

// An Op is what a Step does.
type Op string

// The operations of the steps.
const (
	SendFrame   Op = "frame"      // a frame as it is, be it legal or not
	SendMessage Op = "message"    // a message, in fragments
	Shut        Op = "shut"       // a Close; the kit has begun to close then
	Begin       Op = "begin"      // a frame whose payload follows in Data steps
	Data        Op = "data"       // a piece of that payload
	End         Op = "end"        // an empty last fragment
	Wait        Op = "wait"       // goes on later, if the connection still stands
	Kill        Op = "kill"       // fails the connection when the time is up
	CloseAfter  Op = "closeafter" // closes the connection when the time is up
)
