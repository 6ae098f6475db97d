// Package frames is the load generator's own little codec: frames to send, made beforehand, and what has to come back.
// It shares nothing with the library that is measured.
package frames

import (
	"encoding/binary"
	"math/rand/v2"
)

// The opcodes that are used here. RFC 6455, section 5.2.
const (
	Text   = 1
	Binary = 2
	Close  = 8
)

const (
	fin  = 0x80
	rsv1 = 0x40
	mask = 0x80
)

// A Kind is the first byte of a frame that is a whole message: its opcode, and whether it is compressed.
type Kind struct {
	Opcode     byte
	Compressed bool
}

func (k Kind) first() byte {
	if k.Compressed {
		return fin | rsv1 | k.Opcode
	}
	return fin | k.Opcode
}

// appendHeader appends the first two bytes and the extended length; masked is 0 or the mask bit.
func appendHeader(dst []byte, k Kind, masked byte, length int) []byte {
	switch {
	case length <= 125:
		return append(dst, k.first(), masked|byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, k.first(), masked|126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, k.first(), masked|127), uint64(length))
}

// AppendServer appends the frame that a server sends.
func AppendServer(dst []byte, k Kind, payload []byte) []byte {
	return append(appendHeader(dst, k, 0, len(payload)), payload...)
}

// AppendClient appends the frame that a client sends.
func AppendClient(dst []byte, k Kind, payload []byte, key [4]byte) []byte {
	dst = appendHeader(dst, k, mask, len(payload))
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	for i := range dst[start:] {
		dst[start+i] ^= key[i&3]
	}
	return dst
}

// A Header is that of a frame from a server.
type Header struct {
	Fin, RSV1, Masked bool
	Opcode            byte
	Length            int
}

// ParseHeader returns the header at the beginning of b and its size, 0 if it is not complete. The mask key, if there is
// one, is not a part of it.
func ParseHeader(b []byte) (h Header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h = Header{Fin: b[0]&fin != 0, RSV1: b[0]&rsv1 != 0, Opcode: b[0] & 0xf, Masked: b[1]&mask != 0}
	switch length := b[1] &^ mask; {
	case length < 126:
		h.Length = int(length)
		return h, 2
	case length == 126 && len(b) >= 4:
		h.Length = int(binary.BigEndian.Uint16(b[2:]))
		return h, 4
	case length == 127 && len(b) >= 10:
		h.Length = int(binary.BigEndian.Uint64(b[2:]))
		return h, 10
	}
	return h, 0
}

// Key is the mask key of all frames. A server cannot tell that it does not change.
var Key = [4]byte{0x3a, 0xc5, 0x91, 0x6e}

// CloseFrame is a Close of a client with code 1000.
var CloseFrame = AppendClient(nil, Kind{Opcode: Close}, []byte{0x03, 0xe8}, Key)

// random is the same in every run.
func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
