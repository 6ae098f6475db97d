package websocket

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// addCookies returns header with the cookies that the Jar has for t, and the URL under which the answer's are kept.
func (d *Dialer) addCookies(t *target, header http.Header) (http.Header, *url.URL) {
	if d.Jar == nil || t.network == "unix" && t.url.Host == "" {
		return header, nil
	}
	u := t.web()
	own := http.Header{}
	for name, values := range header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		own[name] = append(own[name], values...)
	}
	// As net/http does: who sends another Host means that site's cookies.
	if host := own.Get("Host"); host != "" {
		u.Host = host
	}
	if kept := d.Jar.Cookies(u); len(kept) > 0 {
		own["Cookie"] = []string{mergeCookies(own["Cookie"], kept)}
	}
	return own, u
}

// mergeCookies returns a Cookie field with the caller's cookies and those of the Jar, which replace the caller's of the
// same name. RFC 6265, section 5.4: it is one field.
func mergeCookies(own []string, kept []*http.Cookie) string {
	names := make(map[string]bool, len(kept))
	for _, c := range kept {
		names[c.Name] = true
	}
	var pairs []string
	for pair := range strings.SplitSeq(strings.Join(own, ";"), ";") {
		pair = strings.TrimSpace(pair)
		if name, _, _ := strings.Cut(pair, "="); pair != "" && !names[strings.TrimSpace(name)] {
			pairs = append(pairs, pair)
		}
	}
	for _, c := range kept {
		// Only name and value: the attributes are for the Jar. A field cannot hold just any, and String would log that.
		pair := http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}
		if pair.Valid() == nil {
			pairs = append(pairs, pair.String())
		}
	}
	return strings.Join(pairs, "; ")
}

// keepCookies gives the cookies of an answer to the Jar.
func (d *Dialer) keepCookies(u *url.URL, res *http.Response) {
	if u == nil || res == nil {
		return
	}
	if cookies := res.Cookies(); len(cookies) > 0 {
		d.Jar.SetCookies(u, cookies)
	}
}
