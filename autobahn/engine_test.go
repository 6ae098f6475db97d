package autobahn_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/autobahn"
)

const echoLimit = 64 << 20

// patient is for machines that are busy: a sound implementation is graded the same, however long it may take.
const patient = 5

// compression agrees to all that the cases ask for.
var compression = &websocket.Compression{Threshold: -1, Send: anyWindow, Receive: anyWindow}

var anyWindow = websocket.CompressionContext{WindowBits: 15}

var echoing = websocket.HandlerFuncs{
	OnMessage: func(c *websocket.Conn, t websocket.MessageType, p []byte) { c.WriteMessage(t, p) },
}

// echoServer starts a server of the root package that sends back what it gets, and returns its URL.
func echoServer(t *testing.T) string {
	u := websocket.Upgrader{ReadLimit: echoLimit, Compression: compression}
	ts := httptest.NewServer(u.Handler(func(*websocket.Conn, *http.Request) websocket.Handler { return echoing }))
	t.Cleanup(ts.Close)
	return "ws" + strings.TrimPrefix(ts.URL, "http")
}

// testee is a client of the root package: it runs every case of a kit's server, a few at a time.
func testee(t *testing.T, url, agent string, parallel int) {
	// Some cases ask for client_no_context_takeover, and do so only where it is offered.
	alone := *compression
	alone.Send.NoTakeover = true
	d := websocket.Dialer{ReadLimit: echoLimit, Compression: &alone}
	ctx := context.Background()
	ask := func(path string) string {
		c, _, err := d.Dial(ctx, url+path, nil)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer c.Close()
		_, p, _ := c.ReadMessage()
		return string(p)
	}
	n, _ := strconv.Atoi(ask("/getCaseCount"))
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for i := range numbers {
				c, _, err := d.Dial(ctx, fmt.Sprintf("%s/runCase?case=%d&agent=%s", url, i, agent), nil)
				if err != nil {
					continue // the case will tell, or wants just that
				}
				c.Serve(echoing)
			}
		})
	}
	for i := range n {
		numbers <- i + 1
	}
	close(numbers)
	wg.Wait()
	ask("/updateReports?agent=" + agent + "&shutdownOnComplete=true")
}

// serverResults runs cases with a client that is given their URL, and returns the results.
func serverResults(t *testing.T, o autobahn.Options, agent string, client func(url string)) []*autobahn.Result {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &autobahn.Server{Options: o}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), ln) }()
	client("ws://" + ln.Addr().String())
	if err := <-done; err != nil {
		t.Error("Serve:", err)
	}
	return s.Results(agent)
}

// quick is all cases, but of the large ones only a few with compression, and with the race detector a few without it:
// "hawser conform" runs all of them.
func quick(t *testing.T) []*autobahn.Case {
	var slow []string
	if autobahn.RaceEnabled {
		slow = []string{
			"9.1.5", "9.1.6", "9.2.5", "9.2.6", "9.3.*", "9.4.*", "9.5.*", "9.6.*", "12.2.2", "12.4.11", "13.6.1",
		}
	}
	cases, err := autobahn.Select([]string{
		"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.1", "12.2.2", "12.3.3", "12.4.11", "12.5.1",
		"13.1.1", "13.2.2", "13.3.3", "13.4.1", "13.5.3", "13.6.1", "13.7.3",
	}, slow)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// checkAll wants the best grade of every case.
func checkAll(t *testing.T, cases []*autobahn.Case, results []*autobahn.Result) {
	t.Helper()
	if len(results) != len(cases) {
		t.Errorf("%d results of %d cases", len(results), len(cases))
	}
	for _, r := range results {
		want := autobahn.OK
		if r.ID == "7.1.6" || strings.HasPrefix(r.ID, "7.13.") {
			want = autobahn.Informational
		}
		if r.Behavior != want || r.BehaviorClose != want || len(r.Own) > 0 {
			t.Errorf("%s: %s, %s: %s %s %v\n%s", r.ID, r.Behavior, r.BehaviorClose, r.Reason, r.ReasonClose, r.Own,
				r.HTTPResponse)
		}
	}
}

func TestServerOfThisProject(t *testing.T) {
	cases := quick(t)
	results, err := autobahn.RunServer(context.Background(), echoServer(t), autobahn.Options{Cases: cases, TimeoutScale: patient})
	if err != nil {
		t.Fatal(err)
	}
	checkAll(t, cases, results)
}

func TestClientOfThisProject(t *testing.T) {
	cases := quick(t)
	results := serverResults(t, autobahn.Options{Cases: cases, TimeoutScale: patient}, "hawser", func(url string) { testee(t, url, "hawser", 8) })
	checkAll(t, cases, results)
}
