// A floor: one thread in an epoll loop.
package main

import (
	"hawser.example/websocket/bench/internal/floor"
	"hawser.example/websocket/bench/internal/host"
)

func main() { host.Main(floor.ServeEpoll) }
