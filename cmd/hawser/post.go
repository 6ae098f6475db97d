package main

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"hawser.example/websocket"
)

// This file is how "hawser pipe" and "hawser load" publish.

// maxPostAnswer is how many bytes of the answer to a publisher are read.
const maxPostAnswer = 64 << 10

// newPoster returns a client that follows no redirect: what is published goes to the server that was named.
func newPoster(t *http.Transport, timeout time.Duration) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newPost returns a request that publishes p. key may be empty.
func newPost(ctx context.Context, url, key string, p []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(p))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if lineType(p) == websocket.BinaryMessage {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r, nil
}
