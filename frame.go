package websocket

import (
	"encoding/binary"
	"strconv"
)

// This file holds the frame header: how its bits become a [Header], how a Header becomes bits, and which headers are
// legal. The three never mix: parsing does not judge and checking does not read, so the same codec can be told to write
// frames that break the rules, which is how peers are tested.
//
// RFC 6455, section 5.2 (https://www.rfc-editor.org/rfc/rfc6455#section-5.2):
//
//	byte 0    bit 7      FIN               Header.Fin
//	          bits 6–4   RSV1, RSV2, RSV3  Header.RSV1, RSV2, RSV3
//	          bits 3–0   opcode            Header.Opcode
//	byte 1    bit 7      MASK              Header.Masked
//	          bits 6–0   length            0–125: Header.Length; 126, 127: the next field holds it
//	byte 2…   2 bytes    length            if the 7 bits read 126, big endian
//	          8 bytes    length            if the 7 bits read 127, big endian
//	then      4 bytes    masking key       Header.MaskKey, if MASK is set
//	then      payload                      Header.Length bytes, masked if MASK is set (mask.go)

// An Opcode says what a frame is. RFC 6455, section 5.2.
type Opcode uint8

// The opcodes of RFC 6455, section 5.2 and 11.8. All others, 3–7 and 11–15, are reserved.
const (
	OpContinuation Opcode = 0x0 // section 5.4: a further fragment of the message begun earlier
	OpText         Opcode = 0x1 // section 5.6: UTF-8
	OpBinary       Opcode = 0x2 // section 5.6: any bytes
	OpClose        Opcode = 0x8 // section 5.5.1
	OpPing         Opcode = 0x9 // section 5.5.2
	OpPong         Opcode = 0xA // section 5.5.3
)

var opcodeNames = map[Opcode]string{
	OpContinuation: "continuation",
	OpText:         "text",
	OpBinary:       "binary",
	OpClose:        "close",
	OpPing:         "ping",
	OpPong:         "pong",
}

// String returns the opcode's name in the RFC, or "opcode 11" for a reserved one.
func (op Opcode) String() string {
	if name, ok := opcodeNames[op]; ok {
		return name
	}
	return "opcode " + strconv.Itoa(int(op))
}

// isControl reports whether op is a control opcode, reserved ones included: its highest bit says so. RFC 6455, section
// 5.5.
func (op Opcode) isControl() bool { return op&0x8 != 0 }

// isReserved reports whether RFC 6455 gives op no meaning. Section 5.2: %x3-7 and %xB-F are reserved.
func (op Opcode) isReserved() bool {
	return op > OpPong || op > OpBinary && op < OpClose
}

// A MessageType is the type of a data message. RFC 6455, section 5.6.
type MessageType uint8

// The two types of data message; the values are those of the opcodes.
const (
	TextMessage   MessageType = 1 // the payload is UTF-8
	BinaryMessage MessageType = 2 // the payload is any bytes
)

// String returns "text" or "binary".
func (t MessageType) String() string {
	if !t.valid() {
		return "MessageType(" + strconv.Itoa(int(t)) + ")"
	}
	return Opcode(t).String()
}

// valid reports whether t is one of the two types that exist.
func (t MessageType) valid() bool { return t == TextMessage || t == BinaryMessage }

const (
	// maxHeaderSize is the longest header: 2 bytes, 8 of length, 4 of masking key.
	maxHeaderSize = 14
	// maxControlPayload bounds the payload of a control frame. RFC 6455, section 5.5.
	maxControlPayload = 125

	finBit  = 0x80 // byte 0
	rsv1Bit = 0x40
	rsv2Bit = 0x20
	rsv3Bit = 0x10
	maskBit = 0x80 // byte 1

	length16 = 126 // the 7-bit length that announces a 16-bit one
	length64 = 127 // the 7-bit length that announces a 64-bit one
)

// A Header is a frame's header as it stands on the wire, legal or not. RFC 6455, section 5.2.
type Header struct {
	Fin              bool // the last fragment of its message
	RSV1, RSV2, RSV3 bool // reserved for extensions
	Opcode           Opcode
	Masked           bool
	MaskKey          [4]byte // meaningful if Masked
	Length           uint64  // of the payload, in bytes, as declared

	// len7 is the 7-bit length of a parsed header. It alone tells whether the length was written in its shortest form.
	len7 uint8
}

// ParseHeader reads a header from the beginning of b and returns it with its size in bytes. If b is too short to hold
// the whole header it returns n == 0, and then only the fields of the bytes that are there are set. It never judges:
// reserved bits and opcodes, lengths in a longer form than needed and lengths over 2^63 are returned as they are.
func ParseHeader(b []byte) (h Header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h = parsePrefix(b[0], b[1])
	n = 2
	switch h.len7 {
	case length16:
		if len(b) < n+2 {
			return h, 0
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[n:]))
		n += 2
	case length64:
		if len(b) < n+8 {
			return h, 0
		}
		h.Length = binary.BigEndian.Uint64(b[n:])
		n += 8
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0
		}
		h.MaskKey = [4]byte(b[n : n+4])
		n += 4
	}
	return h, n
}

// parsePrefix reads the two bytes that every header has.
func parsePrefix(b0, b1 byte) Header {
	h := Header{
		Fin:    b0&finBit != 0,
		RSV1:   b0&rsv1Bit != 0,
		RSV2:   b0&rsv2Bit != 0,
		RSV3:   b0&rsv3Bit != 0,
		Opcode: Opcode(b0 & 0x0F),
		Masked: b1&maskBit != 0,
		len7:   b1 &^ maskBit,
	}
	if h.len7 < length16 {
		h.Length = uint64(h.len7)
	}
	return h
}

// lengthField returns the size in bytes of the extended length that b1 announces.
func lengthField(b1 byte) int {
	switch b1 &^ maskBit {
	case length16:
		return 2
	case length64:
		return 8
	}
	return 0
}

// AppendHeader appends h to dst, its length in the shortest form (RFC 6455, section 5.2: "the minimal number of bytes
// MUST be used"), and returns the longer slice. It does not judge h.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode) & 0x0F
	b0 |= bit(h.Fin, finBit) | bit(h.RSV1, rsv1Bit) | bit(h.RSV2, rsv2Bit) | bit(h.RSV3, rsv3Bit)
	b1 := bit(h.Masked, maskBit)
	switch {
	case h.Length < length16:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xFFFF:
		dst = append(dst, b0, b1|length16)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, b0, b1|length64)
		dst = binary.BigEndian.AppendUint64(dst, h.Length)
	}
	if h.Masked {
		dst = append(dst, h.MaskKey[:]...)
	}
	return dst
}

func bit(on bool, b byte) byte {
	if on {
		return b
	}
	return 0
}

// A role is the side of the connection that we are.
type role uint8

const (
	serverRole role = iota
	clientRole
)

// String returns "server" or "client".
func (r role) String() string {
	if r == clientRole {
		return "client"
	}
	return "server"
}

// frameState is what the legality of the next header depends on.
type frameState struct {
	role     role
	inside   bool // between the first and the last fragment of a message
	rsv1Used bool // an extension that gives RSV1 a meaning was negotiated (RFC 7692, section 6)
}

// checkByte0 judges a header's first byte: reserved bits, opcode, fragmentation.
func checkByte0(h Header, s frameState) *ProtocolError {
	switch {
	// RFC 6455, section 5.2: RSV bits "MUST be 0 unless an extension is negotiated that defines meanings for non-zero
	// values", else the receiver fails the connection.
	case h.RSV2 || h.RSV3:
		return violation("RSV2 or RSV3 is set, and no extension uses them")
	case h.RSV1 && !s.rsv1Used:
		return violation("RSV1 is set, and no extension that uses it was negotiated")
	// RFC 6455, section 5.2: an unknown opcode fails the connection.
	case h.Opcode.isReserved():
		return violation("reserved opcode " + strconv.Itoa(int(h.Opcode)))
	// RFC 7692, section 6.1: RSV1 stands on the first frame of a data message only.
	case h.RSV1 && (h.Opcode.isControl() || h.Opcode == OpContinuation):
		return violation("RSV1 is set on a " + h.Opcode.String() + " frame")
	// RFC 6455, section 5.5: control frames "MUST NOT be fragmented".
	case h.Opcode.isControl():
		if !h.Fin {
			return violation("fragmented " + h.Opcode.String() + " frame")
		}
	// RFC 6455, section 5.4: a continuation continues something …
	case h.Opcode == OpContinuation:
		if !s.inside {
			return violation("continuation frame without a message to continue")
		}
	// … and fragments of two messages are not interleaved.
	case s.inside:
		return violation("new " + h.Opcode.String() + " message before the last fragment of the previous one")
	}
	return nil
}

// checkByte1 judges a header's second byte: the mask bit and the length of control frames.
func checkByte1(h Header, s frameState) *ProtocolError {
	switch {
	// RFC 6455, section 5.1: a server closes upon a frame that is not masked, a client upon one that is.
	case s.role == serverRole && !h.Masked:
		return violation("frame from the client is not masked")
	case s.role == clientRole && h.Masked:
		return violation("frame from the server is masked")
	// RFC 6455, section 5.5: control frames "MUST have a payload length of 125 bytes or less".
	case h.Opcode.isControl() && h.len7 > maxControlPayload:
		return violation(h.Opcode.String() + " frame with more than 125 bytes")
	// RFC 6455, section 5.5.1: "If there is a body, the first two bytes of the body MUST be" the code.
	case h.Opcode == OpClose && h.len7 == 1:
		return violation("Close frame with a payload of one byte")
	}
	return nil
}

// checkLength judges the extended length of a parsed header.
func checkLength(h Header) *ProtocolError {
	switch {
	// RFC 6455, section 5.2: "the minimal number of bytes MUST be used to encode the length".
	case h.len7 == length16 && h.Length < length16, h.len7 == length64 && h.Length <= 0xFFFF:
		return violation("length " + strconv.FormatUint(h.Length, 10) + " is not in its shortest form")
	// RFC 6455, section 5.2: "the most significant bit MUST be 0".
	case h.Length > 1<<63-1:
		return violation("the highest bit of the 64-bit length is set")
	}
	return nil
}
