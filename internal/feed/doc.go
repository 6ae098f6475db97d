// Package feed follows topics of a notification server, for tests of it: it connects with hawser.v1 or server-sent
// events, connects again behind the last id when the connection is lost, and checks that nothing is missing of which it
// was not told. docs/PROTOCOL.md is what it keeps to.
//
//	message.go   what the server sends, parsed
//	stream.go    a connection: WebSocket or server-sent events
//	follower.go  what has come so far, over all connections
package feed
