package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket"
)

// A logText is a log that a test reads.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// logger writes to l what is at least as grave as level.
func (l *logText) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// lines returns the lines that match a pattern, since lines was called last.
func (l *logText) lines(pattern string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	re := regexp.MustCompile(pattern)
	for line := range strings.Lines(l.text.String()) {
		if re.MatchString(line) {
			found = append(found, line)
		}
	}
	return found
}

// wantLines wants n lines that match a pattern.
func (l *logText) wantLines(t *testing.T, n int, pattern string) {
	t.Helper()
	if found := l.lines(pattern); len(found) != n {
		t.Errorf("%d lines match %q, want %d, in\n%s", len(found), pattern, n, l.text.String())
	}
}

// A stranger cannot fill the log: of one reason there are some lines in a second, and how many more there were.
func TestRefusalsAreLoggedWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logText
		g := testGate(t, Config{Log: log.logger(slog.LevelInfo)})
		for range 100 {
			g.refused(carrying(""), unauthorized("wrong_key", "the key is wrong"))
		}
		g.refused(carrying(""), unauthorized("no_token", "a token is missing"))
		log.wantLines(t, linesPerSecond, `msg=refused reason=wrong_key status=401`)
		log.wantLines(t, 1, `msg=refused reason=no_token status=401`)
		log.wantLines(t, 0, `left_out`)
		time.Sleep(time.Second)
		synctest.Wait()
		log.wantLines(t, 1, `msg=refused reason=wrong_key left_out=90`)
		g.refused(carrying(""), unauthorized("wrong_key", "the key is wrong"))
		time.Sleep(time.Minute)
		log.wantLines(t, linesPerSecond+1, `msg=refused reason=wrong_key status=401`)
		log.wantLines(t, 1, `left_out`)
		if n := g.meters.refusals.With("wrong_key").Value(); n != 101 {
			t.Errorf("%d are counted", n)
		}
	})
}

// Why the authorization service gives no answer is in the log, for who has to mend it, and in no answer.
func TestForwardLogsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logText
		s := testServer(t, Config{AuthURL: "http://auth.example/?secret=7", Log: log.logger(slog.LevelWarn)})
		failure := errors.New("dial tcp 192.0.2.7:80: connect: connection refused")
		status := 0
		s.gate.rules.Load().forward.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if status != 0 {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			}
			return nil, failure
		})
		ask := func() {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("POST", "/topics/a", strings.NewReader("x")))
			if w.Code != 503 || strings.Contains(w.Body.String(), "192.0.2.7") || strings.Contains(w.Body.String(), "418") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		for range 20 {
			ask()
		}
		const cause = `level=WARN msg="the authorization service gave no answer to go by" reason=auth_unavailable `
		log.wantLines(t, 1, cause+`cause="(.*: )?dial tcp 192.0.2.7:80: connect: connection refused"`)
		time.Sleep(time.Second)
		synctest.Wait()
		log.wantLines(t, 1, cause+`left_out=19`)
		status = 418
		ask()
		log.wantLines(t, 1, cause+`cause="its answer has status 418"`)
		log.wantLines(t, 0, `secret`)
	})
}

// Whom the server sends away is in the log, with the reason; who leaves by himself only for who looks closely.
func TestDeparturesAreLogged(t *testing.T) {
	client := netip.MustParseAddr("192.0.2.9")
	synctest.Test(t, func(t *testing.T) {
		var log logText
		s := testServer(t, Config{Log: log.logger(slog.LevelDebug), Limits: Limits{PublishRate: 1}})
		open := func(access *Access) *websocket.Conn {
			server, c := websocket.Pipe(nil)
			server.SetReadLimit(maxFromClient)
			l, st, err := s.broker.listen([]string{"a"}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := &session{server: s, conn: server, access: access, client: client}
			go n.serve(&subscription{patterns: []string{"a"}, client: client, access: access, backlog: l, start: st})
			synctest.Wait()
			return c
		}
		end := func(c *websocket.Conn) {
			c.Drain()
			<-c.Done()
			synctest.Wait()
		}
		end(open(&Access{Expires: time.Now().Add(time.Minute), Subject: "alice"}))
		log.wantLines(t, 1, `level=INFO msg="sent away" reason=expired kind=websocket who=alice client=192\.0\.2\.9 `+
			`why="the permission has expired; connect again"`)

		rude := open(&Access{})
		rude.WriteMessage(websocket.TextMessage, nil) // does no harm
		synctest.Wait()
		log.wantLines(t, 1, `sent away`)
		rude.WriteMessage(websocket.TextMessage, []byte("x"))
		end(rude)
		log.wantLines(t, 1, `level=INFO msg="sent away" reason=refused .*why="publishing needs permission`)

		large := open(&Access{})
		go large.WriteMessage(websocket.TextMessage, make([]byte, maxFromClient+1))
		end(large)
		log.wantLines(t, 1, `level=INFO msg="sent away" reason=violation `)

		polite := open(&Access{Subject: "bob"})
		go polite.Close()
		<-polite.Done()
		synctest.Wait()
		log.wantLines(t, 1, `level=DEBUG msg=left reason=client kind=websocket who=bob client=192\.0\.2\.9`)
		log.wantLines(t, 3, `sent away`)
		if n := s.gate.meters.refusals.With("forbidden").Value(); n != 1 {
			t.Errorf("%d refusals are counted", n)
		}
	})
}

// Who does not read is slow: while messages are published, and while it is sent what it has missed.
func TestSlowDeparturesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logText
		s := testServer(t, Config{Log: log.logger(slog.LevelInfo), Limits: Limits{Queue: 10 * messageCost}})
		c := begin(t, s, &Access{}, nil, "a")
		for i := range 1000 {
			publishText(t, s, "a", fmt.Sprint(i, strings.Repeat(".", 1<<10)))
		}
		late := begin(t, s, &Access{}, &position{s.broker.epoch, 0}, "a")
		time.Sleep(time.Minute)
		c.CloseNow()
		late.CloseNow()
		synctest.Wait()
		log.wantLines(t, 1, `level=INFO msg="sent away" reason=slow kind=websocket .* why="too slow: messages were dropped"`)
		log.wantLines(t, 1, `level=INFO msg="sent away" reason=slow kind=websocket .* why="too slow: it took nothing for a while"`)
		if n := s.meters.closings.With(kindPlain, leftSlow).Value(); n != 2 {
			t.Errorf("%d are counted", n)
		}
	})
}

// A failingTap ends the request's context when a write fails, as net/http does.
type failingTap struct {
	*tap
	end func()
}

func (w failingTap) Write(p []byte) (int, error) {
	n, err := w.tap.Write(p)
	if err != nil {
		w.end()
	}
	return n, err
}

// A client of server-sent events that never reads is slow: it has not gone, nor been lost.
func TestEventsThatAreNotReadAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logText
		s := testServer(t, Config{Log: log.logger(slog.LevelInfo)})
		ctx, cancel := context.WithCancel(t.Context())
		w := failingTap{newTap(), cancel}
		w.stop()
		s.ServeHTTP(w, func() *http.Request {
			r := httptest.NewRequest("GET", "/topics/a", nil).WithContext(ctx)
			r.Header.Set("Accept", eventStream)
			return r
		}())
		if n := s.meters.closings.With(kindSSE, leftSlow).Value(); n != 1 || ctx.Err() == nil {
			t.Errorf("%d are counted", n)
		}
		log.wantLines(t, 1, `level=INFO msg="sent away" reason=slow kind=sse who=192\.0\.2\.1 client=192\.0\.2\.1 .*took nothing`)
		var e stream
		if got := e.end(t.Context(), os.ErrClosed); got.how != leftLost {
			t.Errorf("another error counts as %s", got.how)
		}
	})
}
