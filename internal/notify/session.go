package notify

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/topic"
)

const (
	maxFromClient = 64 << 10 // bytes of a message from somebody who may not publish
	escapeGrowth  = 6        // how much larger JSON makes a text at most, as \u0000
	maxErrors     = 20       // in a row, of a client that does not speak hawser.v1

	tooSlow     = "too slow: messages were dropped"
	tookNothing = "too slow: it took nothing for a while"
)

// A session is a WebSocket connection. One goroutine serves it.
type session struct {
	server *Server
	conn   *websocket.Conn
	access *Access
	client netip.Addr
	sub    subscriber
	errors int                       // of the client, in a row
	away   atomic.Pointer[departure] // why the server has sent it away; nil: it has not, or the Hub has
}

// serve sends what was missed, joins the Hub, and then reads until the connection has ended.
func (n *session) serve(sub *subscription) {
	n.sub.conn = n.conn
	if n.conn.Subprotocol() == Subprotocol {
		n.sub.form = jsonForm
	}
	kind := [forms]string{kindPlain, kindV1}[n.sub.form]
	n.server.meters.opened(kind)
	stop := atExpiry(n.access, func() { n.close(websocket.ClosePolicyViolation, leftExpired, n.access.expiry()) })
	err := n.run(sub)
	if errors.Is(err, websocket.ErrHubClosed) { // then the Hub may not say goodbye
		n.conn.CloseWith(websocket.CloseServiceRestart, n.server.goodbye(n.conn))
	}
	stop()
	n.server.broker.leave(&n.sub)
	n.server.left(kind, n.access, n.client, n.departure(err))
}

// run returns why the connection has ended.
func (n *session) run(sub *subscription) error {
	if n.sub.form == jsonForm {
		n.send(sub.start.reply("welcome", request{topics: sub.patterns}))
	}
	if err := n.join(sub.backlog, &sub.start, sub.patterns); err != nil {
		return err
	}
	most := int64(n.server.gate.limits().Message)
	switch {
	case n.sub.form == jsonForm:
		if len(n.access.Pub) > 0 {
			n.conn.SetReadLimit(maxFromClient + escapeGrowth*most)
		}
		return n.readRequests()
	case n.mayPublishPlain() == nil:
		n.conn.SetReadLimit(most)
	}
	return n.readMessages()
}

// mayPublishPlain refuses what a plain client sends, unless it may publish and it is clear on which topic.
func (n *session) mayPublishPlain() error {
	switch patterns := n.sub.patterns; {
	case len(n.access.Pub) == 0:
		return &Refusal{Code: "forbidden", Reason: "publishing needs permission: connect with a key or token that allows it"}
	case len(patterns) != 1 || !topic.Valid(patterns[0]):
		return &Refusal{Code: "message", Reason: "to publish without hawser.v1 a connection subscribes to one topic, no pattern"}
	default:
		return n.access.MayPublish(patterns[0])
	}
}

// join sends what was missed and what l has collected meanwhile, and leaves the rest to the Hub, from then on for all
// of patterns.
func (n *session) join(l *backlog, st *start, patterns []string) error {
	missed := st.missed
	st.missed = nil // its memory
	for {
		for _, m := range missed {
			if err := n.conn.WritePrepared(m.as(n.sub.form, nil)); err != nil {
				n.server.broker.ignore(l)
				n.stalled(err)
				return err
			}
		}
		joined, err := n.server.broker.join(l, &n.sub, patterns, st.since)
		if joined {
			return err
		}
		var ok bool
		if missed, ok = l.take(); !ok {
			n.server.broker.ignore(l)
			return n.close(websocket.CloseTryAgainLater, leftSlow, tooSlow)
		}
	}
}

// stalled ends a connection on which what was missed could not be sent, unless a Close is under way, which a cut would
// destroy.
func (n *session) stalled(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	if isTimeout(err) {
		n.away.CompareAndSwap(nil, &departure{leftSlow, tookNothing})
	}
	n.conn.CloseNow()
}

// isTimeout reports whether err is of a bound in time that has passed.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// readMessages publishes what a plain client sends. In a drain nothing is published any more; when it is this
// connection's turn the Hub says goodbye.
func (n *session) readMessages() error {
	for {
		t, p, err := n.conn.ReadMessage()
		if err != nil {
			return err
		}
		err = n.publishPlain(t, p)
		if err == nil {
			continue
		}
		n.server.meters.refused(refusalCode(err))
		if !n.server.closing.Load() {
			return n.close(websocket.ClosePolicyViolation, leftRefused, err.Error())
		}
	}
}

// publishPlain publishes a message of a plain client's. One that may not, and sends nothing in it, means to keep the
// connection alive.
func (n *session) publishPlain(t websocket.MessageType, p []byte) error {
	err := n.mayPublishPlain()
	switch {
	case err == nil:
		_, err = n.publish(n.sub.patterns[0], t, p)
		return err
	case len(p) == 0:
		return nil
	}
	return err
}

// publish publishes a message of the client's.
func (n *session) publish(name string, t websocket.MessageType, p []byte) (published, error) {
	gate := &n.server.gate
	if err := n.access.MayPublish(name); err != nil {
		return published{}, err
	}
	if most := gate.limits().Message; len(p) > most {
		return published{}, &Refusal{Code: "max_message", Reason: fmt.Sprintf("the message is larger than %d bytes", most)}
	}
	if err := gate.mayPublishNow(n.access, 1); err != nil {
		return published{}, err
	}
	results, err := n.server.broker.publish([]string{name}, t, p)
	if err != nil {
		return published{}, n.server.shuttingDown() // text from a WebSocket, or from JSON, is UTF-8
	}
	return results[0], nil
}

// readRequests answers what a client of hawser.v1 sends.
func (n *session) readRequests() error {
	for {
		t, p, err := n.conn.ReadMessage()
		if err != nil {
			return err
		}
		q, err := parse(t, p)
		if err != nil && !isRefusal(err) {
			n.refuse(q, err)
			if n.errors++; n.errors == maxErrors {
				why := fmt.Sprintf("%d messages in a row were not understood; the last: %v", maxErrors, err)
				return n.close(websocket.ClosePolicyViolation, leftRefused, why)
			}
			continue
		}
		n.errors = 0
		if err == nil {
			err = n.handle(q)
		}
		switch {
		case isRefusal(err):
			n.refuse(q, err)
		case err != nil:
			return err // the connection has ended, or the Hub was shut down
		}
	}
}

// isRefusal reports whether err says that what a message asks for is not granted.
func isRefusal(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal)
}

// refuse answers a message of which nothing is done.
func (n *session) refuse(q request, err error) {
	n.server.meters.refused(refusalCode(err))
	n.send(reply{Type: "error", Error: err.Error(), Ref: q.ref})
}

// parse reads a message of a client of hawser.v1. A *Refusal says that only the name of a topic is wrong.
func parse(t websocket.MessageType, p []byte) (request, error) {
	if t != websocket.TextMessage {
		return request{}, errors.New("hawser.v1 has text messages only; binary data goes into base64")
	}
	return parseRequest(p)
}

// handle does what a request asks for and answers it. A *Refusal is left to be answered; another error says that the
// connection has ended or is about to.
func (n *session) handle(q request) error {
	switch q.kind {
	case "subscribe":
		return n.subscribe(q)
	case "unsubscribe":
		left := slices.DeleteFunc(slices.Clone(n.sub.patterns), func(p string) bool { return slices.Contains(q.topics, p) })
		if _, err := n.server.broker.resubscribe(&n.sub, left); err != nil {
			return err
		}
		n.send(reply{Type: "unsubscribed", Topics: q.topics, Ref: q.ref})
	case "publish":
		result, err := n.publish(q.topic, q.msgType, q.payload)
		if err != nil {
			return err
		}
		n.send(reply{Type: "published", ID: result.ID, Subscribers: &result.Subscribers, Ref: q.ref})
	case "ping":
		n.send(reply{Type: "pong", Ref: q.ref})
	}
	return nil
}

// subscribe adds patterns. Without last the Hub has them at once, so that the order over all topics is kept; with it
// what was missed comes first.
func (n *session) subscribe(q request) error {
	all := once(slices.Concat(n.sub.patterns, q.topics))
	if most := n.server.gate.limits().Topics; len(all) > most {
		return tooManyTopics(len(all), most)
	}
	for _, p := range q.topics {
		if err := n.access.MaySubscribe(p); err != nil {
			return err
		}
	}
	if q.last == nil {
		after, err := n.server.broker.resubscribe(&n.sub, all)
		if err == nil {
			n.send(start{after: after}.reply("subscribed", q))
		}
		return err
	}
	l, st, err := n.server.broker.listen(q.topics, n.sub.since, q.last)
	if err != nil {
		return err
	}
	n.send(st.reply("subscribed", q))
	return n.join(l, &st, all)
}

// send sends a reply. If it cannot the connection is ending, which the reader notices.
func (n *session) send(a reply) { n.conn.WriteMessage(websocket.TextMessage, marshal(a)) }

// close closes the connection and returns what that makes of it. how and reason are what becomes of it in the metrics
// and the log.
func (n *session) close(code websocket.CloseCode, how, reason string) error {
	n.away.CompareAndSwap(nil, &departure{how, reason})
	n.conn.CloseWith(code, reason)
	return net.ErrClosed
}

// departure says how the connection has ended, with err.
func (n *session) departure(err error) departure {
	var closed *websocket.CloseError
	var violation *websocket.ProtocolError
	switch away := n.away.Load(); {
	case away != nil:
		return *away
	case errors.As(err, &closed):
		return departure{how: leftItself}
	case errors.As(err, &violation):
		return departure{leftFault, violation.Reason}
	case errors.Is(err, websocket.ErrHubClosed), errors.Is(err, net.ErrClosed) && n.server.closing.Load():
		return departure{how: leftServer}
	case errors.Is(err, net.ErrClosed):
		return departure{leftSlow, tooSlow} // which is all that the Hub closes a connection for
	case isTimeout(err):
		return departure{how: leftTimeout}
	}
	return departure{how: leftLost}
}
