package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
)

// The tests of this file are about permessage-deflate, RFC 7692: which flag makes who offer, accept and use it.

// repetitive is a text of 450 bytes that gets much smaller.
var repetitive = strings.Repeat("hawser ü ", 45)

// dialDeflate connects with an offer, nil for none, and wants it answered with extension.
func dialDeflate(t *testing.T, url string, offer *websocket.Compression, extension string) *peer {
	t.Helper()
	c := dialWith(t, &websocket.Dialer{Compression: offer}, url, nil)
	if got := c.Extension(); got != extension {
		t.Errorf("the extension is %q; want %q", got, extension)
	}
	return c
}

// TestEchoCompress: with --compress it does what a client asks for, --no-takeover excepted, and without it nothing.
func TestEchoCompress(t *testing.T) {
	const plain, none = "permessage-deflate", "; server_no_context_takeover; client_no_context_takeover"
	offers := map[string]*websocket.Compression{
		"nothing":    nil,
		"everything": {Threshold: -1},
		"no takeover": {
			Threshold: -1,
			Send:      websocket.CompressionContext{NoTakeover: true},
			Receive:   websocket.CompressionContext{NoTakeover: true},
		},
		"small windows": {
			Threshold: -1,
			Send:      websocket.CompressionContext{WindowBits: 9},
			Receive:   websocket.CompressionContext{WindowBits: 8},
		},
	}
	const small = "; server_max_window_bits=8; client_max_window_bits=9"
	for _, row := range []struct {
		flags string
		want  map[string]string
	}{
		{"", map[string]string{}},
		{"--compress", map[string]string{"everything": plain, "no takeover": plain + none, "small windows": plain + small}},
		{"--compress --no-takeover", map[string]string{
			"everything": plain + none, "no takeover": plain + none, "small windows": plain + none + small}},
	} {
		_, addr := startEcho(t, strings.Fields(row.flags)...)
		for name, offer := range offers {
			t.Run(strings.TrimSpace(row.flags+" "+name), func(t *testing.T) {
				want := row.want[name]
				c := dialDeflate(t, "ws://"+addr, offer, want)
				for _, m := range []string{repetitive, "", repetitive, "x"} {
					if err := c.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
						t.Fatal(err)
					}
					c.wantMessage(websocket.TextMessage, m)
				}
				var compressed int64
				switch { // the threshold is off on both sides
				case strings.Contains(want, none):
					compressed = 2 // without a context what gains nothing is sent as it is
				case want != "":
					compressed = 4
				}
				if s := c.Stats(); s.CompressedIn != compressed || s.CompressedOut != compressed ||
					compressed > 0 && s.CompressedBytesIn > 200 {
					t.Errorf("compressed: %d of the messages in, to %d bytes, and %d of those out; want %d of each",
						s.CompressedIn, s.CompressedBytesIn, s.CompressedOut, compressed)
				}
			})
		}
	}
}

// TestServeCompresses: by default, without a context, and not with --no-deflate.
func TestServeCompresses(t *testing.T) {
	for _, row := range []struct{ flags, extension string }{
		{"", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"--no-deflate", ""},
	} {
		_, addr := startServe(t, strings.Fields(row.flags)...)
		url := "//" + addr + "/topics/news"
		c := dialDeflate(t, "ws:"+url, new(websocket.Compression), row.extension)
		without := dialDeflate(t, "ws:"+url, nil, "")
		for range 2 {
			if status, answer := request(t, http.MethodPost, "http:"+url, repetitive, withKey()); status != 200 {
				t.Fatalf("publishing: %d %s", status, answer)
			}
			c.wantMessage(websocket.TextMessage, repetitive)
			without.wantMessage(websocket.TextMessage, repetitive)
		}
		s := c.Stats()
		if on := row.extension != ""; on != (s.CompressedIn == 2) || on && s.CompressedBytesIn > 100 {
			t.Errorf("%q: %d messages came compressed, to %d bytes", row.flags, s.CompressedIn, s.CompressedBytesIn)
		}
		if n := without.Stats().CompressedIn; n != 0 {
			t.Errorf("%q: %d messages came compressed without an offer", row.flags, n)
		}
	}
}

// TestConnectOffersCompression, unless it is told not to.
func TestConnectOffersCompression(t *testing.T) {
	for _, row := range []struct{ flag, offer string }{
		{"-b=false", "permessage-deflate; client_max_window_bits"},
		{"--no-deflate", ""},
	} {
		var upgrader websocket.Upgrader
		offer := make(chan string, 1)
		url := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
			offer <- strings.Join(r.Header.Values("Sec-WebSocket-Extensions"), " and ")
			if c, err := upgrader.Upgrade(w, r, nil); err == nil {
				defer c.CloseNow()
				echoAll(c)
			}
		})
		filter(t, "hello\n", "hello\n", row.flag, "-n", "1", url)
		if got := <-offer; got != row.offer {
			t.Errorf("with %s it offers %q; want %q", row.flag, got, row.offer)
		}
	}
}

// TestConnectVerbose: -v says on standard error what was agreed on, and of each message how it came and went. Standard
// output is what it is without -v.
func TestConnectVerbose(t *testing.T) {
	// What went is said when it has gone; by then the answer may have been said.
	message := func(direction string, size int, how string) string {
		return fmt.Sprintf(`(?m)^%s text, %d bytes%s$`, direction, size, how)
	}
	const compressed = `, RSV1: [1-9]\d? bytes compressed`
	for _, row := range []struct {
		echo, flags string
		extension   string
		long, short string // how the echoes of both messages come
	}{
		{"--compress", "", `permessage-deflate`, compressed, compressed},
		{"--compress --no-takeover", "", `permessage-deflate; server_no_context_takeover; client_no_context_takeover`,
			compressed, ""},
		{"--compress", "--no-deflate", `none`, "", ""},
		{"", "", `none`, "", ""},
	} {
		t.Run(row.echo+" and "+row.flags, func(t *testing.T) {
			_, addr := startEcho(t, strings.Fields(row.echo)...)
			args := append(strings.Fields(row.flags), "-v", "-n", "2", "-m", repetitive, "-m", "hi", "ws://"+addr)
			code, stdout, stderr := pipe(t, "", args...)
			if code != exitOK || stdout != repetitive+"\nhi\n" {
				t.Errorf("exit code %d, printed %q", code, stdout)
			}
			for _, pattern := range []string{
				`(?m)^\* extension: ` + row.extension + `$`,
				message(">", len(repetitive), row.long), message("<", len(repetitive), row.long),
				message(">", 2, ""), message("<", 2, row.short), // connect has a threshold, echo has none
			} {
				if !regexp.MustCompile(pattern).MatchString(stderr) {
					t.Errorf("said\n%s\nwant %s", stderr, pattern)
				}
			}
		})
	}
}

// TestConnectVerboseInAPipe: lines of standard input, binary messages and empty ones are described too.
func TestConnectVerboseInAPipe(t *testing.T) {
	url := scripted(t, func(c *websocket.Conn) {
		c.ReadMessage()
		c.WriteMessage(websocket.BinaryMessage, []byte("\x00\xff"))
		c.WriteMessage(websocket.TextMessage, nil)
		wantGoodbye(t, c)
	})
	code, stdout, stderr := pipe(t, "grüße\n", "-v", "-n", "2", url)
	if code != exitOK || stdout != "\x00\xff\n\n" {
		t.Errorf("exit code %d, printed %q; want 0, both", code, stdout)
	}
	for _, line := range []string{"* extension: none", "< binary, 2 bytes", "< text, 0 bytes", "> text, 7 bytes"} {
		if !strings.Contains(stderr, "\n"+line+"\n") {
			t.Errorf("said %q; want %q", stderr, line)
		}
	}
}

// TestConnectThatGetsCorruptData: exit code 1, and what is wrong; nothing of the message is printed.
func TestConnectThatGetsCorruptData(t *testing.T) {
	url := compressing(t, func(c *websocket.Conn) error {
		say(t, c, "hello")
		_, err := c.NetConn().Write([]byte("\xc1\x03\xff\xff\xff")) // a block of the reserved type
		c.ReadMessage()
		return err
	})
	code, stdout, stderr := pipe(t, "", "-w", "-1s", url)
	if code != exitFailed || stdout != "hello\n" || !regexp.MustCompile(`1007.*corrupt`).MatchString(stderr) {
		t.Errorf("exit code %d, printed %q, said %q; want 1, hello, 1007", code, stdout, stderr)
	}
}

// compressing serves one connection with compression and returns its URL.
func compressing(t *testing.T, script func(c *websocket.Conn) error) (url string) {
	t.Helper()
	upgrader := websocket.Upgrader{Compression: new(websocket.Compression)}
	return serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		c.SetReadDeadline(time.Now().Add(patience))
		if err := script(c); err != nil {
			t.Error(err)
		}
	})
}

// TestTesteeOffersCompression: the suite's cases of compression need it, for messages of any size.
func TestTesteeOffersCompression(t *testing.T) {
	f := newFuzzer(t, func(c *websocket.Conn) error {
		if c.Extension() == "" {
			return errors.New("no extension was agreed on")
		}
		for _, m := range []string{repetitive, "x", ""} {
			if err := wantEcho(c, websocket.TextMessage, []byte(m)); err != nil {
				return err
			}
		}
		// Without a context that is taken over, two of them are not worth it.
		if s := c.Stats(); s.CompressedIn != 1 || s.CompressedOut != 3 {
			return fmt.Errorf("%d messages came back compressed, want 1; %d went, want 3", s.CompressedIn, s.CompressedOut)
		}
		return c.Close()
	})
	f.change(func(f *fuzzer) { f.upgrader.Compression = &websocket.Compression{Threshold: -1} })
	if code, _, stderr := hawser(t, "testee", "--url", f.url); code != exitOK {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	f.running.Wait()
}

// TestHelpExplainsCompression: each flag under the verb that has it, by the name of the extension.
func TestHelpExplainsCompression(t *testing.T) {
	for verb, flags := range map[string][]string{
		"echo":    {"--compress", "--no-takeover"},
		"serve":   {"--no-deflate"},
		"connect": {"--no-deflate", "-v"},
	} {
		_, stdout, _ := hawser(t, "help", verb)
		if !strings.Contains(stdout, "permessage-deflate") {
			t.Errorf("hawser help %s does not name the extension:\n%s", verb, stdout)
		}
		for _, flag := range flags {
			if !strings.Contains(stdout, "\n  "+flag+"\n") { // without the name of a value: it takes none
				t.Errorf("hawser help %s does not show %s:\n%s", verb, flag, stdout)
			}
		}
	}
}
