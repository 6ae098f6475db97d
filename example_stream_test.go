package websocket_test

import (
	"bufio"
	"fmt"
	"io"

	"hawser.example/websocket"
)

// Any protocol over a stream of bytes can run over a WebSocket: here lines of text.
func ExampleStreamConn() {
	server, client := websocket.Pipe(nil)
	go func() {
		s := websocket.StreamConn(server, websocket.BinaryMessage)
		io.WriteString(s, "first line\nsecond ") // messages and lines need not agree
		io.WriteString(s, "line\n")
		s.Close()
	}()

	lines := bufio.NewScanner(websocket.StreamConn(client, websocket.BinaryMessage))
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	fmt.Println("error:", lines.Err()) // the end of the stream is no error

	// Output:
	// first line
	// second line
	// error: <nil>
}
