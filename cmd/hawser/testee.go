package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"hawser.example/websocket"
)

var testeeVerb = verb{
	name:    "testee",
	summary: "the client under test for Autobahn's fuzzing server",
	help: `
It asks the server for the number of cases, runs each of them as an echo client until the connection ends, however that
happens, and has the reports written.

Example:
  hawser testee --url ws://127.0.0.1:9001 --agent hawser`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		base := fs.String("url", "", "the fuzzing server, `ws://HOST:PORT`")
		agent := fs.String("agent", "hawser", "the `NAME` in the reports")
		return func(_ []string, std streams) int {
			switch {
			case *base == "":
				return usageError(std, "testee", "--url is missing: the fuzzing server, such as ws://127.0.0.1:9001")
			case *agent == "":
				return usageError(std, "testee", "--agent must not be empty")
			}
			stop, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			t := testee{base: strings.TrimSuffix(*base, "/"), agent: *agent}
			if err := t.run(stop, std); err != nil {
				fmt.Fprintln(std.err, "hawser testee:", err)
				return exitConnect
			}
			return exitOK
		}
	},
}

// A testee runs the cases of a fuzzing server.
type testee struct {
	dialer websocket.Dialer
	base   string
	agent  string
}

func (t *testee) run(ctx context.Context, std streams) error {
	t.dialer.ReadLimit = maxEchoMessage
	count, err := t.caseCount(ctx)
	if err != nil {
		return err
	}
	for n := 1; n <= count; n++ {
		if err := t.runCase(ctx, n); err != nil {
			return fmt.Errorf("case %d of %d: %w", n, count, err)
		}
		if n%50 == 0 || n == count {
			fmt.Fprintf(std.err, "hawser testee: %d of %d cases done\n", n, count)
		}
	}
	c, err := t.dial(ctx, "/updateReports")
	if err != nil {
		return err
	}
	readAll(c)
	return nil
}

// caseCount asks how many cases there are.
func (t *testee) caseCount(ctx context.Context) (int, error) {
	c, err := t.dial(ctx, "/getCaseCount")
	if err != nil {
		return 0, err
	}
	_, p, err := c.ReadContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("the number of cases: %w", err)
	}
	readAll(c)
	return strconv.Atoi(strings.TrimSpace(string(p)))
}

// runCase echoes until the connection ends. How it ends is for the server to judge.
func (t *testee) runCase(ctx context.Context, n int) error {
	c, err := t.dial(ctx, "/runCase?case="+strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.CloseNow() })()
	c.Serve(websocket.HandlerFuncs{
		OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) { c.WriteMessage(t, p) },
	})
	return ctx.Err()
}

// dial connects to a path of the server, with the agent as a parameter.
func (t *testee) dial(ctx context.Context, path string) (*websocket.Conn, error) {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	c, _, err := t.dialer.Dial(ctx, t.base+path+sep+"agent="+url.QueryEscape(t.agent), nil)
	return c, err
}

// readAll reads until the server has closed.
func readAll(c *websocket.Conn) {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
	}
}
