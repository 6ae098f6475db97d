package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"hawser.example/websocket"
)

var errAllEnded = errors.New("all connections have ended")

// A loadJob is a message that is due.
type loadJob struct {
	n    int
	sent time.Duration
}

// send sends the messages at their times. It waits for no answer: what waits for a sender counts as sent, so that a
// server that holds senders up is not spared. It only leaves messages out where loadWindow of them would be under way.
func (l *loadRun) send(ctx context.Context) {
	jobs := make(chan loadJob, loadWindow) // has room for all that may be under way
	var sending sync.WaitGroup
	for range min(senders, len(l.messages)) {
		sending.Go(func() { l.sendAll(jobs) })
	}
	start, oldest := time.Now(), 0
	due := func(n int) time.Time { return start.Add(seconds(float64(n) / l.rate)) }
	for n := range l.messages {
		if !waitUntil(ctx, due(n)) {
			break
		}
		if l.stats.open.Load() == 0 {
			l.abort(errAllEnded)
			break
		}
		for oldest < n && l.messages[oldest].answered.Load() {
			oldest++
		}
		if n-oldest >= loadWindow {
			l.messages[n].answered.Store(true)
			l.stats.fail("send: left out, since the server had not answered for earlier ones", nil)
			continue
		}
		jobs <- loadJob{n, due(n).Sub(l.begun)} // its turn: if we are late that is part of its delay
	}
	close(jobs)
	waitUntil(ctx, due(len(l.messages))) // the last one has its share of the time too, so that the rate is right
	sending.Wait()
	l.stats.sendTime = time.Since(start)
}

// sendAll sends the messages that it is given.
func (l *loadRun) sendAll(jobs <-chan loadJob) {
	var p []byte
	for job := range jobs {
		p = appendLoad(p[:0], l.id, uint32(job.n), job.sent, l.size)
		m := &l.messages[job.n]
		var to int
		var err error
		if l.echo {
			to, err = 1, l.sendEcho(job.n, p)
		} else {
			to, err = l.post(p)
		}
		if err == nil {
			l.stats.sent.Add(1)
			m.expected.Store(int32(to))
			l.stats.expected.Add(int64(to))
		}
		m.answered.Store(true)
	}
}

// sendEcho sends a message over the connection whose turn it is.
func (l *loadRun) sendEcho(n int, p []byte) error {
	c := l.conns[n%len(l.conns)]
	err := c.c.WriteMessage(websocket.TextMessage, p)
	if err != nil {
		l.stats.fail("send: the connection had ended", err)
	}
	return err
}

// post publishes a message and returns how many of our connections the server sent it to.
func (l *loadRun) post(p []byte) (to int, err error) {
	r, err := newPost(context.Background(), l.publish, l.key, p)
	if err != nil {
		l.abort(err)
		return 0, err
	}
	res, err := l.client.Do(r)
	if err != nil {
		l.stats.fail("publish: "+postKind(err), err)
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPostAnswer))
	if err != nil {
		l.stats.fail("publish: "+postKind(err), err)
		return 0, err
	}
	return l.answered(res.StatusCode, body)
}

// answered reads the server's answer to a message.
func (l *loadRun) answered(status int, body []byte) (to int, err error) {
	var answer struct {
		Subscribers *int   `json:"subscribers"`
		Error       string `json:"error"`
	}
	malformed := json.Unmarshal(body, &answer)
	switch {
	case status != http.StatusOK:
		err := newPublishError(status, answer.Error)
		l.stats.fail(fmt.Sprintf("publish: status %d", status), err)
		if isFinal(status) {
			l.abort(err)
		}
		return 0, err
	case malformed != nil || answer.Subscribers == nil || *answer.Subscribers < 0:
		err := fmt.Errorf("the answer to a publisher has to be {\"id\":…,\"subscribers\":N}; it is %s", clip(string(body)))
		l.stats.fail("publish: not the answer of hawser serve", err)
		l.abort(err)
		return 0, err
	case *answer.Subscribers > len(l.conns):
		// Others subscribe too. Of ours it can be no more than there are.
		raise(&l.stats.others, int64(*answer.Subscribers-len(l.conns)))
		return len(l.conns), nil
	}
	return *answer.Subscribers, nil
}

// isFinal reports whether the next message would be refused as well.
func isFinal(status int) bool {
	return status >= 300 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// postKind says in a few words why there was no answer.
func postKind(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", answerTime)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the answer"
	}
	return systemKind(err, "failed")
}

// clip returns what a terminal can show of a text of the server's.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.QuoteToGraphic(s)
}
