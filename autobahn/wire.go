package autobahn

import "encoding/binary"

// The kit's own codec. It writes whatever it is told, be it legal or not, and reads without judging: receive.go does
// that. It is slow and simple, so that it can be checked by reading it.

// The opcodes of RFC 6455 §5.2.
const (
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// isControl tells control frames by the highest bit of their opcode, RFC 6455 §5.5.
func isControl(opcode byte) bool { return opcode&0x8 != 0 }

// A header is that of a frame, RFC 6455 §5.2.
type header struct {
	fin    bool
	rsv    byte // three bits: RSV1 is 4
	opcode byte
	masked bool
	key    [4]byte
	length uint64
	width  int // bytes of the extended length: 0, 2 or 8
}

// maxHeader is the size of the longest header.
const maxHeader = 2 + 8 + 4

// widthOf returns the least bytes of extended length that hold n.
func widthOf(n uint64) int {
	switch {
	case n <= 125:
		return 0
	case n <= 0xFFFF:
		return 2
	}
	return 8
}

// append writes the header as it is: width may be larger than it has to be, a control frame may be fragmented.
func (h header) append(dst []byte) []byte {
	b0 := h.rsv<<4 | h.opcode&0xF
	if h.fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.masked {
		b1 = 0x80
	}
	dst = append(dst, b0)
	switch h.width {
	case 0:
		dst = append(dst, b1|byte(h.length))
	case 2:
		dst = binary.BigEndian.AppendUint16(append(dst, b1|126), uint16(h.length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, b1|127), h.length)
	}
	if h.masked {
		dst = append(dst, h.key[:]...)
	}
	return dst
}

// parseHeader reads a header from the front of b and returns how many bytes it takes, or 0 when there are too few.
func parseHeader(b []byte) (h header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h.fin, h.rsv, h.opcode = b[0]&0x80 != 0, b[0]>>4&7, b[0]&0xF
	h.masked, h.length = b[1]&0x80 != 0, uint64(b[1]&0x7F)
	switch h.length {
	case 126:
		h.width = 2
	case 127:
		h.width = 8
	}
	n = 2 + h.width
	size := n
	if h.masked {
		size += len(h.key)
	}
	if len(b) < size {
		return h, 0
	}
	switch h.width {
	case 2:
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 8:
		h.length = binary.BigEndian.Uint64(b[2:])
	}
	if h.masked {
		copy(h.key[:], b[n:])
	}
	return h, size
}

// mask applies the key to b, whose first byte is the one at pos in the payload, RFC 6455 §5.3.
func mask(b []byte, key [4]byte, pos int) {
	for i := range b {
		b[i] ^= key[(pos+i)&3]
	}
}
