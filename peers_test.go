package websocket

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Promises of docs/PEERS.md that no other file tests.

// A program that goes on reading after the end gets the same error for ever, and no panic.
func TestReadsAfterTheEndReturnTheSameError(t *testing.T) {
	ends := map[string]func(c *Conn, peer *rawPeer){
		"the peer closed": func(_ *Conn, peer *rawPeer) {
			peer.send(OpClose, closePayload(CloseNormal, ""))
			peer.nc.Close()
		},
		"lost":          func(_ *Conn, peer *rawPeer) { peer.nc.Close() },
		"we closed":     func(c *Conn, _ *rawPeer) { c.CloseNow() },
		"a broken rule": func(_ *Conn, peer *rawPeer) { peer.write([]byte{0xf1}); peer.nc.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
				end(c, peer)
				_, _, first := c.ReadMessage()
				if first == nil {
					t.Fatal("a read of an ended connection succeeded")
				}
				for i := range 2000 {
					call := readCalls[i%len(readCalls)]
					if err := call.call(c); err != first {
						t.Fatalf("%s, call %d: %v, want %v again", call.name, i, err, first)
					}
				}
			})
		})
	}
}

// A context that gives up between two messages leaves the connection usable, for contexts and for everything else.
func TestReadContextThatGivesUpBetweenMessages(t *testing.T) {
	bubble(t, 1024, connConfig{}, func(t *testing.T, server, client *Conn) {
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _, err := server.ReadContext(ctx)
			cancel()
			var timeout net.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Fatalf("ReadContext returned %v", err)
			}
			want := fmt.Sprint("message ", i)
			if err := client.WriteMessage(TextMessage, []byte(want)); err != nil {
				t.Fatal(err)
			}
			wantMessages(t, server, want)
		}
	})
}

// In the middle of a message it ends the connection, and the error says so.
func TestReadContextThatGivesUpInsideAMessage(t *testing.T) {
	rawBubble(t, 1024, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
		peer.write(peer.frame(OpText, false, "half"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.ReadContext(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "fails the connection") {
			t.Errorf("ReadContext returned %v", err)
		}
		if _, _, again := c.ReadMessage(); again != err {
			t.Errorf("the next read returned %v, want %v again", again, err)
		}
	})
}

// WriteMessage sends one frame, whatever the size, and a message of several frames is delivered as one.
func TestMessageIsOneFrame(t *testing.T) {
	for _, size := range []int{0, 126, 20_000, 70_000, 1 << 20} {
		rawBubble(t, 64<<10, connConfig{}, func(t *testing.T, c *Conn, peer *rawPeer) {
			payload := strings.Repeat("x", size)
			sent := async(func() error { return c.WriteMessage(TextMessage, []byte(payload)) })
			peer.want(OpText, payload)
			if err := <-sent; err != nil {
				t.Error(err)
			}
			third := size / 3
			go func() {
				peer.write(peer.frame(OpText, false, payload[:third]))
				peer.write(peer.frame(OpContinuation, false, payload[third:2*third]))
				peer.write(peer.frame(OpContinuation, true, payload[2*third:]))
			}()
			wantMessages(t, c, payload)
		})
	}
}

// The read limit is generous, and the error of a message that passes it names what sets it.
func TestReadLimitIsExplained(t *testing.T) {
	if DefaultReadLimit < 1<<20 {
		t.Errorf("the default is %d bytes", DefaultReadLimit)
	}
	bubble(t, 1024, connConfig{readLimit: 5}, func(t *testing.T, server, client *Conn) {
		go client.WriteMessage(TextMessage, []byte("123456"))
		_, _, err := server.ReadMessage()
		for _, name := range []string{"5 bytes", "ReadLimit of the Upgrader or Dialer", "SetReadLimit"} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("the error %q does not name %s", err, name)
			}
		}
		_, _, err = client.ReadMessage()
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != CloseMessageTooBig || strings.Contains(closed.Reason, "SetReadLimit") {
			t.Errorf("the peer was told %v", err)
		}
	})
}

// The library writes to no log and to no standard stream: its non-test files have no means to.
func TestNothingIsLogged(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "internal/memconn/*.go", "internal/utf8x/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	loud := []string{"os.Stdout", "os.Stderr", "fmt.Print", "fmt.Println", "fmt.Printf", "syslog.New"}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); path == "log" || strings.HasPrefix(path, "log/") {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(loud, x.Name+"."+n.Sel.Name) {
					t.Errorf("%s uses %s.%s", name, x.Name, n.Sel.Name)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%s calls %s", name, f.Name)
				}
			}
			return true
		})
	}
	if len(files) < 30 {
		t.Errorf("looked at %d files only", len(files))
	}
}
