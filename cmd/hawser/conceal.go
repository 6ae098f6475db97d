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
var secretParameters = []string{"token", "access_token", "jwt", "key", "secret", "password"}

// parameter finds where a query parameter begins, with its name.
var parameter = regexp.MustCompile(`[?&;]([^?&;=#\s"]+)=`)

// conceal returns a text without the values of secret parameters of the URLs in it.
func conceal(text string) string {
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
		if err == nil && slices.Contains(secretParameters, strings.ToLower(name)) {
			shown.WriteString("[redacted]")
			text = strings.TrimLeftFunc(text, func(r rune) bool { return !strings.ContainsRune("&#\" \t\n", r) })
		}
	}
}

// userinfo finds user and password in what is no URL.
var userinfo = regexp.MustCompile(`^([a-z]+:)?(//)?[^/?#]*@`)

// concealURL returns a URL without its password and the values of secret parameters.
func concealURL(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Opaque == "" {
		return conceal(u.Redacted())
	}
	return conceal(userinfo.ReplaceAllString(raw, "$2[redacted]@"))
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
