package autobahn

import (
	"bytes"
	"slices"
	"sync"
)

// Many cases of 12 and 13 send the same messages with the same parameters, as all of 13 do: what the kit's compressor
// makes of them is kept for the next case.

// A sequenceKey is what the compressed messages of a case depend on.
type sequenceKey struct {
	data  string
	size  int
	count int  // of messages: the deflater goes after the last
	plain bool // no matches, for a small window
	fresh bool // no takeover
}

// A sequence is the compressed messages of a case, in order, as far as one has needed them.
type sequence struct {
	count int // of the messages that a case sends

	mu       sync.Mutex
	deflater *deflater // nil when all messages are there
	messages [][]byte
	size     int // of all messages
}

// deflaterSize is about what a deflater takes: 0.8 to 1.2 MB.
const deflaterSize = mib

// message returns the i-th message. Whoever needs it first compresses it; p is its content, the same for all.
func (s *sequence) message(i int, p []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i == len(s.messages) {
		s.messages = append(s.messages, bytes.Clone(s.deflater.compress(p)))
		s.size += len(s.messages[i])
		if len(s.messages) == s.count {
			s.deflater = nil
		}
	}
	return s.messages[i]
}

func (s *sequence) bytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deflater != nil {
		return s.size + deflaterSize
	}
	return s.size
}

// keptBytes is how much is kept. All that 13 sends are about 60 MB.
const keptBytes = 80 * mib

// sequences are those that are kept, the one used last at the end.
var sequences struct {
	sync.Mutex
	keys []sequenceKey
	list []*sequence
}

// sequenceFor returns the sequence of a case, or nil where none is kept: for messages that hardly get smaller.
func sequenceFor(r *Rounds, bits int, fresh bool) *sequence {
	if r.Data == "picture" || r.Data == "document" {
		return nil
	}
	key := sequenceKey{r.Data, r.Size, r.Count, bits != 0 && bits < 15, fresh}
	q := &sequences
	q.Lock()
	defer q.Unlock()
	var s *sequence
	if i := slices.Index(q.keys, key); i >= 0 {
		s = q.list[i]
		q.keys, q.list = slices.Delete(q.keys, i, i+1), slices.Delete(q.list, i, i+1)
	} else {
		s = &sequence{count: r.Count, deflater: newDeflater(bits, fresh, r.Size)}
	}
	q.keys, q.list = append(q.keys, key), append(q.list, s)
	forget := tooOld(q.list)
	q.keys, q.list = slices.Delete(q.keys, 0, forget), slices.Delete(q.list, 0, forget)
	return s
}

// tooOld returns how many of a list are more than keptBytes away from its end. The last one is not.
func tooOld(list []*sequence) int {
	total := 0
	for i, s := range slices.Backward(list) {
		if total += s.bytes(); total > keptBytes && i < len(list)-1 {
			return i + 1
		}
	}
	return 0
}
