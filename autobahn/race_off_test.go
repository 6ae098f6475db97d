//go:build !race

package autobahn

const raceEnabled = false // see race_on_test.go
