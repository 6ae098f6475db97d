package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hawser.js in an application, whose pages come from another server.

// A cable is a listener that passes connections on to a server, until they are cut.
type cable struct {
	addr  string
	mu    sync.Mutex
	conns []*net.TCPConn
	cut   bool // nobody gets through
}

// layCable lays a cable to the server at addr.
func layCable(t *testing.T, addr string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: listener.Addr().String()}
	t.Cleanup(func() {
		listener.Close()
		c.sever(true)
	})
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			c.connect(near.(*net.TCPConn), addr)
		}
	}()
	return c
}

func (c *cable) connect(near *net.TCPConn, addr string) {
	far, err := net.Dial("tcp", addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.cut {
		near.SetLinger(0)
		near.Close()
		if err == nil {
			far.Close()
		}
		return
	}
	c.conns = append(c.conns, near, far.(*net.TCPConn))
	go passOn(far.(*net.TCPConn), near)
	go passOn(near, far.(*net.TCPConn))
}

// passOn copies what comes from one end to the other, and its end.
func passOn(to, from *net.TCPConn) {
	to.ReadFrom(from)
	to.CloseWrite()
}

// sever resets all connections, and those that come if stay is set, until mend.
func (c *cable) sever(stay bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = stay
	for _, conn := range c.conns {
		conn.SetLinger(0)
		conn.Close()
	}
	c.conns = nil
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

// application is a page that uses the module as an application does, and keeps what it is told.
const application = `<!doctype html>
<html lang="en"><title>application</title><link rel="icon" href="data:,">
<script type="module">
  import { connect } from "http://HAWSER/hawser.js"
  window.told = {messages: [], states: [], gaps: [], errors: [], tokens: 0}
  window.feed = connect({
    topics: ["news", "orders.42.>"],
    token: async () => { told.tokens++; return "" },
    onmessage: m => told.messages.push({...m, data: typeof m.data === "string" ? m.data : "binary " + [...m.data]}),
    onstate: (state, detail) => told.states.push({state, ...detail, at: performance.now()}),
    ongap: gap => told.gaps.push(gap),
    onerror: text => told.errors.push(text),
  })
</script>
</html>`

// told is what the application was told.
type told struct {
	Messages []struct{ ID, Topic, Data string }
	States   []struct {
		State, Reason string
		Code, Missed  int
		Recovered     *bool
		Delay, At     float64 // milliseconds
	}
	Gaps   []struct{ Missed int }
	Errors []string
	Tokens int
}

func (a told) data() (texts []string) {
	for _, m := range a.Messages {
		texts = append(texts, m.Topic+" "+m.Data)
	}
	return texts
}

func (a told) states() (names []string) {
	for _, s := range a.States {
		if n := len(names); n == 0 || names[n-1] != s.State { // not how often it tried
			names = append(names, s.State)
		}
	}
	return names
}

func (p page) told() (a told) {
	p.t.Helper()
	var text string
	p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, `JSON.stringify(told)`, &text) })
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		p.t.Fatal(err)
	}
	return a
}

// until waits for a condition of the application's.
func (p page) until(condition string) {
	p.t.Helper()
	p.do(func(ctx context.Context) error { return p.tab.WaitFor(ctx, "window.told && "+condition) })
}

func TestHawserJS(t *testing.T) {
	var site *httptest.Server
	var module string
	site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(strings.ReplaceAll(application, "HAWSER", module)))
	}))
	defer site.Close()
	hawser, addr := startPublic(t, "127.0.0.1:0", "--origin", site.URL, "--drain", "2s")
	line := layCable(t, addr)
	module = line.addr
	p := openPage(t, site.URL)
	p.until(`told.states.at(-1)?.state === "open"`)
	if a := p.told(); !slices.Equal(a.states(), []string{"connecting", "open"}) || a.States[1].Recovered != nil {
		t.Fatalf("at first: %+v", a)
	}

	post(t, addr, "news", "one")
	post(t, addr, "orders.42.paid", "two")
	post(t, addr, "orders.43.paid", "not for us")
	publish(t, addr, "news", "application/octet-stream", []byte{0, 255})
	p.until(`told.messages.length === 3`)

	// The page publishes by itself, which its browser asks about before (CORS), and reads the answer.
	answer := p.evalString(`fetch("http://` + module + `/topics/elsewhere", {method: "POST", body: "from the page",
		headers: {Authorization: "Bearer ` + publishKey + `"}}).then(r => r.text(), String)`)
	if !strings.Contains(answer, `"subscribers":0`) {
		t.Errorf("the page's own publication is answered with %q", answer)
	}

	// The network fails: what was missed comes, and nothing is lost.
	line.sever(true)
	p.until(`told.states.at(-1).state === "waiting"`)
	post(t, addr, "news", "missed 1")
	post(t, addr, "orders.42.x", "missed 2")
	line.mend()
	p.until(`told.states.at(-1).state === "open"`)
	p.until(`told.messages.length === 5`)
	want := []string{"news one", "orders.42.paid two", "news binary 0,255", "news missed 1", "orders.42.x missed 2"}
	a := p.told()
	last := a.States[len(a.States)-1]
	if !slices.Equal(a.data(), want) || last.Missed != 2 || !*last.Recovered || len(a.Gaps) > 0 {
		t.Errorf("after the network failed: %+v", a)
	}
	if a.Tokens < 2 {
		t.Errorf("the token was asked for %d times; want once for each connection", a.Tokens)
	}

	// The page wakes up: it does not wait for the end of its time.
	line.sever(true)
	p.until(`told.states.at(-1).state === "waiting" && told.states.at(-1).delay > 5000`)
	line.mend()
	p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, `dispatchEvent(new Event("online"))`, nil) })
	p.until(`told.states.at(-1).state === "open"`)
	states := p.told().States
	waiting, again := states[len(states)-3], states[len(states)-2]
	if waiting.State != "waiting" || again.State != "connecting" || again.At-waiting.At > waiting.Delay/2 {
		t.Errorf("the page woke up and then came %+v, %+v", waiting, again)
	}

	// Another subscription, one that is refused, and one less.
	p.do(func(ctx context.Context) error {
		return p.tab.Eval(ctx, `feed.subscribe("more"), feed.subscribe("not a topic"), feed.unsubscribe("news")`, nil)
	})
	p.until(`told.errors.length === 1`)
	publishTo(t, addr, "more", "three", 1)
	post(t, addr, "news", "no more")
	post(t, addr, "more", "four")
	p.until(`told.messages.at(-1).data === "four"`)
	if topics := p.evalString(`feed.topics.join()`); topics != "orders.42.>,more" {
		t.Errorf("the topics are %s", topics)
	}

	// The server restarts, and says when to come back.
	before := len(p.told().States)
	if code := hawser.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.until(`told.states.length > ` + strconv.Itoa(before))
	hint := p.told().States[before]
	reason := "the server restarts; retry=" + strconv.Itoa(int(hint.Delay))
	if hint.State != "waiting" || hint.Code != 1012 || hint.Reason != reason {
		t.Errorf("the server has restarted: %+v", hint)
	}
	startPublic(t, addr, "--origin", site.URL)
	p.until(`told.gaps.length === 1 && told.states.at(-1).state === "open"`)
	post(t, addr, "more", "five")
	p.until(`told.messages.at(-1).data === "five"`)

	// The end is the end.
	p.do(func(ctx context.Context) error { return p.tab.Eval(ctx, `feed.close()`, nil) })
	p.until(`told.states.at(-1).state === "closed"`)
	publishTo(t, addr, "more", "six", 0)
	time.Sleep(1500 * time.Millisecond) // it could have come back by then
	if a := p.told(); a.States[len(a.States)-1].State != "closed" || a.Messages[len(a.Messages)-1].Data != "five" {
		t.Errorf("after close: %+v", a)
	}
	for _, problem := range p.tab.Problems() {
		if !strings.Contains(problem.Text, "WebSocket connection to ") { // the browser itself logs that a handshake failed
			t.Errorf("the console shows %v", problem)
		}
	}
}
