package websocket

import (
	"bytes"
	"testing"
)

// A client's frame that is masked while it is copied is the one that is copied and then masked in place, in one piece or
// in several.
func TestAppendMasked(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, size := range []int{0, 1, 3, 4, 63, 64, 125, 126, 1000, 16 << 10, 70_000} {
		p := numbers(size)
		want := append([]byte("header"), p...)
		Mask(want[6:], key, 0)
		for _, cut := range []int{0, 1, 2, 3, 5, size / 2, size} {
			cut = min(cut, size)
			got, pos := appendMasked([]byte("header"), p[:cut], key, 0)
			got, pos = appendMasked(got, p[cut:], key, pos)
			if !bytes.Equal(got, want) || pos != size&3 {
				t.Errorf("%d bytes cut at %d: wrong bytes, or pos %d", size, cut, pos)
			}
		}
		if !bytes.Equal(p, numbers(size)) {
			t.Error("the payload has changed")
		}
	}
}

// A payload may lie where the frame is made, behind its place: a compressed one does.
func TestAppendOverlapping(t *testing.T) {
	for _, r := range []role{serverRole, clientRole} {
		for _, size := range []int{0, 1, 125, 126, 16 << 10, 65535, 65536} {
			e := encoder{role: r, keys: func() [4]byte { return [4]byte{1, 2, 3, 4} }}
			p := numbers(size)
			want := e.appendFrame([]byte("before"), OpBinary, true, p)
			buf := make([]byte, 6+maxHeaderSize, 6+maxHeaderSize+size)
			copy(buf, "before")
			buf = append(buf, p...)
			got := e.append(buf[:6], Header{Fin: true, Opcode: OpBinary}, buf[6+maxHeaderSize:])
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes: another frame", r, size)
			}
		}
	}
}

// numbers returns n bytes of which no long run repeats.
func numbers(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8*7 ^ i>>16*13)
	}
	return p
}
