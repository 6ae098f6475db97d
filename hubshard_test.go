package websocket

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A publisher returns when somebody else is writing the shard; its message is in the log then. A goodbye must not
// overtake it.
func TestShutdownWaitsForAWriterAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := Pipe(nil)
		var h Hub
		go h.Serve(server, "news")
		synctest.Wait()

		s := h.shard(server)
		s.mu.Lock()
		s.writing = true
		s.mu.Unlock()
		if _, err := h.Publish("news", TextMessage, []byte("last")); err != nil {
			t.Fatal(err)
		}
		down := make(chan error, 1)
		go func() { down <- h.Shutdown(context.Background()) }()
		time.Sleep(DefaultDrainTime)
		if err := server.failed(); err != nil {
			t.Fatalf("Shutdown said goodbye while a shard was being written: %v", err)
		}

		go h.writeLog(s)
		if _, p, err := client.ReadMessage(); string(p) != "last" || err != nil {
			t.Errorf("read %q, %v; want the last message", p, err)
		}
		if _, _, err := client.ReadMessage(); !isCloseCode(err, CloseServiceRestart) {
			t.Errorf("then read %v, want a Close with 1012", err)
		}
		if err := <-down; err != nil {
			t.Error("Shutdown:", err)
		}
	})
}

func isCloseCode(err error, code CloseCode) bool {
	ce, ok := err.(*CloseError)
	return ok && ce.Code == code
}
