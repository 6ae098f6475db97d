package notify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
)

// A told is anything that the server says in JSON.
type told struct {
	Type, ID, Topic, Error, Ref string
	Topics                      []string
	Data                        *string
	Base64                      []byte
	Recovered                   *bool
	Missed, Subscribers         int
	Retry                       int64
}

// seq is the number in the id.
func (m told) seq() int {
	_, number, _ := strings.Cut(m.ID, "-")
	seq, err := strconv.Atoi(number)
	if err != nil {
		panic(fmt.Sprintf("%+v has no id", m))
	}
	return seq
}

// complete reports whether nothing was said to be missing.
func (m told) complete() bool { return m.Recovered == nil || *m.Recovered }

// parseTold reads p strictly: there must be no field that docs/PROTOCOL.md does not have.
func parseTold(p []byte) (m told, err error) {
	d := json.NewDecoder(strings.NewReader(string(p)))
	d.DisallowUnknownFields()
	return m, d.Decode(&m)
}

// A feed is a client that gets messages with their ids, of either kind.
type feed interface {
	next() (told, error) // the welcome first
	cut()
}

// query returns the URL's query of a subscriber. last may be empty.
func query(topics []string, last string) string {
	q := url.Values{"topic": topics}
	if last != "" {
		q.Set("last-id", last)
	}
	return "?" + q.Encode()
}

// A v1Feed speaks hawser.v1.
type v1Feed struct{ c *websocket.Conn }

// openV1 connects to /ws.
func (s *service) openV1(ctx context.Context, topics []string, last string) (v1Feed, error) {
	d := websocket.Dialer{Subprotocols: []string{"hawser.v1"}}
	c, _, err := d.Dial(ctx, "ws://"+s.addr+"/ws"+query(topics, last), nil)
	if err == nil {
		c.SetReadDeadline(time.Now().Add(patience))
	}
	return v1Feed{c}, err
}

// v1 is openV1 that ends with the test, and takes the welcome.
func (s *service) v1(t *testing.T, topics []string, last string) (v1Feed, told) {
	t.Helper()
	f, err := s.openV1(t.Context(), topics, last)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.cut)
	return f, f.want(t, "welcome")
}

func (f v1Feed) next() (told, error) {
	messageType, p, err := f.c.ReadMessage()
	if err != nil {
		return told{}, err
	}
	if messageType != websocket.TextMessage {
		return told{}, errors.New("a binary message")
	}
	return parseTold(p)
}

func (f v1Feed) cut() { f.c.CloseNow() }

// want returns the next message, of which it checks the type.
func (f v1Feed) want(t *testing.T, kind string) told {
	t.Helper()
	m, err := f.next()
	if err != nil || m.Type != kind {
		t.Fatalf("%+v, error %v; want %s", m, err, kind)
	}
	return m
}

// wantText wants the next message to be text of a topic.
func (f v1Feed) wantText(t *testing.T, topic, text string) told {
	t.Helper()
	m := f.want(t, "message")
	if m.Topic != topic || m.Data == nil || *m.Data != text {
		t.Errorf("%+v; want %q of %s", m, text, topic)
	}
	return m
}

// say sends JSON.
func (f v1Feed) say(t *testing.T, format string, args ...any) {
	t.Helper()
	if err := f.c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		t.Fatal(err)
	}
}

// An sseFeed gets server-sent events.
type sseFeed struct {
	*bufio.Reader
	response *http.Response
	cancel   context.CancelFunc
}

// openSSE connects to /ws, with last in the header.
func (s *service) openSSE(ctx context.Context, path string, last string) (sseFeed, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, "GET", s.web.URL+path, nil)
	if err != nil {
		cancel()
		return sseFeed{}, err
	}
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := s.web.Client().Transport.RoundTrip(r)
	if err == nil && resp.StatusCode != 200 {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		err = fmt.Errorf("status %d, %s", resp.StatusCode, body)
	}
	if err != nil {
		cancel()
		return sseFeed{}, err
	}
	return sseFeed{bufio.NewReader(resp.Body), resp, cancel}, nil
}

func (f sseFeed) cut() {
	f.cancel()
	f.response.Body.Close()
}

// An event is one of server-sent events, as a browser takes it apart.
type event struct {
	kind, id, data, retry string
	comment               bool // it was none
}

// event reads an event or a comment.
func (f sseFeed) event() (e event, err error) {
	for lines := 0; ; lines++ {
		line, err := f.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "":
			if line != "\n" {
				e.comment = true
				continue
			}
			if lines == 0 {
				return e, errors.New("an empty event")
			}
			return e, nil
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data += value
		case "retry":
			e.retry = value
		default:
			return e, fmt.Errorf("the line %q", line)
		}
	}
}

func (f sseFeed) next() (told, error) {
	for {
		e, err := f.event()
		switch {
		case err != nil:
			return told{}, err
		case e.comment:
			continue
		}
		m, err := parseTold([]byte(e.data))
		want := event{kind: m.Type, id: m.ID, data: e.data}
		if m.Type == "message" {
			want.kind = ""
		}
		if m.Type == "drain" {
			want.retry = fmt.Sprint(m.Retry)
		}
		if err == nil && e != want {
			err = fmt.Errorf("the event %+v; want %+v", e, want)
		}
		return m, err
	}
}
