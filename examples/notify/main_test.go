package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
)

// TestNotify starts the service, lets the Go client send, and sees the note arrive at another client.
func TestNotify(t *testing.T) {
	server := httptest.NewServer(newService())
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
	other, _, err := new(websocket.Dialer).Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.CloseNow()
	// A note of its own comes back when the service has taken it in.
	if err := other.WriteJSON(note{From: "other", Text: "here"}); err != nil {
		t.Fatal(err)
	}
	var got note
	if err := other.ReadJSON(&got); err != nil || got.Text != "here" {
		t.Fatalf("own note: %+v, %v", got, err)
	}
	if err := send(ctx, url, note{From: "Go", Text: "good morning"}); err != nil {
		t.Fatal(err)
	}
	if err := other.ReadJSON(&got); err != nil || got.From != "Go" || got.Text != "good morning" || got.Time.IsZero() {
		t.Fatalf("note: %+v, %v", got, err)
	}
}

func TestPage(t *testing.T) {
	server := httptest.NewServer(newService())
	defer server.Close()
	r, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(string(body), "new WebSocket") {
		t.Fatalf("page: %v, %q", err, body)
	}
	if got := r.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("the page's type is %q", got)
	}
	if r, err = http.Get(server.URL + "/nothing"); err != nil || r.StatusCode != http.StatusNotFound {
		t.Fatalf("unknown path: %v, %v", r.StatusCode, err)
	}
}
