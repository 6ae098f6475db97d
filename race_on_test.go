//go:build race

package websocket

// raceEnabled tells tests that count allocations that the race detector is on. It makes sync.Pool drop what it is given
// at random, so that buffers are allocated anew.
const raceEnabled = true
