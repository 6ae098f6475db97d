package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	websocket "hawser.example/websocket"
	"hawser.example/websocket/internal/feed"
)

// The tests in files named serve*_test.go run "hawser serve" as its users do, and do to it what happens to a server.

// withKey is the header of a publisher.
var withKey = http.Header{"Authorization": {"Bearer " + publishKey}}

// startPublic runs hawser serve for subscribers without a token, with further flags, at addr.
func startPublic(t *testing.T, addr string, flags ...string) (hawser *process, at string) {
	t.Helper()
	return startHawser(t, append([]string{"serve", "--addr", addr, "--publish-key", publishKey}, flags...)...)
}

// post publishes and returns the answer.
func post(t *testing.T, addr, topic, body string) (id string, subscribers int) {
	t.Helper()
	status, text := publish(t, addr, topic, "text/plain", []byte(body))
	var answer struct {
		ID          string
		Subscribers int
	}
	if err := json.Unmarshal([]byte(text), &answer); status != 200 || err != nil {
		t.Fatalf("publish: %d %s, %v", status, text, err)
	}
	return answer.ID, answer.Subscribers
}

// openStream opens a stream, which is cut when ctx ends, so that no test waits for ever for a message that does not
// come.
func openStream(ctx context.Context, source feed.Source, last string) (feed.Stream, error) {
	stream, err := source.Open(ctx, last)
	if err == nil {
		context.AfterFunc(ctx, stream.Cut)
	}
	return stream, err
}

// retries opens a stream, again and again while there is no server.
func retries(ctx context.Context, source feed.Source, last string) (feed.Stream, error) {
	for {
		stream, err := openStream(ctx, source, last)
		if err == nil || ctx.Err() != nil {
			return stream, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// closeCode returns the code and the reason of a Close that was received, 0 if err is none.
func closeCode(err error) (websocket.CloseCode, string) {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code, closed.Reason
	}
	return 0, ""
}

// memory returns how many bytes of memory a process has, in use or not.
func (p *process) memory() int {
	p.t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	p.t.Fatal("no VmRSS")
	panic("not reached")
}
