package autobahn

import (
	"bytes"
	"slices"
	"sync"
)

// The largest messages of 12 and 13 are most of the work, and many cases send the same ones with the same parameters:
// what the kit's compressor makes of them is kept for the next case.

// A sequenceKey is what the compressed messages of a case depend on.
type sequenceKey struct {
	data  string
	size  int
	plain bool // no matches, for a small window
	fresh bool // no takeover
}

// A sequence is the compressed messages of a case, in order, as far as one has needed them.
type sequence struct {
	mu       sync.Mutex
	deflater *deflater
	messages [][]byte
}

// message returns the i-th message. Whoever needs it first compresses it; p is its content, the same for all.
func (s *sequence) message(i int, p []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i == len(s.messages) {
		s.messages = append(s.messages, bytes.Clone(s.deflater.compress(p)))
	}
	return s.messages[i]
}

// sharedSize is the least size of messages that are kept.
const sharedSize = 128 * kib

// keptSequences is how many are kept: the cases that share one run soon after another.
const keptSequences = 2

// sequences are those that are kept, the one used last at the end.
var sequences struct {
	sync.Mutex
	keys []sequenceKey
	list []*sequence
}

// sequenceFor returns the sequence of a case, or nil where none is kept: for messages that are small, or that hardly
// get smaller.
func sequenceFor(r *Rounds, bits int, fresh bool) *sequence {
	if r == nil || r.Size < sharedSize || r.Data == "picture" || r.Data == "document" {
		return nil
	}
	key := sequenceKey{r.Data, r.Size, bits != 0 && bits < 15, fresh}
	q := &sequences
	q.Lock()
	defer q.Unlock()
	var s *sequence
	if i := slices.Index(q.keys, key); i >= 0 {
		s = q.list[i]
		q.keys, q.list = slices.Delete(q.keys, i, i+1), slices.Delete(q.list, i, i+1)
	} else {
		s = &sequence{deflater: newDeflater(bits, fresh, r.Size)}
	}
	q.keys, q.list = append(q.keys, key), append(q.list, s)
	if len(q.keys) > keptSequences {
		q.keys, q.list = slices.Delete(q.keys, 0, 1), slices.Delete(q.list, 0, 1)
	}
	return s
}
