package memconn

import (
	"io"
	"net"
)

// opError dresses err as the net package does, except for io.EOF and nil.
func opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: addr{}.Network(), Source: addr{}, Addr: addr{}, Err: err}
}
