package websocket

import (
	"compress/flate"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hawser.example/websocket/internal/deflate"
)

// FuzzDeflatedMessage: a payload that is said to be compressed is found to be the same, however it is cut into frames
// and reads, and however little room there is for what it stands for. With the largest window and no limit it is what
// compress/flate finds.
func FuzzDeflatedMessage(f *testing.F) {
	f.Add([]byte(hello), uint8(15), uint16(0), []byte{2, 1}, uint8(3), true)
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00"+helloAgain), uint8(9), uint16(9), []byte{7}, uint8(1), false)
	f.Add([]byte(matchMessage(noise(300, 1), 257)), uint8(8), uint16(0), []byte{200, 0, 100}, uint8(2), false)
	f.Add([]byte(storedMessage("a\xff")), uint8(12), uint16(1), []byte{}, uint8(0), true)
	f.Fuzz(func(t *testing.T, payload []byte, bits uint8, limit uint16, cuts []byte, room uint8, isText bool) {
		if len(payload) > 1<<12 {
			return
		}
		first := byte(rsv1 | binry)
		if isText {
			first = rsv1 | text
		}
		window := deflateContext{bits: 8 + int(bits)%8, takeover: room%2 == 0}
		feed := func(room int, frames []sampleFrame, size int) transcript {
			var in []byte
			for _, f := range frames {
				in = f.append(in, clientRole)
			}
			d := &decoder{role: clientRole, limit: uint64(limit)}
			d.inflater.Decoder = deflate.NewDecoder(window.bits, window.takeover)
			return feedTo(d, room, slices.Collect(slices.Chunk(in, max(size, 1)))...)
		}
		whole := []sampleFrame{fr(fin|first, string(payload))}
		want := feed(1<<20, whole, 1<<20)
		var cut []sampleFrame
		b0, rest := first, string(payload)
		for _, n := range cuts {
			n := min(int(n), len(rest))
			cut = append(cut, fr(b0, rest[:n]))
			b0, rest = cont, rest[n:]
		}
		cut = append(cut, fr(fin|b0, rest))
		for name, got := range map[string]transcript{
			"byte by byte":  feed(1, whole, 1),
			"in pieces":     feed(1+int(room), whole, 1+int(room)),
			"in frames":     feed(1<<20, cut, 1<<20),
			"in all manner": feed(1+int(room), cut, 3),
		} {
			if !slices.Equal(got.events, want.events) || got.err != want.err && want.err != "1009" {
				t.Fatalf("%s: %q, error %q; whole: %q, error %q", name, got.events, got.err, want.events, want.err)
			}
		}
		if window.bits == maxWindowBits && limit == 0 && !isText {
			checkInflated(t, payload, want)
		}
	})
}

// checkInflated compares with compress/flate what was found, if that reads payload to its end.
func checkInflated(t *testing.T, payload []byte, found transcript) {
	in := strings.NewReader(string(payload) + syncTail + "\x01\x00\x00\xff\xff")
	message, err := io.ReadAll(flate.NewReader(in))
	if err != nil || in.Len() > 0 {
		return // corrupt, or it ends at a block with BFINAL
	}
	if found.err == "" && (len(found.events) != 1 || found.events[0] != "binary "+strconv.Quote(string(message))) {
		t.Fatalf("found %.100q, compress/flate %.100q", found.events, message)
	}
}
