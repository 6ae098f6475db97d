package memconn

import (
	"math/bits"
	"sync"
)

// ring is a queue of bytes. Its memory comes with the first byte, grows with what is queued and not before, and goes
// when the last byte is taken.
type ring struct {
	mem   *block // nil while the ring is empty
	first int    // index in mem of the oldest byte
	count int
}

// write appends p.
func (r *ring) write(p []byte) {
	if need := r.count + len(p); r.mem == nil || need > len(r.mem.bytes) {
		r.grow(need)
	}
	size := len(r.mem.bytes)
	end := (r.first + r.count) % size
	n := copy(r.mem.bytes[end:min(size, end+len(p))], p)
	copy(r.mem.bytes, p[n:])
	r.count += len(p)
}

// read moves the oldest bytes to p and returns how many.
func (r *ring) read(p []byte) int {
	p = p[:min(len(p), r.count)]
	n := copy(p, r.mem.bytes[r.first:])
	copy(p[n:], r.mem.bytes)
	r.first = (r.first + len(p)) % len(r.mem.bytes)
	r.count -= len(p)
	if r.count == 0 {
		r.drop()
	}
	return len(p)
}

// grow moves what is queued to a block with room for need bytes.
func (r *ring) grow(need int) {
	mem := getBlock(need)
	count := r.count
	if count > 0 {
		r.read(mem.bytes[:count])
	}
	*r = ring{mem: mem, count: count}
}

// drop forgets all bytes and gives the memory back.
func (r *ring) drop() {
	if r.mem != nil {
		putBlock(r.mem)
	}
	*r = ring{}
}

// Blocks of 2^minBlock to 2^maxBlock bytes are pooled, so that a conversation of short messages does not allocate for
// each of them.
const (
	minBlock = 9
	maxBlock = 16
)

var blocks [maxBlock + 1]sync.Pool

type block struct{ bytes []byte }

// getBlock returns a block whose length is a power of two and at least need.
func getBlock(need int) *block {
	class := max(minBlock, bits.Len(uint(need-1)))
	if class <= maxBlock {
		if b, ok := blocks[class].Get().(*block); ok {
			return b
		}
	}
	return &block{make([]byte, 1<<class)}
}

// putBlock takes b back; nobody may use it afterwards.
func putBlock(b *block) {
	if class := bits.Len(uint(len(b.bytes) - 1)); class <= maxBlock {
		blocks[class].Put(b)
	}
}
