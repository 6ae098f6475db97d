package websocket_test

import (
	"fmt"

	"hawser.example/websocket"
)

// A test of code that uses a Conn needs no server and no port.
func ExamplePipe() {
	shout := func(c *websocket.Conn) error { // the code under test
		for {
			t, p, err := c.ReadMessage()
			if err != nil {
				return err
			}
			if err := c.WriteMessage(t, append(p, '!')); err != nil {
				return err
			}
		}
	}

	server, client := websocket.Pipe(nil)
	ended := make(chan error)
	go func() { ended <- shout(server) }()

	client.WriteMessage(websocket.TextMessage, []byte("ahoy"))
	_, p, _ := client.ReadMessage()
	fmt.Printf("%s\n", p)
	client.CloseWith(websocket.CloseGoingAway, "done")
	fmt.Println(<-ended)

	// Output:
	// ahoy!
	// websocket: the peer closed the connection with code 1001 (going away): "done"
}
