// Package websocket is a complete implementation of RFC 6455, the WebSocket protocol, on the standard library alone.
//
// A server upgrades requests of net/http with an [Upgrader]; a client dials with a [Dialer]; both get a [Conn]. A [Hub]
// broadcasts what is published to a topic to all connections that subscribe to it. [Pipe] connects two Conns in memory,
// for tests.
//
//	func serve(w http.ResponseWriter, r *http.Request) {
//		c, err := upgrader.Upgrade(w, r, nil)
//		if err != nil {
//			return // the request has been answered
//		}
//		defer c.Close()
//		for {
//			t, p, err := c.ReadMessage()
//			if err != nil {
//				return
//			}
//			if err := c.WriteMessage(t, p); err != nil {
//				return
//			}
//		}
//	}
//
// There are three ways to read. [Conn.ReadMessage] and its kin block until a message is there; [Conn.NextReader]
// streams one of any size; [Conn.Serve] calls a [Handler], which costs least. [Upgrader.Handler] does that for a whole
// server.
//
// # Concurrency
//
// Upgrader, Dialer and Hub may be used by any number of goroutines; their fields must not be changed after first use.
// On a Conn any number of goroutines may write, ping, set deadlines and close at the same time, and one may read; a
// second reader gets [ErrConcurrentRead]. No slice that is passed in is kept or changed. Slices that are returned are
// the caller's, but for the payload that a Handler gets, which is valid during the call.
//
// # Errors
//
// The first error that ends a connection stays. A [*CloseError] is the peer's Close; a [*ProtocolError] a rule that the
// peer broke; a [*HandshakeError] an opening handshake that failed. An error that is [net.ErrClosed] says that we
// closed, one that is [io.ErrUnexpectedEOF] that the connection was lost, one that is [os.ErrDeadlineExceeded] that a
// time limit passed. The package writes to no log.
//
// # Limits
//
// Every bound has a default: 32 MiB for a message, 131072 fragments, 10 s for a peer to take what is written, 5 s for
// the closing handshake, 30 s for the client's opening handshake, 1 MiB of queue for a subscriber. In an option 0 means
// the default and a negative value means off, unless its documentation says otherwise.
//
// # The files
//
// Bytes pass through them in this order:
//
//	frame.go mask.go         the frame header and masking               RFC 6455, sections 5.2, 5.3
//	close.go                 close codes, the closing handshake         section 7
//	decoder.go encoder.go    the protocol, without any I/O              sections 5, 6
//	inflate.go compress.go   its compressed messages                    RFC 7692, section 6
//	wire.go buffer.go        sockets and borrowed memory
//	read.go nextreader.go    receiving; drain.go throws away
//	write.go nextwriter.go   sending; writelock.go says who may
//	writeq.go sharedq.go     what waits for a socket; prepared.go is what many share
//	ending.go                how a connection ends                      section 7
//	keepalive.go deadline.go time
//	conn.go serve.go         the connection as a whole; stats.go counts
//	handshake.go origin.go   the rules of the opening handshake         section 4
//	headerlist.go            the lists in its header fields             RFC 9110, section 5.6
//	deflate.go               the negotiation of compression             RFC 7692, section 7.1
//	server.go client.go      Upgrader and Dialer (client*.go: its URL, request, answer,
//	                         proxies, environment, cookies, redirects, trace)
//	hub*.go                  Hub
//	pipe.go stream.go        Pipe and StreamConn
package websocket
