package websocket

import "strings"

// The list grammar of HTTP header fields, as far as the handshake needs it.
//
//	list       = *( "," OWS ) element *( OWS "," [ OWS element ] )   RFC 9110, section 5.6.1
//	token      = 1*tchar                                             RFC 9110, section 5.6.2
//	OWS        = *( SP / HTAB )                                      RFC 9110, section 5.6.3
//	protocol   = token [ "/" token ]                                 RFC 9110, section 7.8
//	extension  = token *( ";" token [ "=" ( token / quoted ) ] )     RFC 6455, section 9.1
//
// A field that is repeated is one list (RFC 9110, section 5.3), so every parser here takes all values of a field.
// Elements may be empty, but no element spans two values.

// extension is one element of a Sec-WebSocket-Extensions list, in the order in which it was sent. RFC 6455, section
// 9.1.
type extension struct {
	name   string
	params []extParam
}

// extParam is one parameter of an extension. hasValue tells "name" and "name=value" apart; value is already free of
// quotes and escapes.
type extParam struct {
	name, value string
	hasValue    bool
}

// parseTokens reads values as one list of tokens. ok is false when anything in it is not a token, or when it holds no
// element at all.
func parseTokens(values []string) (tokens []string, ok bool) {
	return parseList(values, (*fieldScanner).token)
}

// parseProtocols reads values as the list of an Upgrade field, whose elements may carry a version behind a slash.
func parseProtocols(values []string) (protocols []string, ok bool) {
	return parseList(values, (*fieldScanner).protocol)
}

// parseExtensions reads values as the list of a Sec-WebSocket-Extensions field. An extension may be named more than
// once: each is an offer of its own.
func parseExtensions(values []string) (extensions []extension, ok bool) {
	return parseList(values, (*fieldScanner).extension)
}

// parseList reads values as one list whose elements element can read.
func parseList[E any](values []string, element func(*fieldScanner) (E, bool)) (list []E, ok bool) {
	for _, value := range values {
		s := fieldScanner{rest: value}
		for s.skipOWS(); s.rest != ""; s.skipOWS() {
			// RFC 9110, section 5.6.1.2: empty elements are read and ignored.
			if s.take(',') {
				continue
			}
			e, ok := element(&s)
			if !ok {
				return nil, false
			}
			list = append(list, e)
			s.skipOWS()
			if s.rest != "" && !s.take(',') {
				return nil, false
			}
		}
	}
	return list, len(list) > 0
}

// hasToken tells whether list holds token. Whole elements count, in any case.
func hasToken(list []string, token string) bool {
	for _, t := range list {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

// fieldScanner reads a field value from its front. What has been read is gone from rest; a method that returns false
// may have read a part.
type fieldScanner struct{ rest string }

func (s *fieldScanner) skipOWS() { s.rest = strings.TrimLeft(s.rest, " \t") }

// take reads c if it is next.
func (s *fieldScanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *fieldScanner) token() (string, bool) {
	n := 0
	for n < len(s.rest) && isTokenByte(s.rest[n]) {
		n++
	}
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t, n > 0
}

func (s *fieldScanner) protocol() (string, bool) {
	whole := s.rest
	if _, ok := s.token(); !ok {
		return "", false
	}
	if s.take('/') {
		if _, ok := s.token(); !ok {
			return "", false
		}
	}
	return whole[:len(whole)-len(s.rest)], true
}

func (s *fieldScanner) extension() (e extension, ok bool) {
	if e.name, ok = s.token(); !ok {
		return e, false
	}
	for s.skipOWS(); s.take(';'); s.skipOWS() {
		s.skipOWS()
		p, ok := s.param()
		if !ok {
			return e, false
		}
		e.params = append(e.params, p)
	}
	return e, true
}

func (s *fieldScanner) param() (p extParam, ok bool) {
	if p.name, ok = s.token(); !ok {
		return p, false
	}
	s.skipOWS()
	if !s.take('=') {
		return p, true
	}
	p.hasValue = true
	s.skipOWS()
	if s.take('"') {
		p.value, ok = s.quoted()
	} else {
		p.value, ok = s.token()
	}
	return p, ok
}

// quoted reads a quoted string behind its opening quote.
func (s *fieldScanner) quoted() (string, bool) {
	var value []byte
	for s.rest != "" {
		if s.take('"') {
			return string(value), len(value) > 0
		}
		s.take('\\')
		// RFC 6455, section 9.1: without its quotes and escapes the value must still be a token. (An escape behind
		// which nothing comes ends here too.)
		if s.rest == "" || !isTokenByte(s.rest[0]) {
			return "", false
		}
		value = append(value, s.rest[0])
		s.rest = s.rest[1:]
	}
	return "", false
}

// isTokenByte tells whether c is a tchar. RFC 9110, section 5.6.2.
func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isToken tells whether all of s is a token.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}
