package main

import (
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"testing"

	"hawser.example/websocket"
)

func TestConceal(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"a=b":                                "a=b",
		"GET /a?token=hush HTTP/1.1":         "GET /a?token=[redacted] HTTP/1.1",
		"/?a=b&Access_Token=hush#c":          "/?a=b&Access_Token=[redacted]#c",
		`path "/?jwt=a.b.c&x=d;secret=e;f"`:  `path "/?jwt=[redacted]&x=d;secret=[redacted]"`,
		"/?password=&x=1":                    "/?password=[redacted]&x=1",
		"/?t%6Fken=hush":                     "/?t%6Fken=[redacted]",
		"/?token%zz=shown":                   "/?token%zz=shown",
		"/?tokens=shown&mytoken=shown":       "/?tokens=shown&mytoken=shown",
		"/?token=a?b":                        "/?token=[redacted]",
		"send ?token=TOKEN or ?token=token":  "send ?token=TOKEN or ?token=[redacted]",
		"/?x=y?token=hush":                   "/?x=y?token=[redacted]",
		"token=shown, since this is no URL":  "token=shown, since this is no URL",
		"at /?token=hush; more":              "at /?token=[redacted]; more",
		"at /?token=h;ush;":                  "at /?token=[redacted]",
		"at ws://h/?token=h;ush; more; more": "at ws://h/?token=[redacted]; more; more",
		"/?apikey=hush&api_key=hush&sig=hush&signature=hush&auth=hush": "/?apikey=[redacted]&api_key=[redacted]&" +
			"sig=[redacted]&signature=[redacted]&auth=[redacted]",
		`to "/#token=hush"`:                  `to "/#token=[redacted]"`,
		`to "wss://h/a#hush", so`:            `to "wss://h/a#[redacted]", so`,
		"wss://h/?a=b#hush and # this":       "wss://h/?a=b#[redacted] and # this",
		"two: /?token=hush and /?token=hush": "two: /?token=[redacted] and /?token=[redacted]",
	} {
		if got := conceal(text); got != want {
			t.Errorf("%q: %q; want %q", text, got, want)
		}
	}
	for raw, want := range map[string]string{
		"ws://user:hush@h/?token=hush&a=b": "ws://user:xxxxx@h/?token=[redacted]&a=b",
		"ws://u:hush@h:port/?token=hush":   "//[redacted]@h:port/?token=[redacted]", // no URL
		"u:hush@h/?token=hush":             "[redacted]@h/?token=[redacted]",        // neither
		"http:u:hush@h/":                   "[redacted]@h/",
		" HTTP://u:hush@h:port":            "//[redacted]@h:port",
		"ws+unix://u:hu/sh@h:port":         "//[redacted]@h:port",
		"ws://h/a#hush":                    "ws://h/a#[redacted]",
		"unix:/s.sock:/a#hush":             "unix:/s.sock:/a#[redacted]",
	} {
		if got := concealURL(raw); got != want {
			t.Errorf("%q: %q; want %q", raw, got, want)
		}
	}
}

func TestConcealBody(t *testing.T) {
	for body, want := range map[string]string{
		`{"token":"hush","x":"shown"}`:             `{"token":"[redacted]","x":"shown"}`,
		`{"password": "two, hush; \"words\""}`:     `{"password": "[redacted]"}`,
		"?key=KEY":                                 "?key=KEY",
		"token=hush, Key=hush":                     "token=[redacted], Key=[redacted]",
		"the token: expired":                       "the token: expired",
		"Authorization: Bearer T, or ?token=TOKEN": "Authorization: Bearer T, or ?token=TOKEN",
	} {
		if got := string(concealBody([]byte(body))); got != want {
			t.Errorf("%q: %q; want %q", body, got, want)
		}
	}
}

// TestNoSecretsInOutput of any verb, whatever comes of it.
func TestNoSecretsInOutput(t *testing.T) {
	url := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/?token=hush", http.StatusFound)
			return
		}
		if c, err := new(websocket.Upgrader).Upgrade(w, r, nil); err == nil {
			defer c.CloseNow()
			echoAll(c)
		}
	})
	refusing := serveHandler(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
	})
	const query = "?token=hush&a=shown&key=hush"
	for _, args := range [][]string{
		{"connect", "-v", "--json", "-m", "x", "-n", "1", "-w", "-1s", url + query},
		{"connect", "-v", "-m", "x", "-n", "1", "-w", "-1s", strings.Replace(url, "//", "//user:hush@", 1) + query},
		{"connect", "-v", url + "moved" + query},
		{"connect", "--json", serveHandler(t, nil) + query},
		{"connect", "ws://127.0.0.1:port/" + query},
		{"connect", url + query, url + query},
		{"connect", "-H", "hush", url},
		{"connect", url + "#hush"},
		{"connect", refusing + "token=hush"},
		{"connect", "--json", refusing + neturl.PathEscape(`{"api_key": "hush"}`)},
		{"connect", refusing + neturl.PathEscape(`{"error":"it says token=hush"}`)},
		{"load", "--echo", "--json", "--connections", "1", "--rate", "10", "--duration", "100ms", url + query},
		{"load", "--connections", "1", "--rate", "10", "--duration", "100ms", url + query},
		{"load", "--echo", "127.0.0.1:1/" + query},
		{"pipe", "--url", "http://127.0.0.1:1/" + query, "a"},
		{"pipe", "--url", "ws" + strings.TrimPrefix(url, "ws") + query, "a"},
		{"pipe", "--url", "http://user:hush@h:port/", "a"},
		{"pipe", "--url", "ws://user:hush@h/", "a"},
		{"listen", "127.0.0.1:1/" + query},
	} {
		if _, stdout, stderr := hawser(t, args...); strings.Contains(stdout+stderr, "hush") || stdout+stderr == "" {
			t.Errorf("%q printed %q, said %q", args, stdout, stderr)
		}
	}
	p, url := startListen(t, "--json", "-v")
	dial(t, url+query, nil)
	p.says(`path "/\?token=\[redacted\]&a=shown&key=\[redacted\]"`)
	prints(t, p, `"path":"/\?token=\[redacted\]&a=shown&key=\[redacted\]"`)
}
