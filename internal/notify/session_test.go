package notify_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

func TestV1CarriesTopicsAndIDs(t *testing.T) {
	s := serve(t, notify.Config{})
	f, _ := s.v1(t, []string{"a.>", "b"}, "")
	_, seq := wantPublished(t, s.publish(t, "a.x", "grüße \"\\\n\x00\u2028<&>"), 1)
	if m := f.wantText(t, "a.x", "grüße \"\\\n\x00\u2028<&>"); m.seq() != seq {
		t.Errorf("number %d, want %d", m.seq(), seq)
	}
	wantPublished(t, s.publish(t, "b", "\x00\xff", "Content-Type", "application/octet-stream"), 1)
	if m := f.want(t, "message"); string(m.Base64) != "\x00\xff" || m.Data != nil || m.Topic != "b" {
		t.Errorf("%+v", m)
	}
	wantPublished(t, s.publish(t, "a", "not below a"), 0)
	wantPublished(t, s.publish(t, "c", "another"), 0)
}

func TestV1SubscribeAndUnsubscribe(t *testing.T) {
	s := serve(t, notify.Config{})
	f, w := s.v1(t, nil, "")
	if w.Topics == nil || len(w.Topics) != 0 {
		t.Errorf("the welcome is %+v", w)
	}
	counts := func(want map[string]int) {
		t.Helper()
		for topic, n := range want {
			if got := s.server.Subscribers(topic); got != n {
				t.Errorf("%d subscribers to %s, want %d", got, topic, n)
			}
		}
	}
	f.say(t, `{"type":"subscribe","topics":["a.b","c","a.b"],"ref":"1"}`)
	if m := f.want(t, "subscribed"); !slices.Equal(m.Topics, []string{"a.b", "c"}) || m.Ref != "1" || m.ID != w.ID || m.Recovered != nil {
		t.Errorf("%+v", m)
	}
	counts(map[string]int{"a.b": 1, "c": 1, "a.x": 0})
	f.say(t, `{"type":"subscribe","topics":["a.>"]}`)
	f.want(t, "subscribed")
	counts(map[string]int{"a.b": 1, "a.x": 1, "c": 1}) // once, though two patterns cover a.b
	f.say(t, `{"type":"unsubscribe","topics":["a.>","never.had"],"ref":"2"}`)
	if m := f.want(t, "unsubscribed"); !slices.Equal(m.Topics, []string{"a.>", "never.had"}) || m.Ref != "2" {
		t.Errorf("%+v", m)
	}
	counts(map[string]int{"a.b": 1, "a.x": 0, "c": 1}) // what was named before is there again
	f.say(t, `{"type":"unsubscribe","topics":["a.b","c"]}`)
	f.want(t, "unsubscribed")
	counts(map[string]int{"a.b": 0, "a.x": 0, "c": 0})
	f.say(t, `{"type":"subscribe","topics":[">"]}`)
	f.want(t, "subscribed")
	wantPublished(t, s.publish(t, "x", "hello"), 1)
	f.wantText(t, "x", "hello")
	f.cut()
	s.await(t, "x", 0)
}

// While others publish, patterns that hold each other come and go. What all of them cover arrives once and in order.
func TestV1ChangingPatternsLosesNothing(t *testing.T) {
	s := serve(t, notify.Config{})
	f, _ := s.v1(t, []string{"a.b"}, "")
	const count = 300
	published := &record{topics: map[int]string{}, texts: map[int]string{}}
	done := make(chan error, 1)
	go func() {
		for range count {
			if _, err := published.publish(s, "a.b", "x"); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	changes := []string{
		`{"type":"subscribe","topics":["a.>"]}`, `{"type":"unsubscribe","topics":["a.b"]}`,
		`{"type":"subscribe","topics":[">","a.b"]}`, `{"type":"unsubscribe","topics":["a.>",">"]}`,
		`{"type":"subscribe","topics":["a.>"],"last":"00000000-0"}`, `{"type":"unsubscribe","topics":["a.>"]}`,
	}
	f.say(t, "%s", changes[0])
	answers := 0
	for next := 1; next <= count; {
		m, err := f.next()
		switch {
		case err != nil:
			t.Fatal(err)
		case m.Type == "message":
			if m.seq() != next {
				t.Fatalf("number %d came when %d was due, after %d changes", m.seq(), next, answers)
			}
			next++
		case m.Type == "subscribed" || m.Type == "unsubscribed":
			answers++
			f.say(t, "%s", changes[answers%len(changes)])
		default:
			t.Fatalf("%+v", m)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if answers < len(changes) {
		t.Errorf("only %d changes were made", answers)
	}
}

// Each topic goes on behind an id of its own, while others publish.
func TestV1SubscribeWithLast(t *testing.T) {
	s := serve(t, notify.Config{})
	var epoch string
	for i := 1; i <= 6; i++ {
		epoch, _ = wantPublished(t, s.publish(t, []string{"a", "b"}[i%2], fmt.Sprint(i)), 0) // b: 1 3 5; a: 2 4 6
	}
	f, w := s.v1(t, nil, "")
	f.say(t, `{"type":"subscribe","topics":["a"],"last":"%s-2"}`, epoch)
	m := f.want(t, "subscribed")
	if !m.complete() || m.Recovered == nil || m.Missed != 2 || m.seq() != 3 {
		t.Errorf("%+v", m)
	}
	f.wantText(t, "a", "4")
	f.wantText(t, "a", "6")
	wantPublished(t, s.publish(t, "a", "7"), 1)
	f.wantText(t, "a", "7")
	f.say(t, `{"type":"subscribe","topics":[">"],"last":"00000000-0"}`) // a is there already
	if m := f.want(t, "subscribed"); m.complete() || m.Missed != 3 || m.seq() != 0 {
		t.Errorf("%+v", m)
	}
	for _, text := range []string{"1", "3", "5"} {
		f.wantText(t, "b", text)
	}
	wantPublished(t, s.publish(t, "a", "8"), 1)
	f.wantText(t, "a", "8")
	wantPublished(t, s.publish(t, "c", "9"), 1)
	f.wantText(t, "c", "9")
	f.say(t, `{"type":"subscribe","topics":["b"],"last":"%s-2"}`, epoch) // behind which it has had everything
	if m := f.want(t, "subscribed"); !m.complete() || m.Missed != 0 || m.seq() != 9 {
		t.Errorf("what another pattern covers: %+v, after %+v", m, w)
	}
}

// What was published before a connection had a pattern is not sent if it asks for it later, which is not passed over.
func TestV1SubscribeWithLastToWhatItHas(t *testing.T) {
	s := serve(t, notify.Config{})
	var epoch string
	for range 3 {
		epoch, _ = wantPublished(t, s.publish(t, "a.b", "x"), 0)
	}
	f, _ := s.v1(t, []string{"a.b"}, "")
	g, _ := s.v1(t, []string{"a.>"}, epoch+"-1")
	for range 2 {
		g.wantText(t, "a.b", "x")
	}
	for _, row := range []struct {
		f        v1Feed
		pattern  string
		last     int
		complete bool
	}{
		{f, "a.b", 2, false}, {f, "a.b", 3, true}, {g, "a.b", 1, true}, {g, "a.b", 0, false}, {g, "b", 0, true},
		{f, "a.>", 2, false}, {f, "a.b", 3, true}, {f, "a.b", 2, false},
	} {
		row.f.say(t, `{"type":"subscribe","topics":["%s"],"last":"%s-%d"}`, row.pattern, epoch, row.last)
		if m := row.f.want(t, "subscribed"); m.complete() != row.complete || m.Missed != 0 {
			t.Errorf("%s behind %d: %+v", row.pattern, row.last, m)
		}
	}
}

// What was lost between the messages that a client has recovered is lost for what it asks for later, too.
func TestV1SubscribeWithLastToWhatHasLosses(t *testing.T) {
	s := serve(t, notify.Config{History: notify.HistoryConfig{Messages: 1}})
	var epoch string
	for _, name := range []string{"a.y", "a.x", "a.x"} { // the second is lost
		epoch, _ = wantPublished(t, s.publish(t, name, "x"), 0)
	}
	f, w := s.v1(t, []string{"a.>"}, epoch+"-0")
	if w.complete() || w.Missed != 2 {
		t.Errorf("%+v", w)
	}
	f.wantText(t, "a.y", "x")
	f.wantText(t, "a.x", "x")
	for last, complete := range map[int]bool{1: false, 3: true} {
		f.say(t, `{"type":"subscribe","topics":["a.x"],"last":"%s-%d"}`, epoch, last)
		if m := f.want(t, "subscribed"); m.complete() != complete {
			t.Errorf("behind %d: %+v", last, m)
		}
	}
}

func TestV1Publish(t *testing.T) {
	const most = 1000                                                             // bytes of a message
	s := serve(t, notify.Config{Dev: true, Limits: notify.Limits{Message: most}}) // where everybody may
	f, _ := s.v1(t, []string{"a"}, "")
	plain := s.subscribe(t, "a")
	f.say(t, `{"type":"publish","topic":"a","data":"héllo","ref":"r"}`)
	var id string
	for range 2 { // in either order
		m, err := f.next()
		switch {
		case err != nil:
			t.Fatal(err)
		case m.Type == "published":
			if m.Subscribers != 2 || m.Ref != "r" {
				t.Errorf("%+v", m)
			}
		case m.Type != "message" || *m.Data != "héllo":
			t.Errorf("%+v", m)
		}
		if id != "" && id != m.ID {
			t.Errorf("the ids are %s and %s", id, m.ID)
		}
		id = m.ID
	}
	wantMessage(t, plain, websocket.TextMessage, "héllo")
	f.say(t, `{"type":"publish","topic":"other","base64":"AP8="}`)
	if m := f.want(t, "published"); m.Subscribers != 0 {
		t.Errorf("%+v", m)
	}
	f.say(t, `{"type":"publish","topic":"other","data":"%s"}`, strings.Repeat(`\u0000`, most))
	f.want(t, "published")
	f.say(t, `{"type":"publish","topic":"other","base64":"%s"}`, base64.StdEncoding.EncodeToString(make([]byte, most+1)))
	if m := f.want(t, "error"); !strings.Contains(m.Error, "larger than") {
		t.Errorf("%+v", m)
	}
	if err := f.c.WriteMessage(websocket.TextMessage, make([]byte, 6*most+64<<10+1)); err != nil {
		t.Fatal(err)
	}
	wantClose(t, f.c, websocket.CloseMessageTooBig)
}

func TestV1WithoutPermission(t *testing.T) {
	s := serve(t, notify.Config{})
	f, _ := s.v1(t, []string{"a"}, "")
	f.say(t, `{"type":"publish","topic":"a","data":"x","ref":"r"}`)
	if m := f.want(t, "error"); m.Ref != "r" || m.Error == "" {
		t.Errorf("%+v", m)
	}
	if _, seq := wantPublished(t, s.publish(t, "a", "x"), 1); seq != 1 {
		t.Errorf("seq %d; want 1: what was refused was published", seq)
	}
	f.wantText(t, "a", "x")
	if err := f.c.WriteMessage(websocket.TextMessage, make([]byte, 64<<10+1)); err != nil {
		t.Fatal(err)
	}
	wantClose(t, f.c, websocket.CloseMessageTooBig)
}

// A mistake is answered, and does no harm to the connection. 20 messages in a row that mean nothing end it; those that
// ask for what is not granted do not.
func TestV1Mistakes(t *testing.T) {
	s := serve(t, notify.Config{})
	f, _ := s.v1(t, []string{"a"}, "")
	for range 2 {
		for range 19 {
			f.say(t, `{"type":"subscribe","topics":[],"ref":"x"}`)
			if m := f.want(t, "error"); m.Ref != "x" || !strings.Contains(m.Error, "at least one") {
				t.Fatalf("%+v", m)
			}
		}
		f.say(t, `{"type":"ping","ref":"y"}`)
		if m := f.want(t, "pong"); m.Ref != "y" {
			t.Errorf("%+v", m)
		}
	}
	for range 30 {
		f.say(t, `{"type":"subscribe","topics":["b","not a topic"]}`)
		f.say(t, `{"type":"publish","topic":"b","data":"x"}`)
		if m := f.want(t, "error"); !strings.Contains(m.Error, "1 to 255") {
			t.Fatalf("%+v", m)
		}
		if m := f.want(t, "error"); !strings.Contains(m.Error, "not allowed") {
			t.Fatalf("%+v", m)
		}
	}
	if n := s.server.Subscribers("b"); n != 0 {
		t.Error("a part of what was refused was done")
	}
	f.c.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`))
	if m := f.want(t, "error"); !strings.Contains(m.Error, "text messages only") {
		t.Errorf("%+v", m)
	}
	for range 18 {
		f.say(t, "nonsense")
		f.want(t, "error")
	}
	f.say(t, "nonsense")
	f.want(t, "error")
	wantClose(t, f.c, websocket.ClosePolicyViolation)
}

func TestTooManyTopics(t *testing.T) {
	s := serve(t, notify.Config{Limits: notify.Limits{Topics: 3}})
	if _, err := s.openV1(t.Context(), []string{"a", "b", "c", "d"}, ""); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("4 topics: %v", err)
	}
	wantRefusal(t, s.do(t, "POST", "/publish?topic=a&topic=b&topic=c&topic=d", nil, "Authorization", "Bearer "+key), 400, "at most 3")
	f, _ := s.v1(t, []string{"a", "b"}, "")
	f.say(t, `{"type":"subscribe","topics":["c","d"]}`)
	if m := f.want(t, "error"); !strings.Contains(m.Error, "at most 3") {
		t.Errorf("%+v", m)
	}
	f.say(t, `{"type":"subscribe","topics":["c","a"]}`)
	f.want(t, "subscribed")
	f.say(t, `{"type":"unsubscribe","topics":["a"]}`)
	f.want(t, "unsubscribed")
	f.say(t, `{"type":"subscribe","topics":["d"]}`)
	f.want(t, "subscribed")
}

// A plain client that may publish, on one topic, does so with what it sends.
func TestPlainClientPublishes(t *testing.T) {
	s := serve(t, notify.Config{Dev: true})
	c, other := s.subscribe(t, "a"), s.subscribe(t, "a")
	c.WriteMessage(websocket.TextMessage, []byte("hello"))
	c.WriteMessage(websocket.BinaryMessage, []byte{0, 255})
	for _, c := range []*websocket.Conn{c, other} {
		wantMessage(t, c, websocket.TextMessage, "hello")
		wantMessage(t, c, websocket.BinaryMessage, "\x00\xff")
	}
	wild, _, err := new(websocket.Dialer).Dial(t.Context(), "ws://"+s.addr+"/topics/%3E", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer wild.CloseNow()
	wild.SetReadDeadline(time.Now().Add(patience))
	wantPublished(t, s.do(t, "POST", "/topics/a", strings.NewReader("x")), 3)
	wantMessage(t, wild, websocket.TextMessage, "x")
	wantMessage(t, c, websocket.TextMessage, "x")
	wild.WriteMessage(websocket.TextMessage, []byte("nowhere")) // on which topic?
	wantRefused(t, wild, "subscribes to one topic, no pattern")
	if err := c.WriteMessage(websocket.BinaryMessage, make([]byte, maxBody+1)); err != nil {
		t.Fatal(err)
	}
	wantClose(t, c, websocket.CloseMessageTooBig)
}

// Each kind of client gets a message once, whatever patterns of its own cover it.
func TestSeveralTopicsOnAConnection(t *testing.T) {
	s := serve(t, notify.Config{})
	c, _, err := new(websocket.Dialer).Dial(t.Context(), "ws://"+s.addr+"/ws"+query([]string{"a", "a.>", "a.b", "c", "c"}, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadDeadline(time.Now().Add(patience))
	for _, topic := range []string{"a", "a.b", "a.c", "c"} {
		wantPublished(t, s.publish(t, topic, topic), 1)
		wantMessage(t, c, websocket.TextMessage, topic)
	}
	wantPublished(t, s.publish(t, "b", "x"), 0)
}
