package websocket

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// This file holds how a connection ends: the codes, the payload of a Close frame, the two errors that carry a code, and
// the life of the closing handshake as a table. RFC 6455, section 7.

// A CloseCode says why an endpoint closes. RFC 6455, section 7.4.
type CloseCode uint16

// The close codes of RFC 6455, section 7.4.1 and of the IANA registry that section 11.7 founded. 1005, 1006 and 1015
// are never on the wire: they are names for what an endpoint saw.
const (
	CloseNormal             CloseCode = 1000 // the purpose is fulfilled
	CloseGoingAway          CloseCode = 1001 // the server goes down, or the browser leaves the page
	CloseProtocolError      CloseCode = 1002 // the peer broke a rule of the protocol
	CloseUnsupportedData    CloseCode = 1003 // a type of data that this endpoint does not accept
	CloseNoStatus           CloseCode = 1005 // a Close without a code was received; never sent
	CloseAbnormal           CloseCode = 1006 // the connection was lost without a Close; never sent
	CloseInvalidPayload     CloseCode = 1007 // text that is not UTF-8, data that does not inflate
	ClosePolicyViolation    CloseCode = 1008 // a rule of the application
	CloseMessageTooBig      CloseCode = 1009 // more than this endpoint takes
	CloseMandatoryExtension CloseCode = 1010 // the client needs an extension that the server did not grant
	CloseInternalError      CloseCode = 1011 // the server cannot fulfil the request
	CloseServiceRestart     CloseCode = 1012 // the server restarts: come back
	CloseTryAgainLater      CloseCode = 1013 // the server is overloaded: come back later
	CloseBadGateway         CloseCode = 1014 // a gateway got a bad answer
	CloseTLSHandshake       CloseCode = 1015 // the TLS handshake failed; never sent
)

var closeCodeNames = map[CloseCode]string{
	CloseNormal:             "normal",
	CloseGoingAway:          "going away",
	CloseProtocolError:      "protocol error",
	CloseUnsupportedData:    "unsupported data",
	CloseNoStatus:           "no status",
	CloseAbnormal:           "abnormal",
	CloseInvalidPayload:     "invalid payload",
	ClosePolicyViolation:    "policy violation",
	CloseMessageTooBig:      "message too big",
	CloseMandatoryExtension: "mandatory extension",
	CloseInternalError:      "internal error",
	CloseServiceRestart:     "service restart",
	CloseTryAgainLater:      "try again later",
	CloseBadGateway:         "bad gateway",
	CloseTLSHandshake:       "TLS handshake",
}

// String returns the code with its name, such as "1000 (normal)"; unknown codes print as their number.
func (c CloseCode) String() string {
	s := strconv.Itoa(int(c))
	if name, ok := closeCodeNames[c]; ok {
		s += " (" + name + ")"
	}
	return s
}

// onWire reports whether c may stand in a Close frame.
func (c CloseCode) onWire() bool {
	switch {
	// RFC 6455, section 7.4.1: 1004 is reserved; 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close
	// control frame". 1012–1014 were registered later (section 11.7).
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014:
		return true
	// RFC 6455, section 7.4.2: 3000–3999 are for libraries and frameworks, 4000–4999 for private use.
	case c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// maxCloseReason is how many bytes of reason fit beside the code. RFC 6455, sections 5.5 and 5.5.1.
const maxCloseReason = maxControlPayload - 2

// A CloseError is the peer's Close: what it sent to end the connection. It is neither [net.ErrClosed] nor [io.EOF]: a
// Close with code 1000 is an orderly end, and only the application knows which codes it expects.
type CloseError struct {
	Code   CloseCode // CloseNoStatus if the Close frame held none
	Reason string    // valid UTF-8 of at most 123 bytes, often empty; text from the peer, not to be trusted
}

// Error says that the peer closed, with code and reason.
func (e *CloseError) Error() string {
	s := "websocket: the peer closed the connection with code " + e.Code.String()
	if e.Reason != "" {
		s += ": " + strconv.Quote(e.Reason)
	}
	return s
}

// A ProtocolError is a rule that the peer broke, or a limit of ours that it passed. Code is what the peer is told in
// our Close frame: 1002, 1007, 1008 or 1009. RFC 6455, section 7.1.7 ("Fail the WebSocket Connection").
type ProtocolError struct {
	Code   CloseCode
	Reason string // what was wrong; also the reason in our Close frame
	Err    error  // the sentinel behind it, such as ErrReadLimit, or nil
}

// Error says what the peer did wrong and with which code the connection was failed. Of the read limit it says what sets
// it, which is nothing for the peer to know and so not in Reason.
func (e *ProtocolError) Error() string {
	s := "websocket: failed the connection with code " + e.Code.String() + ": " + e.Reason
	if e.Err == ErrReadLimit {
		s += " (ReadLimit of the Upgrader or Dialer and SetReadLimit set it)"
	}
	return s
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

// violation makes the error for a broken rule of the framing.
func violation(reason string) *ProtocolError {
	return &ProtocolError{Code: CloseProtocolError, Reason: reason}
}

// appendClosePayload appends the payload of a Close frame. RFC 6455, section 5.5.1: nothing, or two bytes of code and
// then the reason. CloseNoStatus stands for nothing. A reason that is too long is cut between two characters.
func appendClosePayload(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, cutReason(reason)...)
}

// cutReason shortens reason to what fits into a Close frame without splitting a character.
func cutReason(reason string) string {
	if len(reason) <= maxCloseReason {
		return reason
	}
	cut := maxCloseReason
	for cut > 0 && !utf8.RuneStart(reason[cut]) {
		cut--
	}
	return reason[:cut]
}

// parseClosePayload reads and judges the payload of a Close frame.
func parseClosePayload(p []byte) (code CloseCode, reason string, err *ProtocolError) {
	if len(p) < 2 { // one byte was refused with the header (checkByte1)
		return CloseNoStatus, "", nil // RFC 6455, section 7.1.5: no code reads as 1005
	}
	code = CloseCode(binary.BigEndian.Uint16(p))
	if !code.onWire() {
		return 0, "", violation("Close frame with code " + strconv.Itoa(int(code)) + ", which must not be sent")
	}
	if !utf8.Valid(p[2:]) {
		return 0, "", invalidReason() // RFC 6455, sections 5.5.1 and 8.1: the reason is UTF-8
	}
	return code, string(p[2:]), nil
}

func invalidReason() *ProtocolError {
	return &ProtocolError{Code: CloseInvalidPayload, Reason: "the reason in the Close frame is not UTF-8"}
}

// The closing handshake (RFC 6455, sections 7.1.2–7.1.6) is three facts: a Close was sent, a Close was received, and
// which came first. The first to send a Close is its initiator; the other owes an echo. After sending a Close an
// endpoint sends nothing more; after receiving one it reads nothing more.
type closeState uint8

const (
	// closeOpen: neither side has sent a Close.
	closeOpen closeState = iota
	// closeSent: our Close is out first; the peer's echo is awaited, and whatever comes before it is not delivered.
	closeSent
	// closeReceived: the peer's Close came first and we owe the echo.
	closeReceived
	// closeDone: both were exchanged. The server closes TCP, the client waits for that (section 7.1.1).
	closeDone
)

var closeStateNames = [...]string{"open", "Close sent", "Close received", "Closes exchanged"}

// String names the state.
func (s closeState) String() string { return closeStateNames[s] }

type closeEvent uint8

const (
	sendClose    closeEvent = iota // our Close enters the stream of outgoing frames
	receiveClose                   // the peer's Close was read
)

// closeStep is what a closeEvent does in a closeState.
type closeStep struct {
	next closeState
	owed bool // a Close frame has to be sent because of this event
	ok   bool // the event is legal here; if not, next is the state as it was
}

// closeTable is the life of the closing handshake: state × event → next state and what is owed.
var closeTable = [...][2]closeStep{
	closeOpen: {
		sendClose:    {next: closeSent, owed: true, ok: true},
		receiveClose: {next: closeReceived, owed: true, ok: true}, // section 5.5.1: answer with a Close
	},
	closeSent: {
		sendClose:    {next: closeSent},           // section 5.5.1: at most one Close
		receiveClose: {next: closeDone, ok: true}, // ours is out already, nothing is owed
	},
	closeReceived: {
		sendClose:    {next: closeDone, owed: true, ok: true}, // the echo
		receiveClose: {next: closeReceived},                   // section 1.4: data after a Close is discarded
	},
	closeDone: {
		sendClose:    {next: closeDone},
		receiveClose: {next: closeDone},
	},
}

// step returns what event does in state s.
func (s closeState) step(event closeEvent) closeStep { return closeTable[s][event] }
