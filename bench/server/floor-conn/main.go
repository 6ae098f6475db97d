// A floor: goroutines that wait in Conn.Read.
package main

import (
	"hawser.example/websocket/bench/internal/floor"
	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(floor.ServeConn) }
