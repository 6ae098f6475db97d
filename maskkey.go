package websocket

import (
	"crypto/rand"
	"sync"
)

// maskKeys is a batch of masking keys that were drawn together: asking the random source for four bytes at a time would
// cost more than the frame. RFC 6455, section 5.3: keys come from a strong source of entropy and are unpredictable.
type maskKeys struct {
	raw  [512]byte
	next int
}

var maskKeyPool = sync.Pool{New: func() any { return &maskKeys{next: len(maskKeys{}.raw)} }}

// nextMaskKey returns a fresh key. Any goroutine may call it.
func nextMaskKey() [4]byte {
	m := maskKeyPool.Get().(*maskKeys)
	if m.next == len(m.raw) {
		rand.Read(m.raw[:]) // never fails: it crashes the program instead
		m.next = 0
	}
	key := [4]byte(m.raw[m.next:])
	m.next += len(key)
	maskKeyPool.Put(m)
	return key
}
