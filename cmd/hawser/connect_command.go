package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"hawser.example/websocket"
)

// commandHelp is what /help shows.
const commandHelp = `/ping [TEXT]            send a Ping, and say when its Pong comes
/pong [TEXT]            send a Pong that nobody asked for
/close [CODE [REASON]]  close the connection
/bin HEX                send a binary message
//TEXT                  send "/TEXT"
Ctrl-D ends the input, Ctrl-C the connection; a second Ctrl-C does not wait for the server's goodbye.
`

// errHelp is the command that asks for help.
var errHelp = errors.New("help is asked for")

const (
	maxControl = 125 // bytes of payload; RFC 6455, section 5.5
	maxReason  = 123 // bytes beside the code of a Close
)

// parseLine returns what a line of the prompt sends as op, or what it says as a command.
func parseLine(line string, op websocket.Opcode) (outgoing, error) {
	if strings.HasPrefix(line, "//") {
		return outgoing{op: op, p: []byte(line[1:])}, nil
	}
	if !strings.HasPrefix(line, "/") {
		return outgoing{op: op, p: []byte(line)}, nil
	}
	name, rest, _ := strings.Cut(line[1:], " ")
	switch name {
	case "ping":
		return parseControl(websocket.OpPing, rest)
	case "pong":
		return parseControl(websocket.OpPong, rest)
	case "close":
		return parseClose(rest)
	case "bin":
		p, err := hex.DecodeString(strings.Join(strings.Fields(rest), ""))
		if err != nil {
			return outgoing{}, errors.New("/bin: two hex digits make a byte, such as /bin 00ff 1b")
		}
		return outgoing{op: websocket.OpBinary, p: p}, nil
	case "help":
		return outgoing{}, errHelp
	}
	return outgoing{}, fmt.Errorf("there is no command /%s; /help lists them, and %q sends %q", name, "/"+line, line)
}

// parseControl makes a Ping or Pong.
func parseControl(op websocket.Opcode, text string) (outgoing, error) {
	if len(text) > maxControl {
		return outgoing{}, fmt.Errorf("/%v: %d bytes of text; a control frame holds %d", op, len(text), maxControl)
	}
	return outgoing{op: op, p: []byte(text)}, nil
}

// parseClose makes a Close of "CODE REASON".
func parseClose(rest string) (outgoing, error) {
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return outgoing{op: websocket.OpClose, code: websocket.CloseNormal}, nil
	}
	number, reason, _ := strings.Cut(rest, " ")
	code, err := strconv.ParseUint(number, 10, 16)
	// RFC 6455, sections 7.4.1 and 7.4.2, and the registry.
	if err != nil || !(code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999) {
		return outgoing{}, fmt.Errorf("/close: %q is no code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999",
			number)
	}
	if len(reason) > maxReason {
		return outgoing{}, fmt.Errorf("/close: %d bytes of reason; a Close holds %d", len(reason), maxReason)
	}
	return outgoing{op: websocket.OpClose, code: websocket.CloseCode(code), p: []byte(reason)}, nil
}

// maxPings bounds the Pings of /ping whose Pong is waited for.
const maxPings = 100

// typedPings are the Pings of /ping that wait for their Pong. Any goroutine may use it.
type typedPings struct {
	mu      sync.Mutex
	waiting []typedPing
}

type typedPing struct {
	payload string
	at      time.Time
}

// sent notes that a Ping is about to be sent.
func (s *typedPings) sent(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == maxPings {
		s.waiting = s.waiting[1:]
	}
	s.waiting = append(s.waiting, typedPing{string(payload), time.Now()})
}

// answered returns how long ago the Ping was sent that a Pong with this payload answers: the latest one. Earlier ones
// are answered with it (RFC 6455, section 5.5.3).
func (s *typedPings) answered(payload []byte) (rtt time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.waiting) - 1; i >= 0; i-- {
		if w := s.waiting[i]; w.payload == string(payload) {
			s.waiting = append([]typedPing(nil), s.waiting[i+1:]...)
			return time.Since(w.at), true
		}
	}
	return 0, false
}
