package main

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets whose width grows with what they count: 128 for each power of two, so that a
// quantile is too large by less than 1 %. Below 256 ns each has its own. Any number of goroutines may add at the same
// time; what the others return is exact once none does.
type histogram struct {
	buckets [histogramSize]atomic.Int64
	n       atomic.Int64
	longest atomic.Int64
}

const (
	histogramBits = 7 // 2^7 buckets for each power of two
	histogramSize = (64 - histogramBits) << histogramBits
)

// bucketOf returns the bucket of v: which power of two, and which part of it.
func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-histogramBits-1, 0)
	return shift<<histogramBits + int(v>>shift)
}

// bucketTop returns the largest value in a bucket.
func bucketTop(i int) uint64 {
	shift := max(i>>histogramBits-1, 0)
	return uint64(i-shift<<histogramBits+1)<<shift - 1
}

// add counts d; a negative one counts as none.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(uint64(d))].Add(1)
	h.n.Add(1)
	raise(&h.longest, int64(d))
}

// count returns how many there are.
func (h *histogram) count() int64 { return h.n.Load() }

// max returns the longest.
func (h *histogram) max() time.Duration { return time.Duration(h.longest.Load()) }

// quantile returns the least duration that a share q of all does not exceed, rounded up to the end of its bucket.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(int64(math.Ceil(q*float64(h.count()))), 1)
	for i := range h.buckets {
		if rank -= h.buckets[i].Load(); rank <= 0 {
			return min(time.Duration(bucketTop(i)), h.max())
		}
	}
	return h.max()
}

// raise makes v at least n.
func raise(v *atomic.Int64, n int64) {
	for old := v.Load(); n > old; old = v.Load() {
		if v.CompareAndSwap(old, n) {
			return
		}
	}
}
