package websocket

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"hawser.example/websocket/internal/deflate"
)

// This file is the negotiation of permessage-deflate, RFC 7692, section 7.1: pure functions from what one side offers
// and the other wants to what both will do. inflate.go is what becomes of compressed messages that arrive, compress.go
// of those that leave.

// extensionDeflate is the name of the extension. RFC 7692, section 7.
const extensionDeflate = "permessage-deflate"

// Its parameters. RFC 7692, section 7.1.
const (
	paramServerNoTakeover = "server_no_context_takeover"
	paramClientNoTakeover = "client_no_context_takeover"
	paramServerWindow     = "server_max_window_bits"
	paramClientWindow     = "client_max_window_bits"
)

// RFC 7692, section 7.1.2: a window has 2^8 to 2^15 bytes.
const (
	minWindowBits = 8
	maxWindowBits = 15
)

// Defaults of [Compression].
const (
	DefaultCompressionThreshold = 128 // bytes
	DefaultServerWindowBits     = 12  // a server has many connections
	DefaultClientWindowBits     = 15
)

// A CompressionLevel says how much time is taken for compressing.
type CompressionLevel uint8

const (
	// CompressionFast looks for repetitions where they are cheap to find. It is the default.
	CompressionFast CompressionLevel = iota
	// CompressionBalanced looks for longer ones.
	CompressionBalanced
	// CompressionHuffman looks for none: frequent bytes get short codes. It takes the least time, and nothing is kept
	// between messages.
	CompressionHuffman
)

// internal returns the level's name in package deflate.
func (l CompressionLevel) internal() deflate.Level {
	switch l {
	case CompressionHuffman:
		return deflate.HuffmanOnly
	case CompressionBalanced:
		return deflate.Balanced
	}
	return deflate.Fast
}

// Compression turns on permessage-deflate (RFC 7692) for an [Upgrader], a [Dialer] or a [PipeSide]. It is used if the
// peer wants it too. The zero value is ready; it must not be changed after first use.
//
// What a connection holds between its messages, in bytes, is for each direction in which the context is taken over:
//
//	window bits    to send   to receive   both
//	8                  768          512   1.3 KiB
//	10               1 536        1 024   2.5 KiB
//	12               6 144        4 096    10 KiB   the default of a server
//	15              49 152       32 768    80 KiB   the default of a client
//
// and nothing where it is not. The memory is taken by the first message; what is received takes it as far as messages
// fill the window. All else is shared by the connections that are at work at the same time.
type Compression struct {
	Level CompressionLevel

	// Threshold is from how many bytes on a message is compressed; 0: DefaultCompressionThreshold; negative: all are.
	// A message that would not get smaller is sent as it is, unless the context is taken over, which has it by then.
	Threshold int

	Send    CompressionContext // of the messages that we send
	Receive CompressionContext // of the messages that the peer sends

	// PreparedTakeover compresses what [Conn.WritePrepared] and a [Hub] send for each connection by itself, if it takes
	// its context over. That makes them smaller. By default they are compressed once, without a context, and shared.
	PreparedTakeover bool

	// Fragments compresses also messages that leave in several frames, those of [Conn.NextWriter] of more than 16 KiB.
	// By default a compressed message is always one frame, since there are clients that fail with others.
	Fragments bool
}

// A CompressionContext is what one message may use of those before it in the same direction.
type CompressionContext struct {
	// NoTakeover begins every message anew. It is worse compressed, and nothing is kept between messages. RFC 7692,
	// section 7.1.1.
	NoTakeover bool

	// WindowBits is the window: 2^WindowBits bytes, from 8 to 15. 0 is DefaultServerWindowBits for an Upgrader and
	// DefaultClientWindowBits for a Dialer. RFC 7692, section 7.1.2.
	//
	// A peer that is made with zlib cannot compress with a window of 8 bits. Some use one of 9 bits and reach back no
	// further than they may (browsers, Node), others fail (Python): 9 is the least to ask for in Receive.
	//
	// The peer may ask for less. A server cannot tell a client that does not offer client_max_window_bits what window
	// to use; if Receive asks for less than 15 bits such a client is told not to take its context over. A client that
	// asks for less than 15 bits in Receive fails with a server that does not agree.
	WindowBits int
}

// deflateParams is what both sides agreed on, from where we stand. The zero value is no compression.
type deflateParams struct {
	on            bool
	send, receive deflateContext

	level            CompressionLevel
	threshold        int
	preparedTakeover bool
	fragments        bool

	answer string // the extension as the server answers it
}

// deflateContext is one direction of a connection.
type deflateContext struct {
	bits     int
	takeover bool
}

// check returns what is wrong with the options, or nothing.
func (c *Compression) check() string {
	switch {
	case c == nil:
		return ""
	case c.Level > CompressionHuffman:
		return fmt.Sprintf("Compression.Level is %d, which is none of the three", c.Level)
	case !validWindow(c.Send.WindowBits):
		return fmt.Sprintf("Compression.Send.WindowBits is %d; it has to be from 8 to 15, or 0", c.Send.WindowBits)
	case !validWindow(c.Receive.WindowBits):
		return fmt.Sprintf("Compression.Receive.WindowBits is %d; it has to be from 8 to 15, or 0", c.Receive.WindowBits)
	}
	return ""
}

func validWindow(bits int) bool { return bits == 0 || bits >= minWindowBits && bits <= maxWindowBits }

// resolve returns what we want, with defaults in place of zeros.
func (c *Compression) resolve(r role) deflateParams {
	bits := DefaultServerWindowBits
	if r == clientRole {
		bits = DefaultClientWindowBits
	}
	want := deflateParams{
		on:               true,
		send:             c.Send.resolve(bits),
		receive:          c.Receive.resolve(bits),
		level:            c.Level,
		threshold:        max(c.Threshold, 0),
		preparedTakeover: c.PreparedTakeover,
		fragments:        c.Fragments,
	}
	if c.Threshold == 0 {
		want.threshold = DefaultCompressionThreshold
	}
	return want
}

func (c CompressionContext) resolve(byDefault int) deflateContext {
	if c.WindowBits != 0 {
		byDefault = c.WindowBits
	}
	return deflateContext{bits: byDefault, takeover: !c.NoTakeover}
}

// deflateOffer is the parameters of an offer or an answer, as they stand in it.
type deflateOffer struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits                         int // 0: not there
	clientBits                         int // 0: not there; anyBits: there without a value
}

// anyBits is a client_max_window_bits without a value: the client follows whatever the server asks for. RFC 7692,
// section 7.1.2.2.
const anyBits = -1

// parseDeflate reads the parameters of one offer or answer. ok is false if there is anything in them that RFC 7692,
// section 7.1, does not allow: a parameter that it does not know, that comes twice, or that has a value it must not
// have. Then the offer is declined, or the answer refused.
func parseDeflate(params []extParam, isAnswer bool) (o deflateOffer, ok bool) {
	seen := make(map[string]bool, len(params))
	for _, p := range params {
		if seen[p.name] {
			return o, false
		}
		seen[p.name] = true
		switch p.name {
		case paramServerNoTakeover: // section 7.1.1.1: no value
			o.serverNoTakeover, ok = true, !p.hasValue
		case paramClientNoTakeover: // section 7.1.1.2: no value
			o.clientNoTakeover, ok = true, !p.hasValue
		case paramServerWindow: // section 7.1.2.1: always a value
			o.serverBits, ok = parseWindowBits(p)
		case paramClientWindow: // section 7.1.2.2: in an answer always a value
			if o.clientBits, ok = parseWindowBits(p); !p.hasValue && !isAnswer {
				o.clientBits, ok = anyBits, true
			}
		default:
			ok = false
		}
		if !ok {
			return o, false
		}
	}
	return o, true
}

// parseWindowBits reads the size of a window. RFC 7692, section 7.1.2.1: a decimal number from 8 to 15 without leading
// zeros.
func parseWindowBits(p extParam) (bits int, ok bool) {
	n, err := strconv.Atoi(p.value)
	return n, err == nil && n >= minWindowBits && n <= maxWindowBits && strconv.Itoa(n) == p.value
}

// offered makes the client's offer. RFC 7692, section 7.1: what is not asked for is not mentioned, but that the server
// may limit our window.
func (want deflateParams) offered() deflateOffer {
	o := deflateOffer{
		serverNoTakeover: !want.receive.takeover,
		clientNoTakeover: !want.send.takeover,
		clientBits:       anyBits,
	}
	if want.send.bits < maxWindowBits {
		o.clientBits = want.send.bits
	}
	if want.receive.bits < maxWindowBits {
		o.serverBits = want.receive.bits
	}
	return o
}

// String returns the offer or answer as it is sent.
func (o deflateOffer) String() string {
	var b strings.Builder
	b.WriteString(extensionDeflate)
	if o.serverNoTakeover {
		b.WriteString("; " + paramServerNoTakeover)
	}
	if o.clientNoTakeover {
		b.WriteString("; " + paramClientNoTakeover)
	}
	if o.serverBits != 0 {
		b.WriteString("; " + paramServerWindow + "=" + strconv.Itoa(o.serverBits))
	}
	switch o.clientBits {
	case 0:
	case anyBits:
		b.WriteString("; " + paramClientWindow)
	default:
		b.WriteString("; " + paramClientWindow + "=" + strconv.Itoa(o.clientBits))
	}
	return b.String()
}

// acceptDeflate is the server's part: it takes the first of the client's offers that it understands, and returns what
// is agreed on and answered. RFC 7692, section 5.1: the offers come in the client's order of preference.
func acceptDeflate(offers []extension, ours *Compression) deflateParams {
	if ours == nil {
		return deflateParams{}
	}
	for _, e := range offers {
		if e.name != extensionDeflate {
			continue
		}
		if offer, ok := parseDeflate(e.params, false); ok {
			return ours.resolve(serverRole).accept(offer)
		}
	}
	return deflateParams{}
}

// accept returns what we, the server, make of an offer: of everything what takes less memory.
func (want deflateParams) accept(offer deflateOffer) deflateParams {
	var answer deflateOffer
	// RFC 7692, section 7.1.2.1: an offered limit is answered with the same or a smaller one. One that is not offered
	// is kept without a word.
	if offer.serverBits != 0 {
		want.send.bits = min(want.send.bits, offer.serverBits)
		answer.serverBits = want.send.bits
	}
	// Section 7.1.2.2: only a client that offers it can be limited.
	switch {
	case offer.clientBits == 0:
		if want.receive.bits < maxWindowBits {
			want.receive = deflateContext{bits: maxWindowBits}
		}
	case offer.clientBits != anyBits:
		want.receive.bits = min(want.receive.bits, offer.clientBits)
	}
	if want.receive.bits < maxWindowBits {
		answer.clientBits = want.receive.bits
	}
	// Sections 7.1.1.1 and 7.1.1.2: both may be answered whether offered or not, and the server's must be if it is.
	want.send.takeover = want.send.takeover && !offer.serverNoTakeover
	want.receive.takeover = want.receive.takeover && !offer.clientNoTakeover
	answer.serverNoTakeover = !want.send.takeover
	answer.clientNoTakeover = !want.receive.takeover
	want.answer = answer.String()
	return want
}

// checkExtensions is the client's part: it judges the values of Sec-WebSocket-Extensions in the server's answer, and
// returns what is agreed on. ours is what was offered, nil for nothing.
func checkExtensions(values []string, ours *Compression) (agreed deflateParams, err *HandshakeError) {
	if len(values) == 0 {
		return agreed, nil
	}
	answered := quote(strings.Join(values, ", "))
	refused := func(why string) *HandshakeError {
		return refuse("extensions", http.StatusSwitchingProtocols, "the server answered with the extension %s, %s", answered, why)
	}
	list, ok := parseExtensions(values)
	switch {
	// RFC 6455, section 4.1, response item 5: no extension that was not offered.
	case ours == nil || ok && list[0].name != extensionDeflate:
		return agreed, refused("which was not offered")
	case !ok:
		return agreed, refused("which is no list of extensions")
	// RFC 7692, section 5: one offer is accepted, or none.
	case len(list) > 1:
		return agreed, refused("but one was offered")
	}
	answer, ok := parseDeflate(list[0].params, true)
	if !ok {
		return agreed, refused("of which a parameter is unknown, comes twice or has an invalid value")
	}
	want := ours.resolve(clientRole)
	offer := want.offered()
	switch {
	// RFC 7692, section 7.1.1.1: an offered server_no_context_takeover is part of what is accepted.
	case offer.serverNoTakeover && !answer.serverNoTakeover:
		return agreed, refused("but server_no_context_takeover was asked for (Compression.Receive.NoTakeover)")
	// Section 7.1.2.1: so is server_max_window_bits, with the same or a smaller value.
	case offer.serverBits != 0 && (answer.serverBits == 0 || answer.serverBits > offer.serverBits):
		return agreed, refused(fmt.Sprintf("but server_max_window_bits=%d was asked for (Compression.Receive.WindowBits)", offer.serverBits))
	}
	// Section 7.1.2.2: the server may limit us further. We use no larger window than we offered in any case.
	if answer.clientBits != 0 {
		want.send.bits = min(want.send.bits, answer.clientBits)
	}
	want.receive.bits = maxWindowBits
	if answer.serverBits != 0 {
		want.receive.bits = answer.serverBits
	}
	want.send.takeover = want.send.takeover && !answer.clientNoTakeover
	want.receive.takeover = !answer.serverNoTakeover
	want.answer = answer.String()
	return want, nil
}
