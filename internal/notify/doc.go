// Package notify is the notification server behind "hawser serve": an HTTP handler that takes messages with POST and
// sends them to all WebSocket connections of their topic.
//
//	server.go    routes, and the life of the server
//	subscribe.go GET /topics/{topic}, upgraded to WebSocket
//	publish.go   POST /topics/{topic}
//	dev.go       what --dev allows, and its page (page/)
//	answer.go    answers in JSON
package notify
