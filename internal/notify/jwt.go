package notify

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hawser.example/websocket/internal/token"
	"hawser.example/websocket/internal/topic"
)

// tokenParameter is the parameter of a query that may hold the token: a page cannot set headers of a WebSocket or an
// EventSource.
const tokenParameter = "token"

// bearer returns the token or key that comes with r, "" if there is none. It is in the header Authorization: Bearer
// (RFC 6750, section 2.1) or in the query. A header of another scheme is somebody else's if the token is in the query.
// name is what refusals call it.
func bearer(r *http.Request, name string) (string, *Refusal) {
	inQuery, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", badRequest("the query is malformed")
	}
	const form = "the Authorization header has to be Bearer %s, and "
	tokens := inQuery[tokenParameter]
	headers := r.Header.Values("Authorization")
	switch {
	case len(tokens) > 1:
		return "", unauthorized("malformed", "there is more than one parameter token in the query; send one")
	case len(headers) > 1:
		return "", unauthorized("malformed", form+"there are %d", name, len(headers))
	case len(tokens) == 1 && tokens[0] == "":
		return "", unauthorized("malformed", "the parameter token in the query is empty")
	case len(headers) == 0 && len(tokens) == 0:
		return "", nil
	case len(headers) == 0:
		return tokens[0], nil
	}
	scheme, inHeader, _ := strings.Cut(headers[0], " ")
	inHeader = strings.TrimSpace(inHeader)
	isBearer := strings.EqualFold(scheme, "Bearer")
	switch {
	case !isBearer && len(tokens) == 0:
		return "", unauthorized("malformed", form+"it has another scheme", name)
	case !isBearer:
		return tokens[0], nil
	case inHeader == "":
		return "", unauthorized("malformed", form+"there is nothing behind Bearer", name)
	case len(tokens) == 1 && inHeader != tokens[0]:
		return "", unauthorized("malformed",
			"there are two tokens that differ, in the Authorization header and in the query; send one")
	}
	return inHeader, nil
}

// fromToken returns what a JSON Web Token allows.
func fromToken(v *token.Verifier, jwt string, now time.Time) (*Access, *Refusal) {
	claims, err := v.Verify(jwt, now)
	var wrong *token.Error
	if errors.As(err, &wrong) {
		return nil, unauthorized(wrong.Code, "%s", wrong.Reason)
	}
	for _, list := range []struct {
		name     string
		patterns []string
	}{{"sub", claims.Sub}, {"pub", claims.Pub}} {
		for _, p := range list.patterns {
			if !topic.ValidPattern(p) {
				return nil, unauthorized("claims",
					"the token has a claim %q with %.80q, which is no topic and no pattern of topics", list.name, p)
			}
		}
	}
	access := &Access{Sub: claims.Sub, Pub: claims.Pub, Subject: claims.Name, Kind: byName}
	if !claims.Expires.IsZero() {
		access.Expires = claims.Expires.Add(token.Leeway) // until then it would be let in again
	}
	if access.Subject == "" {
		access.Subject, access.Kind = "token "+nickname(jwt), byToken
	}
	return access, nil
}
