package websocket

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseTokens(t *testing.T) {
	tests := []struct {
		rule   string
		values []string
		want   []string // nil: malformed
	}{
		{"5.6.1: one element", []string{"a"}, []string{"a"}},
		{"5.6.1: elements", []string{"a,b,c"}, []string{"a", "b", "c"}},
		{"5.6.1: white space around commas", []string{" a ,\tb\t, c "}, []string{"a", "b", "c"}},
		{"5.6.1.2: empty elements", []string{",a,,\t,b ,"}, []string{"a", "b"}},
		{"5.6.1.2: nothing but empty elements", []string{", ,\t,"}, nil},
		{"5.6.1.2: empty value", []string{""}, nil},
		{"5.3: repeated field", []string{"a", "b, c"}, []string{"a", "b", "c"}},
		{"5.3: repeated field with empty values", []string{"", "a", " ", ","}, []string{"a"}},
		{"5.3: one malformed value spoils all", []string{"a", "b c"}, nil},
		{"5.6.2: every kind of tchar", []string{"!#$%&'*+-.^_`|~09azAZ"}, []string{"!#$%&'*+-.^_`|~09azAZ"}},
		{"5.6.2: case is kept", []string{"aB"}, []string{"aB"}},
		{"5.6.2: space inside", []string{"a b"}, nil},
		{"5.6.2: slash", []string{"a/1"}, nil},
		{"5.6.2: semicolon", []string{"a;b"}, nil},
		{"5.6.2: equals", []string{"a=b"}, nil},
		{"5.6.2: quotes", []string{`"a"`}, nil},
		{"5.6.2: a comma does not end a quoted string", []string{`"x, a, y"`}, nil},
		{"5.6.2: parentheses", []string{"a(b)"}, nil},
		{"5.6.2: at sign", []string{"a@b"}, nil},
		{"5.6.2: NUL", []string{"a\x00"}, nil},
		{"5.6.2: DEL", []string{"a\x7f"}, nil},
		{"5.6.2: beyond ASCII", []string{"é"}, nil},
		{"5.6.3: other white space", []string{"a,\vb"}, nil},
		{"5.6.3: line break", []string{"a,\r\n b"}, nil},
		{"no value", nil, nil},
	}
	for _, tt := range tests {
		got, ok := parseTokens(tt.values)
		if ok != (tt.want != nil) || ok && !slices.Equal(got, tt.want) {
			t.Errorf("RFC 9110, section %s: parseTokens(%q) = %q, %v; want %q", tt.rule, tt.values, got, ok, tt.want)
		}
	}
}

func TestParseProtocols(t *testing.T) {
	tests := []struct {
		value string
		want  []string // nil: malformed
	}{
		{"websocket", []string{"websocket"}},
		{"h2c, WebSocket", []string{"h2c", "WebSocket"}},
		{"HTTP/2.0, SHTTP/1.3,IRC/6.9", []string{"HTTP/2.0", "SHTTP/1.3", "IRC/6.9"}},
		{"websocket/", nil},
		{"/websocket", nil},
		{"a/b/c", nil},
		{"a /b", nil},
		{"websocket;v=13", nil},
	}
	for _, tt := range tests {
		got, ok := parseProtocols([]string{tt.value})
		if ok != (tt.want != nil) || ok && !slices.Equal(got, tt.want) {
			t.Errorf("RFC 9110, section 7.8: parseProtocols(%q) = %q, %v; want %q", tt.value, got, ok, tt.want)
		}
	}
}

func TestParseExtensions(t *testing.T) {
	ext := func(name string, params ...extParam) extension { return extension{name, params} }
	flag := func(name string) extParam { return extParam{name: name} }
	value := func(name, value string) extParam { return extParam{name, value, true} }
	tests := []struct {
		values []string
		want   []extension // nil: malformed
	}{
		{[]string{"foo"}, []extension{ext("foo")}},
		{[]string{"foo, bar; baz=2"}, []extension{ext("foo"), ext("bar", value("baz", "2"))}},
		{[]string{"foo", "bar; baz=2"}, []extension{ext("foo"), ext("bar", value("baz", "2"))}},
		{[]string{"foo;a;b=1 , foo"}, []extension{ext("foo", flag("a"), value("b", "1")), ext("foo")}},
		{[]string{"foo ;\ta\t; b = 1"}, []extension{ext("foo", flag("a"), value("b", "1"))}},
		{[]string{`foo; a="10"`}, []extension{ext("foo", value("a", "10"))}},
		{[]string{`foo; a="\1\0"; b`}, []extension{ext("foo", value("a", "10"), flag("b"))}},
		{[]string{"foo; a; a"}, []extension{ext("foo", flag("a"), flag("a"))}},
		{[]string{",foo,,"}, []extension{ext("foo")}},
		{[]string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate"},
			[]extension{ext("permessage-deflate", flag("client_max_window_bits"), value("server_max_window_bits", "10")), ext("permessage-deflate")}},

		{nil, nil},
		{[]string{""}, nil},
		{[]string{","}, nil},
		{[]string{"foo;"}, nil},
		{[]string{"foo;;a"}, nil},
		{[]string{";a"}, nil},
		{[]string{"foo; =1"}, nil},
		{[]string{"foo; a="}, nil},
		{[]string{"foo; a=, bar"}, nil},
		{[]string{"foo; a=1=2"}, nil},
		{[]string{"foo; a=1 2"}, nil},
		{[]string{"foo a"}, nil},
		{[]string{"foo=1"}, nil},
		{[]string{`"foo"`}, nil},
		{[]string{`foo; a=""`}, nil},
		{[]string{`foo; a="1`}, nil},
		{[]string{`foo; a="1\`}, nil},
		{[]string{`foo; a="1\"`}, nil},
		{[]string{`foo; a="1 2"`}, nil},
		{[]string{`foo; a="1,2"`}, nil},
		{[]string{`foo; a="1\,2"`}, nil},
		{[]string{`foo; a="1;b"`}, nil},
		{[]string{`foo; a="1"2`}, nil},
		{[]string{`foo; a=1"2"`}, nil},
		{[]string{`foo; a="1`, `2"`}, nil},
		{[]string{"foo", "bar;"}, nil},
	}
	for _, tt := range tests {
		got, ok := parseExtensions(tt.values)
		if ok != (tt.want != nil) || ok && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("RFC 6455, section 9.1: parseExtensions(%q) = %v, %v; want %v", tt.values, got, ok, tt.want)
		}
	}
}

func TestHasToken(t *testing.T) {
	list := []string{"keep-alive", "UPGRADE", "x-websocket"}
	for token, want := range map[string]bool{"upgrade": true, "Keep-Alive": true, "websocket": false, "keep": false, "": false} {
		if got := hasToken(list, token); got != want {
			t.Errorf("hasToken(%q, %q) = %v, want %v", list, token, got, want)
		}
	}
}

// naiveTokens reads a list the slow way: split at every comma, trim, look at
// every character. Tokens hold no comma, so that the splitting is right.
func naiveTokens(values []string) (tokens []string, ok bool) {
	const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, element := range strings.Split(strings.Join(values, ","), ",") {
		element = strings.Trim(element, " \t")
		if strings.Trim(element, tchar) != "" {
			return nil, false
		}
		for _, c := range element {
			if !strings.ContainsRune(tchar, c) {
				return nil, false
			}
		}
		if element != "" {
			tokens = append(tokens, element)
		}
	}
	return tokens, len(tokens) > 0
}
