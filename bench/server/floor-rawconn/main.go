// A floor: goroutines that wait in RawConn.Read.
package main

import (
	"hawser.example/websocket/bench/internal/floor"
	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(floor.ServeRawConn) }
