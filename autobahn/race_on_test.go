//go:build race

package autobahn

// raceEnabled tells tests that the race detector is on, with which a case takes ten times as long.
const raceEnabled = true
