//go:build !race

package deflate

const ( // see race_on_test.go
	sizeStep    = 1
	largestSize = 128 << 10
	weighed     = 60
	heapSlack   = 64 // for each, for what else is on the heap of a test
)
