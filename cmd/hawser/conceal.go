package main

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// This file keeps secrets out of what hawser says: terminals are looked at, and output ends up in reports of errors.

// secretParameters are the names of query parameters whose values are secrets.
var secretParameters = []string{
	"token", "access_token", "jwt", "key", "apikey", "api_key", "secret", "password", "auth", "sig", "signature",
}

var (
	// parameter finds where a parameter of a query or fragment begins, with its name.
	parameter = regexp.MustCompile(`[?&;#]([^?&;=#\s"]+)=`)
	// fragment finds the fragment of a URL, which is for nobody but the client that has it.
	fragment = regexp.MustCompile(`([a-z+]+:/[^\s"#]*)#[^\s"]+`)
	// named finds the values of what has the name of a secret, in any text, such as JSON: name, what is between, value.
	named = regexp.MustCompile(
		`(?i)\b(` + strings.Join(secretParameters, "|") + `)(="?|"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s"&;,<>]+)`)
)

const redacted = "[redacted]"

// conceal returns a text without the values of secret parameters of the URLs in it, and without fragments.
func conceal(text string) string {
	text = fragment.ReplaceAllString(text, "$1#"+redacted)
	var shown strings.Builder
	for {
		at := parameter.FindStringSubmatchIndex(text)
		if at == nil {
			shown.WriteString(text)
			return shown.String()
		}
		shown.WriteString(text[:at[1]])
		name, err := url.QueryUnescape(text[at[2]:at[3]])
		text = text[at[1]:]
		if end := endOfValue(text); err == nil && isSecretValue(name, text[:end]) {
			shown.WriteString(redacted)
			text = text[end:]
		}
	}
}

// isSecretValue reports whether the value of a parameter is a secret, and not what a hint has in place of one.
func isSecretValue(name, value string) bool {
	return slices.Contains(secretParameters, strings.ToLower(name)) && value != strings.ToUpper(name)
}

// endOfValue returns where the value of a parameter ends that text begins with. A semicolon is of the value, unless it
// ends a part of the sentence that the URL stands in.
func endOfValue(text string) int {
	end := strings.IndexAny(text, "&#\" \t\n")
	if end < 0 {
		return len(text)
	}
	if text[end] == ' ' && strings.HasSuffix(text[:end], ";") {
		end--
	}
	return end
}

// concealBody returns the body of a refusal without the values of what has the name of a secret.
func concealBody(body []byte) []byte {
	return named.ReplaceAllFunc(body, func(found []byte) []byte {
		part := named.FindSubmatch(found)
		if !isSecretValue(string(part[1]), string(part[3])) {
			return found
		}
		if part[3][0] == '"' {
			return slices.Concat(part[1], part[2], []byte(`"`+redacted+`"`))
		}
		return slices.Concat(part[1], part[2], []byte(redacted))
	})
}

// userinfo finds user and password in what is no URL.
var userinfo = regexp.MustCompile(`^\s*(?i:[a-z][a-z0-9+.-]*:)?(//)?.*@`)

// concealURL returns a URL without its password and the values of secret parameters.
func concealURL(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Opaque == "" {
		return conceal(u.Redacted())
	}
	return conceal(userinfo.ReplaceAllString(raw, "$1[redacted]@"))
}

// concealField returns a line of a head of HTTP without what nobody shall read over a shoulder.
func concealField(line string) string {
	name, value, _ := strings.Cut(line, ":")
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie":
		return fmt.Sprintf("%s: [%d bytes]", name, len(strings.TrimSpace(value)))
	}
	return line
}
