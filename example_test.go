package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"hawser.example/websocket"
)

// startServer serves h on a loopback port and returns its ws URL.
func startServer(h http.Handler) (url string, stop func()) {
	s := httptest.NewServer(h)
	return "ws" + strings.TrimPrefix(s.URL, "http"), s.Close
}

// dial connects to url.
func dial(url string) *websocket.Conn {
	c, _, err := new(websocket.Dialer).Dial(context.Background(), url, nil)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// An http.Handler that upgrades and echoes, and a client that talks to it.
func Example() {
	var upgrader websocket.Upgrader
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the request has been answered
		}
		defer c.Close()
		for {
			t, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(t, p); err != nil {
				return
			}
		}
	})
	url, stop := startServer(echo)
	defer stop()

	c := dial(url)
	defer c.Close()
	c.WriteMessage(websocket.TextMessage, []byte("hello"))
	t, p, err := c.ReadMessage()
	fmt.Println(t, string(p), err)
	// Output: text hello <nil>
}

// A server in the style of callbacks: no goroutine of net/http is held, no buffer while nothing arrives, and no allocation
// for a message that comes in one piece.
func ExampleUpgrader_Handler() {
	var upgrader websocket.Upgrader
	url, stop := startServer(upgrader.Handler(func(c *websocket.Conn, r *http.Request) websocket.Handler {
		user := r.URL.Query().Get("user")
		return websocket.HandlerFuncs{
			OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) {
				c.WriteMessage(t, append([]byte(user+": "), p...))
			},
		}
	}))
	defer stop()

	c := dial(url + "?user=anna")
	defer c.Close()
	c.WriteMessage(websocket.TextMessage, []byte("hi"))
	_, p, _ := c.ReadMessage()
	fmt.Println(string(p))
	// Output: anna: hi
}

// Broadcast: whoever connects subscribes to a topic and gets what is published to it.
func ExampleHub() {
	var (
		upgrader websocket.Upgrader
		hub      websocket.Hub
	)
	url, stop := startServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			hub.Serve(c, "news") // until the client has gone
		}
	}))
	defer stop()

	c := dial(url)
	defer c.Close()
	for hub.Count("news") == 0 {
		time.Sleep(time.Millisecond)
	}
	receipt, err := hub.Publish("news", websocket.TextMessage, []byte("it works"))
	fmt.Println(receipt.Subscribers, err)
	_, p, _ := c.ReadMessage()
	fmt.Println(string(p))
	// Output:
	// 1 <nil>
	// it works
}

// Messages of any size can be written and read as streams.
func ExampleConn_NextReader() {
	server, client := websocket.Pipe(nil)
	defer client.CloseNow()
	go func() {
		defer server.Close()
		w, _ := server.NextWriter(websocket.TextMessage)
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		w.Close()
	}()
	t, r, err := client.NextReader()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t)
	io.Copy(os.Stdout, r)
	// Output:
	// text
	// line 0
	// line 1
	// line 2
}

// Which end closed, and how, can be told from the error.
func ExampleCloseError() {
	server, client := websocket.Pipe(nil)
	go server.CloseWith(websocket.CloseGoingAway, "back in a minute")

	_, _, err := client.ReadMessage()
	var ce *websocket.CloseError
	switch {
	case errors.As(err, &ce):
		fmt.Println("the peer said", ce.Code, ce.Reason)
	case errors.Is(err, net.ErrClosed):
		fmt.Println("we closed")
	case errors.Is(err, io.ErrUnexpectedEOF):
		fmt.Println("the connection was lost")
	}
	// Output: the peer said 1001 (going away) back in a minute
}

// A read deadline that passes between two messages leaves the connection usable.
func ExampleConn_SetReadDeadline() {
	server, client := websocket.Pipe(nil)
	defer client.CloseNow()
	client.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, err := client.ReadMessage()
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))

	client.SetReadDeadline(time.Time{})
	go server.WriteMessage(websocket.TextMessage, []byte("late"))
	_, p, err := client.ReadMessage()
	fmt.Println(string(p), err)
	// Output:
	// true
	// late <nil>
}

// JSON, as text messages.
func ExampleConn_WriteJSON() {
	server, client := websocket.Pipe(nil)
	defer client.CloseNow()
	type point struct{ X, Y int }
	go server.WriteJSON(point{3, 4})
	var p point
	fmt.Println(client.ReadJSON(&p), p)
	// Output: <nil> {3 4}
}

// The round trip to the peer. Somebody has to read, here Drain.
func ExampleConn_Ping() {
	server, client := websocket.Pipe(nil)
	defer client.CloseNow()
	server.Drain()
	client.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	rtt, err := client.Ping(ctx)
	fmt.Println(rtt > 0, err)
	// Output: true <nil>
}

// Shutting down: first the listener and the requests, then the connections that were upgraded.
func ExampleUpgrader_Shutdown() {
	var upgrader websocket.Upgrader
	server := &http.Server{
		Addr:              "127.0.0.1:8080",
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(ctx), upgrader.Shutdown(ctx))
	// Output: <nil> <nil>
}
