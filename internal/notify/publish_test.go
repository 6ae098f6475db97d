package notify_test

import (
	"io"
	"strings"
	"testing"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/notify"
)

const maxBody = 1 << 20

func TestPublishContentTypeDecidesTheMessageType(t *testing.T) {
	tests := []struct {
		contentType string // "" is none
		want        websocket.MessageType
	}{
		{"", websocket.TextMessage},
		{"text/plain; charset=utf-8", websocket.TextMessage},
		{"application/json", websocket.TextMessage},
		{"application/x-www-form-urlencoded", websocket.TextMessage}, // what curl -d says
		{"application/octet-stream-x", websocket.TextMessage},
		{"text/plain; application/octet-stream", websocket.TextMessage},
		{"///", websocket.TextMessage},
		{"application/octet-stream", websocket.BinaryMessage},
		{"Application/OCTET-Stream", websocket.BinaryMessage},
		{"application/octet-stream; charset=binary", websocket.BinaryMessage},
		{"application/octet-stream;type=image; padding=0", websocket.BinaryMessage},
		{"  application/octet-stream ;", websocket.BinaryMessage},
		{"application/octet-stream; a parameter that is none", websocket.BinaryMessage},
	}
	s := serve(t, notify.Config{})
	c := s.subscribe(t, "news")
	for _, tt := range tests {
		t.Run(tt.contentType, func(t *testing.T) {
			header := []string{"Content-Type", tt.contentType}
			if tt.contentType == "" {
				header = nil
			}
			wantPublished(t, s.publish(t, "news", "grüße", header...), 1)
			wantMessage(t, c, tt.want, "grüße")
		})
	}
}

func TestPublishTextIsUTF8(t *testing.T) {
	tests := []struct{ rule, body string }{
		{"a byte that never occurs", "abc\xff"},
		{"a character that is cut off", "abc\xe2\x82"},
		{"a surrogate", "\xed\xa0\x80"},
		{"a longer form than needed", "\xc0\xaf"},
		{"beyond the last character", "\xf4\x90\x80\x80"},
	}
	s := serve(t, notify.Config{})
	c := s.subscribe(t, "news")
	for i, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			wantRefusal(t, s.publish(t, "news", tt.body), 400, "application/octet-stream")
			_, seq := wantPublished(t, s.publish(t, "news", tt.body, "Content-Type", "application/octet-stream"), 1)
			if seq != i+1 {
				t.Errorf("seq %d; want %d: what is refused takes no number", seq, i+1)
			}
			wantMessage(t, c, websocket.BinaryMessage, tt.body)
		})
	}
}

func TestPublishBodyIsAtMostOneMiB(t *testing.T) {
	tests := []struct {
		rule    string
		size    int
		refused bool
	}{
		{"nothing", 0, false},
		{"one byte", 1, false},
		{"one byte less", maxBody - 1, false},
		{"exactly", maxBody, false},
		{"one byte more", maxBody + 1, true},
		{"twice as much", 2 * maxBody, true},
	}
	s := serve(t, notify.Config{})
	c := s.subscribe(t, "news")
	for _, tt := range tests {
		body := strings.Repeat("x", tt.size)
		for how, r := range map[string]io.Reader{
			"with Content-Length": strings.NewReader(body),
			"in chunks":           struct{ io.Reader }{strings.NewReader(body)}, // its length cannot be known
		} {
			t.Run(tt.rule+" "+how, func(t *testing.T) {
				got := s.do(t, "POST", "/topics/news", r, "Authorization", "Bearer "+key)
				if tt.refused {
					wantRefusal(t, got, 413, "1048576 bytes")
					return
				}
				wantPublished(t, got, 1)
				wantMessage(t, c, websocket.TextMessage, body)
			})
		}
	}
}

// A body that nobody would wait for is refused by what it is announced to have.
func TestPublishBodyThatIsFarTooLarge(t *testing.T) {
	s := serve(t, notify.Config{})
	got := s.raw(t, "POST /topics/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+key+"\r\nContent-Length: 99999999999\r\n\r\nabc")
	wantRefusal(t, got, 413, "larger than 1048576 bytes")
}

func TestPublishNeedsTheWholeBody(t *testing.T) {
	s := serve(t, notify.Config{})
	got := s.raw(t, "POST /topics/news HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+key+
		"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\nno chunk\r\n")
	wantRefusal(t, got, 400, "whole")
	if _, seq := wantPublished(t, s.publish(t, "news", "x"), 0); seq != 1 {
		t.Errorf("seq %d; want 1: half a body was published", seq)
	}
}

func TestPublishNeedsTheKey(t *testing.T) {
	tests := []struct {
		rule   string
		values []string // of Authorization
		why    string   // "" if it is accepted
	}{
		{rule: "the key", values: []string{"Bearer " + key}},
		{rule: "the scheme in small letters", values: []string{"bearer " + key}},
		{rule: "the scheme in capitals", values: []string{"BEARER " + key}},
		{rule: "two spaces", values: []string{"Bearer  " + key}},
		{rule: "none", why: "Authorization: Bearer KEY"},
		{rule: "empty", values: []string{""}, why: "Bearer KEY"},
		{rule: "the key alone", values: []string{key}, why: "Bearer KEY"},
		{rule: "another scheme", values: []string{"Basic " + key}, why: "Bearer KEY"},
		{rule: "a scheme that begins alike", values: []string{"Bearers " + key}, why: "Bearer KEY"},
		{rule: "the scheme alone", values: []string{"Bearer"}, why: "nothing behind Bearer"},
		{rule: "an empty key", values: []string{"Bearer "}, why: "nothing behind Bearer"},
		{rule: "no space", values: []string{"Bearer" + key}, why: "Bearer KEY"},
		{rule: "the key in small letters", values: []string{"Bearer " + strings.ToLower(key)}, why: "wrong"},
		{rule: "a beginning of the key", values: []string{"Bearer " + key[:len(key)-1]}, why: "wrong"},
		{rule: "the key and more", values: []string{"Bearer " + key + "x"}, why: "wrong"},
		{rule: "the key twice in one", values: []string{"Bearer " + key + ", Bearer " + key}, why: "wrong"},
		{rule: "twice", values: []string{"Bearer " + key, "Bearer " + key}, why: "Bearer KEY"},
		{rule: "twice, one wrong", values: []string{"Bearer " + key, "Bearer x"}, why: "Bearer KEY"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			s := serve(t, notify.Config{})
			var header []string
			for _, v := range tt.values {
				header = append(header, "Authorization", v)
			}
			got := s.do(t, "POST", "/topics/news", strings.NewReader("x"), header...)
			if tt.why == "" {
				wantPublished(t, got, 0)
				return
			}
			wantRefusal(t, got, 401, tt.why)
			want := `Bearer error="invalid_token"`
			if tt.values == nil {
				want = "Bearer"
			}
			if challenge := got.header.Get("WWW-Authenticate"); challenge != want {
				t.Errorf("WWW-Authenticate: %q; want %q", challenge, want)
			}
			if strings.Contains(got.body, key) {
				t.Errorf("the answer %q shows the key", got.body)
			}
			if _, seq := wantPublished(t, s.publish(t, "news", "x"), 0); seq != 1 {
				t.Errorf("seq %d; want 1: what was refused was published", seq)
			}
		})
	}
}

func TestPublishNumbersGrowOverAllTopics(t *testing.T) {
	other, _ := wantPublished(t, serve(t, notify.Config{}).publish(t, "a", "x"), 0)
	s := serve(t, notify.Config{})
	s.subscribe(t, "a")
	s.subscribe(t, "a")
	s.subscribe(t, "b")
	first, _ := wantPublished(t, s.publish(t, "none", "x"), 0)
	for i, tt := range []struct {
		topic       string
		subscribers int
	}{{"a", 2}, {"b", 1}, {"none", 0}, {"a", 2}} {
		epoch, seq := wantPublished(t, s.publish(t, tt.topic, "x"), tt.subscribers)
		if epoch != first || seq != i+2 {
			t.Errorf("id %s-%d; want %s-%d", epoch, seq, first, i+2)
		}
	}
	if other == first {
		t.Errorf("another run of the server has the epoch %s as well", other)
	}
}
