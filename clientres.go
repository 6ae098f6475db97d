package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"
)

const (
	// maxErrorBody is how much of a refusal's body is kept.
	maxErrorBody = 4 << 10
	// maxErrorBodyInput is how many bytes are read to get at it: chunks may have a lot around them.
	maxErrorBodyInput = 64 << 10
	// maxErrorBodyTime is how long a refusal's body may take to arrive.
	maxErrorBodyTime = time.Second
	// maxInterim is how many interim responses may come before the answer.
	maxInterim = 10
)

// An answer is what the server said to the request. There may be a response with an error, the rest is only there
// without one.
type answer struct {
	res         *http.Response // nil if none arrived; its body is in memory
	subprotocol string         // the server's choice
	deflate     deflateParams  // what both agreed on
	leftover    []byte         // what it sent right behind its 101
}

// readAnswer reads and judges the answer to req.
func readAnswer(ctx context.Context, r io.Reader, req *upgradeRequest, maxHeader int64) (a answer, herr *HandshakeError) {
	trace := traceOf(ctx)
	limited := newAnswerReader(r, maxHeader)
	limited.check, limited.who, limited.first = "response", "the server", trace.firstByte
	in := bufio.NewReader(limited)
	res, err := readHeader(in, req.request, trace)
	if err != nil {
		return a, failAnswer(ctx, limited, err)
	}
	a.res = res
	if res.StatusCode != http.StatusSwitchingProtocols {
		limited.left = maxErrorBodyInput
		boundBody(r)
		return a, refuseAnswer(ctx, res, req)
	}
	// RFC 9112, section 6.3, item 1: a 101 has no body, whatever its fields say.
	res.Body = http.NoBody
	if a.subprotocol, a.deflate, herr = judgeAnswer(res, req); herr != nil {
		return a, herr
	}
	a.leftover = peekAll(in) // which newConn copies
	return a, nil
}

// readHeader reads up to the final response's header.
func readHeader(in *bufio.Reader, req *http.Request, trace tracer) (*http.Response, error) {
	for range maxInterim {
		res, err := http.ReadResponse(in, req)
		if err != nil {
			return nil, err
		}
		// RFC 9110, section 15.2: a client reads interim responses, expected or not, and goes on. 101 is final.
		if res.StatusCode/100 != 1 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, nil
		}
		if err := trace.interim(res); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%d interim responses came and no answer", maxInterim)
}

// judgeAnswer judges a 101.
func judgeAnswer(
	res *http.Response, req *upgradeRequest,
) (subprotocol string, agreed deflateParams, err *HandshakeError) {
	// RFC 9110, section 15.2: HTTP/1.0 has no 101; and what follows one of HTTP/2 would not be in this form.
	if res.ProtoMajor != 1 || res.ProtoMinor < 1 {
		return "", agreed, refuse("http-version", res.StatusCode, "the server answered 101 over HTTP/%d.%d; the handshake needs HTTP/1.1", res.ProtoMajor, res.ProtoMinor)
	}
	return checkResponse(res.StatusCode, res.Header, req.key, req.subprotocols, req.compression)
}

// refuseAnswer makes the error for an answer other than 101, and puts the beginning of the body into memory.
func refuseAnswer(ctx context.Context, res *http.Response, req *upgradeRequest) *HandshakeError {
	herr := refuseStatus(res.StatusCode, res.Header)
	herr.Body, herr.Err = readErrorBody(ctx, res)
	res.Body = io.NopCloser(bytes.NewReader(herr.Body))
	return herr
}

// readErrorBody reads the beginning of a body that came with a refusal. It is no matter if it ends early, unless time
// is up.
func readErrorBody(ctx context.Context, res *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil && ctx.Err() != nil {
		return body, whyDone(ctx)
	}
	return body, nil
}

// boundBody gives the body of a refusal a time of its own: what is known already shall not wait for what may never end,
// as a stream of events does not. The connection is of no further use.
func boundBody(r io.Reader) {
	if nc, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
		nc.SetReadDeadline(time.Now().Add(maxErrorBodyTime))
	}
}

// failAnswer makes the error for an answer that could not be read.
func failAnswer(ctx context.Context, r *answerReader, err error) *HandshakeError {
	switch {
	case errors.As(err, new(*hookError)):
		return failStage(ctx, r.check, "the trace in the context ended the handshake", err)
	case r.left == 0:
		return refuse(r.check, 0, "the header of the answer of %s is longer than %d bytes, the limit set by MaxHeaderBytes", r.who, r.max)
	case ctx.Err() != nil:
		return failStage(ctx, r.check, r.who+" did not answer in time", err)
	case !r.any && errors.Is(err, io.ErrUnexpectedEOF):
		return failStage(ctx, r.check, r.who+" closed the connection without an answer", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failStage(ctx, r.check, r.who+" closed the connection in the middle of its answer", err)
	case r.err == nil:
		// The connection is well, so it is what came. The error repeats it.
		return refuse(r.check, 0, "the answer of %s is not HTTP: %s", r.who, quote(err.Error()))
	}
	return failStage(ctx, r.check, "the answer of "+r.who+" could not be read", err)
}

// answerReader reads at most left bytes.
type answerReader struct {
	r          io.Reader
	max, left  int64
	bytewise   bool   // read one byte at a time, none too many
	first      func() // called when something has been read; nil for nothing
	any        bool   // something was read
	err        error  // what r said
	check, who string // for errors
}

// newAnswerReader reads at most maxHeader bytes of r; 0 is no limit.
func newAnswerReader(r io.Reader, maxHeader int64) *answerReader {
	left := maxHeader
	if maxHeader == 0 {
		left = math.MaxInt64
	}
	return &answerReader{r: r, max: maxHeader, left: left}
}

var errAnswerTooLong = errors.New("the answer is too long")

func (r *answerReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errAnswerTooLong
	}
	limit := r.left
	if r.bytewise {
		limit = 1
	}
	n, err := r.r.Read(p[:min(int64(len(p)), limit)])
	r.left -= int64(n)
	if n > 0 && !r.any && r.first != nil {
		r.first()
	}
	r.any = r.any || n > 0
	r.err = err
	return n, err
}
