//go:build !race

package autobahn

const RaceEnabled = false // see race_on_test.go
