package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf8"

	websocket "hawser.example/websocket"
)

const (
	mixedMessages = 1000
	mixedLargest  = 200 << 10
)

// mixed is messages of all kinds that compression may meet: text and binary, empty and large, such that get much
// smaller and such that do not, in one frame and in several. They are the same in every run.
var mixed = makeMixed()

func makeMixed() []payload {
	random := rand.New(rand.NewChaCha8([32]byte{'m', 'i', 'x', 'e', 'd'}))
	messages := make([]payload, mixedMessages)
	for i := range messages {
		kind := mixedKinds[i%len(mixedKinds)]
		data := kind.make(random, mixedSize(random, i))
		name := fmt.Sprintf("message %d, %s, %d bytes", i, kind.name, len(data))
		messages[i] = payload{name, kind.kind, cut(random, i, data)}
	}
	return messages
}

// mixedSize returns the size of a message: most are small, a few large.
func mixedSize(random *rand.Rand, i int) int {
	switch {
	case i == 0:
		return mixedLargest
	case i%17 == 0:
		return 0
	case i%5 == 0:
		return 1 + random.IntN(8)
	case i%50 == 1:
		return random.IntN(mixedLargest)
	}
	return 1 << random.IntN(13) * (4 + random.IntN(4)) / 4
}

// cut returns a message in one part or, each eleventh, in several, some of them empty.
func cut(random *rand.Rand, i int, data []byte) [][]byte {
	if i%11 != 0 {
		return [][]byte{data}
	}
	var parts [][]byte
	for range 1 + random.IntN(4) {
		n := random.IntN(len(data) + 1)
		parts = append(parts, data[:n])
		data = data[n:]
	}
	return append(parts, data)
}

// mixedKinds make content of about n bytes.
var mixedKinds = []struct {
	name string
	kind websocket.MessageType
	make func(random *rand.Rand, n int) []byte
}{
	{"JSON", websocket.TextMessage, func(random *rand.Rand, n int) []byte {
		return repeat(n, func() string {
			return fmt.Sprintf(`{"id":%d,"user":"user-%d","price":%d.%02d,"open":%v,"tags":["a","b"]},`,
				random.IntN(1e6), random.IntN(100), random.IntN(1000), random.IntN(100), random.IntN(2) == 0)
		})
	}},
	{"random bytes", websocket.BinaryMessage, randomBytes},
	{"characters of all lengths", websocket.TextMessage, func(random *rand.Rand, n int) []byte {
		return repeat(n, func() string { return string([]rune("aäß漢字👋🎉é ")[random.IntN(9)]) })
	}},
	{"zeros", websocket.BinaryMessage, func(_ *rand.Rand, n int) []byte { return make([]byte, n) }},
	{"the same sentence", websocket.TextMessage, func(_ *rand.Rand, n int) []byte {
		return repeat(n, func() string { return "A hawser is a thick rope for mooring a ship. " })
	}},
	{"words", websocket.BinaryMessage, func(random *rand.Rand, n int) []byte {
		words := strings.Fields("rope ship anchor mooring tow quay bollard tide line knot cable fender capstan")
		return repeat(n, func() string { return words[random.IntN(len(words))] + " " })
	}},
	{"random characters", websocket.TextMessage, func(random *rand.Rand, n int) []byte {
		return repeat(n, func() string { return string(rune(' ' + random.IntN(0x2000-' '))) })
	}},
	{"random bytes, twice", websocket.BinaryMessage, func(random *rand.Rand, n int) []byte {
		half := randomBytes(random, n/2)
		return append(half, half...)
	}},
}

// repeat collects n bytes, or a few less where a character does not fit any more.
func repeat(n int, next func() string) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString(next())
	}
	for n > 0 && n < b.Len() && !utf8.RuneStart(b.Bytes()[n]) {
		n--
	}
	return b.Bytes()[:n]
}

func randomBytes(random *rand.Rand, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}
