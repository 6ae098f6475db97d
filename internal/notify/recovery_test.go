package notify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
	"hawser.example/websocket/internal/topic"
)

const lastWord = "the last one"

// A record is everything that was published, by number.
type record struct {
	mu     sync.Mutex
	topics map[int]string
	texts  map[int]string
}

// publishAll publishes count messages from each of some publishers on all of topics, and then the last word on each. It
// returns the number of the last one.
func (r *record) publishAll(s *service, topics []string, publishers, count int) (last int, err error) {
	errs := make([]error, publishers)
	var publishing sync.WaitGroup
	for who := range publishers {
		publishing.Go(func() {
			for i := range count {
				name := topics[(who+i)%len(topics)]
				if _, errs[who] = r.publish(s, name, fmt.Sprintf("%d of %d", i, who)); errs[who] != nil {
					return
				}
			}
		})
	}
	publishing.Wait()
	for _, name := range topics {
		if last, err = r.publish(s, name, lastWord); err != nil {
			return 0, err
		}
	}
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return last, nil
}

// publish publishes one message and returns its number.
func (r *record) publish(s *service, name, text string) (seq int, err error) {
	request, err := http.NewRequest("POST", s.web.URL+"/topics/"+name, strings.NewReader(text))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := s.web.Client().Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var body [256]byte
	n, _ := response.Body.Read(body[:])
	match := receipt.FindSubmatch(body[:n])
	if match == nil {
		return 0, fmt.Errorf("status %d, %s", response.StatusCode, body[:n])
	}
	fmt.Sscan(string(match[2]), &seq)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics[seq], r.texts[seq] = name, text
	return seq, nil
}

// count returns how many messages were published.
func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.texts)
}

// A gap is numbers that a client was told it may miss: those behind from, up to to.
type gap struct{ from, to int }

// A reader is a client that is cut off again and again, and goes on with its last id.
type reader struct {
	patterns []string
	open     func(ctx context.Context, topics []string, last string) (feed, error)
	random   *rand.Rand

	since    int // the number that its first welcome named
	received []told
	gaps     []gap
	cuts     int
}

// read reads until the message of this number, or one of a later one.
func (r *reader) read(ctx context.Context, end func() int) error {
	last := ""
	for first := true; ; first = false {
		f, err := r.open(ctx, r.patterns, last)
		if err != nil {
			return err
		}
		last, err = r.readUntilCut(f, first, last, end)
		f.cut()
		if err != nil || end() > 0 && last != "" && (told{ID: last}).seq() >= end() {
			return err
		}
		r.cuts++
	}
}

// readUntilCut returns the last id.
func (r *reader) readUntilCut(f feed, first bool, last string, end func() int) (string, error) {
	m, err := f.next()
	if err != nil || m.Type != "welcome" {
		return last, fmt.Errorf("%+v is no welcome: %v", m, err)
	}
	switch {
	case first:
		r.since = m.seq()
	case !m.complete():
		r.gaps = append(r.gaps, gap{(told{ID: last}).seq(), m.seq()})
	}
	last = m.ID
	missed, complete := m.Missed, m.complete()
	for i := range 1 + r.random.IntN(150) {
		if n := end(); n > 0 && (told{ID: last}).seq() >= n {
			return last, nil
		}
		m, err := f.next()
		if err != nil || m.Type != "message" {
			return last, fmt.Errorf("%+v is no message: %v", m, err)
		}
		if !complete && missed > 0 && i < missed { // what is lost may lie between those that are kept, and behind them
			r.gaps[len(r.gaps)-1].to = m.seq() - 1
		}
		r.received = append(r.received, m)
		last = m.ID
	}
	return last, nil
}

// check compares what was received with what was published up to last.
func (r *reader) check(t *testing.T, who string, published *record, last int) {
	t.Helper()
	next := r.since + 1
	for _, m := range append(r.received, told{ID: fmt.Sprintf("x-%d", last+1)}) {
		seq := m.seq()
		if seq < next {
			t.Errorf("%s: number %d came when %d was due", who, seq, next)
			return
		}
		for ; next < seq; next++ {
			isTold := slices.ContainsFunc(r.gaps, func(g gap) bool { return g.from < next && next <= g.to })
			if topic.Any(r.patterns, published.topics[next]) && !isTold {
				t.Errorf("%s: number %d of %s did not come, and nothing was said", who, next, published.topics[next])
				return
			}
		}
		if seq > last {
			return
		}
		if m.Topic != published.topics[seq] || m.Data == nil || *m.Data != published.texts[seq] {
			t.Errorf("%s: number %d is %+v, and was published as %q on %s", who, seq, m, published.texts[seq], published.topics[seq])
			return
		}
		next = seq + 1
	}
}

// Clients that are cut at random while others publish end with all messages, in order, once; or were told.
func TestRecoveryUnderLoad(t *testing.T) {
	names := []string{"t.a", "t.b", "t.b.c", "u"}
	covers := [][]string{{">"}, {"t.>"}, {"t.b", "t.b.>"}, {"u", "t.a"}, {"u", ">", "t.a"}}
	for _, tt := range []struct {
		rule    string
		history notify.HistoryConfig
		lossy   bool // somebody is told of a gap
	}{
		{"everything is kept", notify.HistoryConfig{Messages: 1 << 20, Bytes: 1 << 30, TotalBytes: 1 << 30}, false},
		{"little is kept", notify.HistoryConfig{Messages: 3}, true},
		{"topics are forgotten", notify.HistoryConfig{TotalBytes: 2500}, true},
		{"nothing is kept", notify.HistoryConfig{Messages: -1}, true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			s := serve(t, notify.Config{History: tt.history})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			kinds := map[string]func(ctx context.Context, topics []string, last string) (feed, error){
				"hawser.v1": func(ctx context.Context, topics []string, last string) (feed, error) {
					return s.openV1(ctx, topics, last)
				},
				"SSE": func(ctx context.Context, topics []string, last string) (feed, error) {
					return s.openSSE(ctx, "/ws"+query(topics, ""), last)
				},
			}
			published := &record{topics: map[int]string{}, texts: map[int]string{}}
			var mu sync.Mutex
			ends := map[string]int{} // the number of a topic's last word
			readers := map[string]*reader{}
			errs := make(chan error, 2*len(covers))
			for kind, open := range kinds {
				for i, patterns := range covers {
					r := &reader{patterns: patterns, open: open, random: rand.New(rand.NewPCG(uint64(i), 1))}
					readers[fmt.Sprint(kind, patterns)] = r
					end := func() (last int) {
						mu.Lock()
						defer mu.Unlock()
						for name, seq := range ends {
							if topic.Any(patterns, name) {
								last = max(last, seq)
							}
						}
						return last
					}
					go func() { errs <- r.read(ctx, end) }()
				}
			}
			last, err := published.publishAll(s, names, 4, 500)
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			for seq, text := range published.texts {
				if text == lastWord {
					ends[published.topics[seq]] = seq
				}
			}
			mu.Unlock()
			for _, name := range names { // for those who wait for more
				if _, err := published.publish(s, name, "behind the last one"); err != nil {
					t.Fatal(err)
				}
			}
			for range readers {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			gaps, cuts := 0, 0
			for who, r := range readers {
				r.check(t, who, published, last)
				gaps += len(r.gaps)
				cuts += r.cuts
			}
			if cuts < len(readers) || (gaps > 0) != tt.lossy {
				t.Errorf("%d cuts, %d gaps", cuts, gaps)
			}
		})
	}
}

// Whoever joins while others publish gets everything behind the position that the answer names.
func TestJoiningWhileOthersPublish(t *testing.T) {
	for _, history := range []int{0, -1} {
		s := serve(t, notify.Config{History: notify.HistoryConfig{Messages: history}})
		ctx, stop := context.WithTimeout(t.Context(), patience)
		published := &record{topics: map[int]string{}, texts: map[int]string{}}
		done := make(chan error, 1)
		go func() {
			var err error
			for i := 1; err == nil && ctx.Err() == nil; i++ {
				_, err = published.publish(s, "a", fmt.Sprint(i)) // the text is the number
			}
			done <- err
		}()
		for range 30 {
			c, response, err := new(websocket.Dialer).Dial(ctx, "ws://"+s.addr+"/topics/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(patience))
			next := (told{ID: response.Header.Get("Hawser-Last-Id")}).seq() + 1
			for i := range 20 {
				wantMessage(t, c, websocket.TextMessage, fmt.Sprint(next+i))
			}
			c.CloseNow()
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRecoveryIsTold(t *testing.T) {
	s := serve(t, notify.Config{History: notify.HistoryConfig{Messages: 3}})
	_, w := s.v1(t, []string{"a", "b.>"}, "")
	if w.Recovered != nil || w.Missed != 0 || !slices.Equal(w.Topics, []string{"a", "b.>"}) || w.seq() != 0 {
		t.Errorf("the first welcome is %+v", w)
	}
	epoch, _ := wantPublished(t, s.publish(t, "a", "1"), 1)
	for i := 2; i <= 5; i++ {
		s.publish(t, "a", fmt.Sprint(i))
	}
	s.publish(t, "b.c", "6")
	s.publish(t, "other", "7")
	id := func(seq int) string { return fmt.Sprintf("%s-%d", epoch, seq) }
	tests := []struct {
		rule     string
		topics   []string
		last     string
		complete bool
		start    string   // what the welcome says
		texts    []string // that come
	}{
		{"nothing was missed", []string{"a"}, id(7), true, id(7), nil},
		{"nothing was missed of this topic", []string{"a"}, id(5), true, id(7), nil},
		{"one message", []string{"a"}, id(4), true, id(4), []string{"5"}},
		{"all that are kept", []string{"a"}, id(2), true, id(2), []string{"3", "4", "5"}},
		{"more than are kept", []string{"a"}, id(1), false, id(2), []string{"3", "4", "5"}},
		{"everything", []string{"a"}, id(0), false, id(2), []string{"3", "4", "5"}},
		{"a wildcard", []string{"b.>"}, id(0), true, id(5), []string{"6"}},
		{"two patterns", []string{"b.>", "a"}, id(4), true, id(4), []string{"5", "6"}},
		{"patterns that hold each other", []string{"b.c", "b.>", ">"}, id(5), true, id(5), []string{"6", "7"}},
		{"a topic without messages", []string{"c"}, id(0), true, id(7), nil},
		{"another run of the server", []string{">"}, "00000000-4", false, id(2), []string{"3", "4", "5", "6", "7"}},
		{"a number that was not given out yet", []string{"a"}, id(8), false, id(2), []string{"3", "4", "5"}},
		{"another run, without messages", []string{"c"}, "00000000-0", false, id(7), nil},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			f, w := s.v1(t, tt.topics, tt.last)
			e, err := s.openSSE(t.Context(), "/ws"+query(tt.topics, "00000001-7"), tt.last) // the header wins
			if err != nil {
				t.Fatal(err)
			}
			defer e.cut()
			if m, err := e.next(); err != nil || m.ID != w.ID || *m.Recovered != *w.Recovered || m.Missed != w.Missed {
				t.Errorf("server-sent events say %+v, %v, hawser.v1 %+v", m, err, w)
			}
			if h := e.response.Header; h.Get("Hawser-Last-Id") != w.ID || h.Get("Hawser-Recovered") != fmt.Sprint(tt.complete) {
				t.Errorf("the header says %q, %q", h.Get("Hawser-Last-Id"), h.Get("Hawser-Recovered"))
			}
			if w.ID != tt.start || w.complete() != tt.complete || w.Missed != len(tt.texts) {
				t.Errorf("%+v; want the start %s, complete: %v, %d messages", w, tt.start, tt.complete, len(tt.texts))
			}
			for _, text := range tt.texts {
				m := f.want(t, "message")
				n, err := e.next()
				if *m.Data != text || err != nil || *n.Data != text || m.ID != id(int(text[0]-'0')) || n.ID != m.ID {
					t.Errorf("%+v and %+v, %v; want %q", m, n, err, text)
				}
			}
			f.say(t, `{"type":"ping"}`)
			f.want(t, "pong") // and nothing else
		})
	}
}

func TestRecoveryOfPlainClients(t *testing.T) {
	s := serve(t, notify.Config{})
	epoch, _ := wantPublished(t, s.publish(t, "a", "1"), 0)
	s.publish(t, "a", "2")
	for last, recovered := range map[string]string{"": "", epoch + "-1": "true", "00000000-1": "false"} {
		c, response, err := new(websocket.Dialer).Dial(t.Context(), "ws://"+s.addr+"/topics/a?last-id="+last, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadDeadline(time.Now().Add(patience))
		if got := response.Header.Get("Hawser-Recovered"); got != recovered {
			t.Errorf("last-id=%s: recovered %q, want %q", last, got, recovered)
		}
		switch recovered {
		case "false":
			wantMessage(t, c, websocket.TextMessage, "1")
			fallthrough
		case "true":
			wantMessage(t, c, websocket.TextMessage, "2")
		}
		c.CloseNow()
	}
}

func TestRecoveryRefusesWhatIsNoID(t *testing.T) {
	s := serve(t, notify.Config{})
	for _, id := range []string{"7", "x-7", "00000000", "00000000-07", "00000000-7%0d%0aX:%20y", "00000000-99999999999999999999"} {
		got := s.raw(t, "GET /topics/a?last-id="+id+" HTTP/1.1\r\nHost: x\r\n"+handshakeHeader+"\r\n")
		wantRefusal(t, got, 400, "last id")
		got = s.raw(t, "GET /topics/a?last-id="+id+" HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
		wantRefusal(t, got, 400, "last id")
	}
	if n := s.server.Subscribers("a"); n != 0 {
		t.Errorf("%d subscribers are left of what was refused", n)
	}
}
