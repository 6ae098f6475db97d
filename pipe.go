package websocket

import (
	"time"

	"hawser.example/websocket/internal/memconn"
)

// PipeOptions says how [Pipe] sets up its two ends. In every field 0 means the default and a negative value means off.
type PipeOptions struct {
	Server PipeSide // the end that [Pipe] returns first
	Client PipeSide

	Subprotocol string // what both ends report as agreed on, "" for none
	BufferSize  int    // bytes on their way in each direction before a write waits; 64 KiB by default, negative as 0
}

// PipeSide holds what an [Upgrader] or a [Dialer] would settle for one end. The fields mean what they mean there.
type PipeSide struct {
	ReadLimit    int64         // bytes of a message, 32 MiB by default
	WriteTimeout time.Duration // for the peer to take what is written, 10 s by default
	CloseTimeout time.Duration // for the whole closing handshake, 5 s by default; negative as 0
	Keepalive    Keepalive     // on for the server, off for the client by default

	// Compression compresses, if both ends have one. Its mistakes panic.
	Compression *Compression
}

// Pipe returns the two ends of a WebSocket connection in memory, after the opening handshake. It is meant for tests of
// code that uses a [Conn]: no port, no HTTP, no certificate, and everything above the transport is real, from masking
// to the closing handshake. nil options are all defaults.
//
// Like a socket, and unlike [net.Pipe], each direction buffers: a write returns when its bytes are in the buffer, and
// waits only while that is full. Both ends have the concurrency rules and errors of any other Conn. Inside a
// [testing/synctest] bubble a read or write that waits is durably blocked, so that timeouts and keepalive pass at once
// and to the nanosecond. An idle pipe holds no goroutine; one that is dropped without a Close is left to the garbage
// collector.
//
// NetConn of either end has a method Reset, which makes the other end see its connection reset by the peer; see
// [Conn.NetConn].
func Pipe(opts *PipeOptions) (server, client *Conn) {
	var o PipeOptions
	if opts != nil {
		o = *opts
	}
	ours, theirs := o.Server.config(o.Subprotocol), o.Client.config(o.Subprotocol)
	ours.deflate, theirs.deflate = o.negotiate()
	s, c := memconn.Pair(o.BufferSize)
	return newConn(s, serverRole, ours, nil), newConn(c, clientRole, theirs, nil)
}

// negotiate is the part of the opening handshake that is about compression.
func (o *PipeOptions) negotiate() (server, client deflateParams) {
	for _, side := range []PipeSide{o.Server, o.Client} {
		if mistake := side.Compression.check(); mistake != "" {
			panic("websocket: Pipe: " + mistake)
		}
	}
	if o.Server.Compression == nil || o.Client.Compression == nil {
		return server, client
	}
	offers, _ := parseExtensions([]string{o.Client.Compression.resolve(clientRole).offered().String()})
	server = acceptDeflate(offers, o.Server.Compression)
	client, herr := checkExtensions([]string{server.answer}, o.Client.Compression)
	if herr != nil {
		panic(herr) // the two functions do not agree with each other
	}
	return server, client
}

func (s PipeSide) config(subprotocol string) connConfig {
	return connConfig{
		readLimit:    s.ReadLimit,
		writeTimeout: s.WriteTimeout,
		closeTimeout: s.CloseTimeout,
		keepalive:    s.Keepalive,
		subprotocol:  subprotocol,
	}
}
