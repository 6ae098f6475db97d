//go:build !race

package websocket

const raceEnabled = false // see race_on_test.go
