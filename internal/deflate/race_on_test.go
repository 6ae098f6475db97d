//go:build race

package deflate

// With the race detector, with which a byte takes twenty times as long, fewer sizes and connections do, of which what
// else is on the heap is a larger part: there is one goroutine here, so the test without it is the one that matters.
const (
	sizeStep    = 29
	largestSize = 16 << 10
	weighed     = 10
	heapSlack   = 2 << 10
)
