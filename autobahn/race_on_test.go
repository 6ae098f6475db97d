//go:build race

package autobahn

// RaceEnabled tells tests that the race detector is on, with which a case takes ten times as long.
const RaceEnabled = true
