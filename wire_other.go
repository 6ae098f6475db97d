//go:build !linux && !darwin

package websocket

import "net"

// newSocketWire returns nil: on this system sockets are read like any other transport.
func newSocketWire(net.Conn) wire { return nil }
