package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
)

// Ports to choose from. No system takes the local port of an outgoing connection from here, so that one that is free
// now is still free when the suite listens on it, unless another server gets there first.
const (
	firstPort = 20000
	lastPort  = 29999
)

// printPort prints a port that nobody listens on, on any address.
func printPort(w io.Writer) error {
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		var ln net.Listener
		if ln, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			ln.Close()
			_, err = fmt.Fprintln(w, port)
			return err
		}
	}
	return fmt.Errorf("no free port: %w", err)
}
