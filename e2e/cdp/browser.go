package cdp

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	websocket "hawser.example/websocket"
)

// readLimit is room for a screenshot of a long page, base64 inside JSON.
const readLimit = 64 << 20

// Browser is a running Chromium and the DevTools connection to it. Its methods may be called from any goroutine.
type Browser struct {
	process *chromium
	conn    *websocket.Conn
	ended   chan struct{} // closed when the connection has ended; err is set before

	mu      sync.Mutex
	lastID  int64
	pending map[int64]chan message // calls that wait for their answer
	pages   map[string]*Page       // by session
	err     error
}

// message is anything the endpoint sends: the answer to a call (ID is set) or an event (Method is set).
type message struct {
	ID        int64           `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// call is a request as it is sent.
type call struct {
	ID        int64  `json:"id"`
	SessionID string `json:"sessionId,omitempty"`
	Method    string `json:"method"`
	Params    any    `json:"params,omitempty"`
}

// Start runs a headless Chromium with an empty profile and connects to it.
func Start(ctx context.Context) (*Browser, error) {
	process, err := startChromium(ctx)
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{ReadLimit: readLimit}
	conn, _, err := dialer.Dial(ctx, process.url, nil)
	if err != nil {
		process.stop()
		return nil, fmt.Errorf("cdp: dial %s: %w", process.url, err)
	}
	b := &Browser{
		process: process,
		conn:    conn,
		ended:   make(chan struct{}),
		pending: make(map[int64]chan message),
		pages:   make(map[string]*Page),
	}
	go b.read()
	return b, nil
}

// Close ends the DevTools connection with a closing handshake, then the browser. The error is that of the handshake.
func (b *Browser) Close() error {
	err := b.conn.Close()
	<-b.ended
	if stopErr := b.process.stop(); err == nil {
		err = stopErr
	}
	return err
}

// Version returns what the browser calls itself, such as "Chrome/141.0.7390.54".
func (b *Browser) Version(ctx context.Context) (string, error) {
	var version struct {
		Product string `json:"product"`
	}
	err := b.call(ctx, "", "Browser.getVersion", nil, &version)
	return version.Product, err
}

// Stats returns the counters of the DevTools connection.
func (b *Browser) Stats() websocket.Stats { return b.conn.Stats() }

// read delivers every message to the call or the page it is for, until the connection ends.
func (b *Browser) read() {
	defer close(b.ended)
	for {
		var m message
		if err := b.conn.ReadJSON(&m); err != nil {
			b.mu.Lock()
			b.err = fmt.Errorf("cdp: the DevTools connection ended: %w", err)
			b.mu.Unlock()
			return
		}
		b.deliver(m)
	}
}

func (b *Browser) deliver(m message) {
	b.mu.Lock()
	answer := b.pending[m.ID]
	delete(b.pending, m.ID)
	page := b.pages[m.SessionID]
	b.mu.Unlock()
	switch {
	case m.ID != 0 && answer != nil:
		answer <- m
	case m.Method != "" && page != nil:
		page.event(m)
	}
}

// call sends one request and decodes the answer into result, unless that is nil.
func (b *Browser) call(ctx context.Context, session, method string, params, result any) error {
	answer := make(chan message, 1)
	b.mu.Lock()
	b.lastID++
	id := b.lastID
	b.pending[id] = answer
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.pending, id)
		b.mu.Unlock()
	}()
	if err := b.conn.WriteJSON(call{id, session, method, params}); err != nil {
		return fmt.Errorf("cdp: %s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("cdp: %s: %s (%d)", method, m.Error.Message, m.Error.Code)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-b.ended:
		b.mu.Lock()
		defer b.mu.Unlock()
		return fmt.Errorf("cdp: %s: %w", method, b.err)
	case <-ctx.Done():
		return fmt.Errorf("cdp: %s: %w", method, context.Cause(ctx))
	}
}
