package autobahn

import "strings"

// This file holds what a run of a case leaves behind. The runner fills a Result, the judge grades it, and the reports
// are written from it. The names in JSON are those of the original's case files, so that what reads those reads ours.

// A Grade is a verdict, either on what was received or on how the connection ended.
type Grade string

// The grades of the original. Behavior is one of the first five; Close is OK, FAILED, INFORMATIONAL or one of the last
// three.
const (
	OK             Grade = "OK"
	NonStrict      Grade = "NON-STRICT"    // allowed, but not the best
	Failed         Grade = "FAILED"        // anything that no other grade allows; of a close: the wrong side closed
	Informational  Grade = "INFORMATIONAL" // there is nothing to pass
	Unimplemented  Grade = "UNIMPLEMENTED" // the extension was not negotiated
	WrongCode      Grade = "WRONG CODE"    // a close code that the case does not allow
	Unclean        Grade = "UNCLEAN"       // no closing handshake
	FailedByClient Grade = "FAILED BY CLIENT"
)

// A Result is all that is known of one run of one case.
type Result struct {
	Agent    string `json:"agent"`
	ID       string `json:"id"`
	Case     int    `json:"case"`     // its number, from 1, among all cases
	IsServer bool   `json:"isServer"` // the kit was the server, the client was under test

	Description string `json:"description"`
	Expectation string `json:"expectation"`

	Behavior      Grade  `json:"behavior"`
	BehaviorClose Grade  `json:"behaviorClose"`
	Reason        string `json:"result"`      // why Behavior is what it is
	ReasonClose   string `json:"resultClose"` // why BehaviorClose is what it is

	Started    string `json:"started"`  // RFC 3339, UTC
	Duration   int64  `json:"duration"` // milliseconds
	ReportTime bool   `json:"reportTime"`

	HTTPRequest  string `json:"httpRequest"`
	HTTPResponse string `json:"httpResponse"`

	Expected      map[Grade][][]Event `json:"expected"`
	ExpectedClose CloseRule           `json:"expectedClose"`
	Received      []Event             `json:"received"`

	ClosedByMe        bool    `json:"closedByMe"`
	FailedByMe        bool    `json:"failedByMe"`
	DroppedByMe       bool    `json:"droppedByMe"`
	WasClean          bool    `json:"wasClean"`
	WasNotCleanReason *string `json:"wasNotCleanReason"`
	LocalCloseCode    *int    `json:"localCloseCode"`
	LocalCloseReason  *string `json:"localCloseReason"`
	RemoteCloseCode   *int    `json:"remoteCloseCode"`
	RemoteCloseReason *string `json:"remoteCloseReason"`

	CloseHandshakeTimeout bool `json:"wasCloseHandshakeTimeout"`
	OpenHandshakeTimeout  bool `json:"wasOpenHandshakeTimeout"`
	DropTimeout           bool `json:"wasServerConnectionDropTimeout"`

	CreateStats            bool           `json:"createStats"`
	CreateWirelog          bool           `json:"createWirelog"`
	ReportCompressionRatio bool           `json:"reportCompressionRatio"`
	RxOctets               map[int]int    `json:"rxOctetStats"` // size of a read → how often
	TxOctets               map[int]int    `json:"txOctetStats"`
	RxFrames               map[string]int `json:"rxFrameStats"` // opcode → how many frames
	TxFrames               map[string]int `json:"txFrameStats"`
	Traffic                *Traffic       `json:"trafficStats"` // nil without permessage-deflate

	Wirelog []WireEntry `json:"wirelog"`

	// What the original does not judge, such as a distance beyond the negotiated window. It does not change a grade of
	// the original's cases, and is shown beside it.
	Own []Finding `json:"own,omitempty"`
}

// A Finding is a verdict of the kit's own.
type Finding struct {
	Grade  Grade  `json:"grade"`
	Rule   string `json:"rule"` // with the section of the RFC
	Reason string `json:"reason"`
}

// An Event is what a case's connection has told it: a message, a Ping, a Pong, or a wait that ended.
type Event struct {
	Kind    string `json:"event"` // message, ping, pong, timeout
	Binary  bool   `json:"binary,omitempty"`
	Payload []byte `json:"-"`             // written as {"len", "hex", "text"…}, cut where it is long
	Tag     string `json:"tag,omitempty"` // of a timeout
}

// A CloseRule is how a case may end.
type CloseRule struct {
	ClosedByMe   bool  `json:"closedByMe"` // it is the kit that closes
	Codes        []int `json:"closeCode"`  // the peer's code, if it sends one
	RequireClean bool  `json:"requireClean"`
	WrongIsFatal bool  `json:"closedByWrongEndpointIsFatal,omitempty"`
}

// Traffic is what compression has saved.
type Traffic struct {
	IncomingOctetsWire int64 `json:"incomingOctetsWireLevel"`
	IncomingOctetsApp  int64 `json:"incomingOctetsAppLevel"`
	OutgoingOctetsWire int64 `json:"outgoingOctetsWireLevel"`
	OutgoingOctetsApp  int64 `json:"outgoingOctetsAppLevel"`
	IncomingFrames     int64 `json:"incomingWebSocketFrames"`
	IncomingMessages   int64 `json:"incomingWebSocketMessages"`
	OutgoingFrames     int64 `json:"outgoingWebSocketFrames"`
	OutgoingMessages   int64 `json:"outgoingWebSocketMessages"`
}

// A WireEntry is one line of the log of a connection. The kinds are the original's: RO and TO octets, RF and TF frames
// (received, transmitted), CT and CTE a delay that began and ended, KL and KLE a timed end of the connection, TI and
// TIE a timed Close, WLM a message of the log itself.
type WireEntry struct {
	Kind    string  `json:"kind"`
	At      float64 `json:"at"` // milliseconds since the case began
	Size    int     `json:"size,omitempty"`
	Opcode  int     `json:"opcode,omitempty"`
	Fin     bool    `json:"fin,omitempty"`
	RSV     int     `json:"rsv,omitempty"`
	Masked  bool    `json:"masked,omitempty"`
	Key     string  `json:"key,omitempty"`  // hex
	Data    string  `json:"data,omitempty"` // hex, at most 64 bytes
	Text    string  `json:"text,omitempty"` // of WLM; of CT and CTE the tag; of the original's frames the payload
	Delay   float64 `json:"delay,omitempty"`
	Payload int     `json:"length,omitempty"` // bytes of payload
}

// ReportFile returns the name of a case's report without its ending, as the original makes it.
func ReportFile(agent, id string) string {
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return ' '
	}, strings.ToLower(agent))
	name = strings.ReplaceAll(strings.TrimSpace(name), " ", "_")
	return name + "_case_" + strings.ReplaceAll(id, ".", "_")
}
