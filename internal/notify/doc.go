// Package notify is the notification server behind "hawser serve": an HTTP handler that takes messages with POST and
// sends them to all who subscribe to their topic, by WebSocket or as server-sent events. What it says to clients is in
// docs/PROTOCOL.md.
//
// A message passes from top to bottom:
//
//	server.go    what it is told, and the life of the server
//	route.go     which request is for whom
//	publish.go   POST: the body is the message
//	broker.go    who gets what, in which order
//	message.go   a message and its forms; id.go: its number
//	history.go   what is kept for those who were cut off
//	backlog.go   what waits for those who are not in the Hub
//	subscribe.go GET: who may subscribe, from where on
//	session.go   a WebSocket connection; protocol.go: hawser.v1
//	sse.go       a stream of server-sent events
//
// and beside it
//
//	gate.go      who is let in: what stands before subscribing and publishing
//	access.go    what somebody may do, and refusals
//	keys.go      who that is, by a publish key; jwt.go: by a token; forward.go: by asking another server
//	limits.go    how much; clientip.go: whose it counts as
//	metrics.go   what is counted; health.go: who may see that; journal.go: what is logged
//	module.go    hawser.js, for applications in a browser
//	dev.go       what --dev allows, and its page (page/)
//	answer.go    answers in JSON
package notify
