package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/wstest"
)

// linesOf returns what readLines makes of a text, and the errors but for io.EOF.
func linesOf(in io.Reader) (lines []string, errs []error) {
	got := make(chan inputLine)
	go readLines(context.Background(), in, got)
	for {
		l := <-got
		switch l.err {
		case nil:
			lines = append(lines, string(l.text))
		case io.EOF:
			return lines, errs
		default:
			errs = append(errs, l.err)
			if l.err != errLineTooLong {
				return lines, errs
			}
		}
	}
}

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", maxPipeLine)
	for name, row := range map[string]struct {
		in      string
		want    []string
		tooLong int
	}{
		"nothing":                          {"", nil, 0},
		"one":                              {"a\n", []string{"a"}, 0},
		"no end":                           {"a\nb", []string{"a", "b"}, 0},
		"empty lines":                      {"\n\na\n\n", []string{"", "", "a", ""}, 0},
		"Windows":                          {"a\r\n\r\nb\r\n", []string{"a", "", "b"}, 0},
		"a return inside":                  {"a\rb\r\r\n", []string{"a\rb\r"}, 0},
		"any bytes":                        {"\x00\xff\n\xfe", []string{"\x00\xff", "\xfe"}, 0},
		"the longest":                      {long + "\nb\n", []string{long, "b"}, 0},
		"the longest, Windows":             {long + "\r\nb\n", []string{long, "b"}, 0},
		"the longest, no end":              {long, []string{long}, 0},
		"one byte too long":                {long + "y\nb\n", []string{"b"}, 1},
		"one byte too long, Windows":       {long + "y\r\nb\n", []string{"b"}, 1},
		"a byte too long, at the end":      {"a\n" + long + "y", []string{"a"}, 1},
		"two bytes too long":               {long + "yz\nb", []string{"b"}, 1},
		"much too long":                    {strings.Repeat(long, 3) + "\nb\n" + strings.Repeat(long, 2), []string{"b"}, 2},
		"too long, then some of the rest?": {long + strings.Repeat("y", 64<<10) + "tail\nb", []string{"b"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			// The second reader gives a byte and then the rest, the third all but a byte at a time.
			for _, in := range []io.Reader{strings.NewReader(row.in), &pieces{row.in, 1}, &pieces{row.in, 4095}} {
				lines, errs := linesOf(in)
				if !slices.Equal(lines, row.want) || len(errs) != row.tooLong {
					t.Errorf("%d lines, %.60q, %v; want %d lines and %d errors", len(lines), lines, errs, len(row.want), row.tooLong)
				}
			}
		})
	}
}

// pieces is a reader that gives n bytes at a time, or more if text is long.
type pieces struct {
	text string
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:min(max(p.n, len(p.text)/1000), len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

// brokenReader gives some bytes and then fails.
type brokenReader struct{ text io.Reader }

var errBroken = errors.New("broken")

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func TestServePipe(t *testing.T) {
	errRefused := errors.New("refused")
	for name, row := range map[string]struct {
		in                 io.Reader
		published, skipped int
		err                error
		said               string
	}{
		"all":             {strings.NewReader("a\nb\nc"), 3, 0, nil, ""},
		"one is left out": {strings.NewReader("a\nbig\nc\n"), 2, 1, nil, "line 2: big: left out"},
		"one is too long": {strings.NewReader("a\n" + strings.Repeat("x", maxPipeLine+1) + "\nc\n"), 2, 1, nil,
			"line 2: it is longer than 1048576 bytes"},
		"one is refused":     {strings.NewReader("a\nbad\nc\n"), 1, 0, errRefused, ""},
		"the input breaks":   {brokenReader{strings.NewReader("a\nb\n")}, 2, 0, errBroken, ""},
		"the input is empty": {strings.NewReader(""), 0, 0, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got, said []string
			published, skipped, err := servePipe(t.Context(), row.in, func(line []byte) error {
				switch string(line) {
				case "big":
					return fmt.Errorf("big: %w", errLeftOut)
				case "bad":
					return errRefused
				}
				got = append(got, string(line))
				return nil
			}, func(err error) { said = append(said, err.Error()) })
			if published != row.published || skipped != row.skipped || len(got) != published || !errors.Is(err, row.err) ||
				!strings.Contains(strings.Join(said, "\n"), row.said) || len(said) != skipped {
				t.Errorf("%d published, %d skipped, %v, %v, said %q; want %+v", published, skipped, got, err, said, row)
			}
		})
	}
}

// TestServePipeWaits: it takes no line while one is published, and ends with the context.
func TestServePipeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		in, out := io.Pipe()
		var got []string
		ended := make(chan error, 1)
		go func() {
			_, _, err := servePipe(ctx, in, func(line []byte) error {
				time.Sleep(time.Second)
				got = append(got, string(line))
				return nil
			}, nil)
			ended <- err
		}()
		began := time.Now()
		for i := range 10 {
			fmt.Fprintf(out, "%d\n", i)
		}
		// One is published, one is read, and one may wait in a buffer: the rest of the ten had to wait here.
		if took := time.Since(began); took < 7*time.Second {
			t.Errorf("ten lines were taken within %v", took)
		}
		time.Sleep(time.Minute)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("stopped between lines: %v; want nil", err)
		}
		if strings.Join(got, "") != "0123456789" {
			t.Errorf("published %v", got)
		}
		out.Close()
	})
}

// A script is a server that answers as it is told, without a network.
type script struct {
	answers []any // statuses, errors, or silence; the last one for ever
	header  http.Header
	mu      sync.Mutex
	times   []time.Time
	bodies  []string
	types   []string
}

// silence is a server that takes a request and does not answer.
type silence struct{}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.times = append(s.times, time.Now())
	s.bodies = append(s.bodies, string(body))
	s.types = append(s.types, r.Header.Get("Content-Type"))
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	switch answer := answer.(type) {
	case error:
		return nil, answer
	case silence:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	status := answer.(int)
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: s.header, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"error":"because"}`)),
	}, nil
}

// newScripted returns a publisher whose server is s.
func newScripted(t *testing.T, s *script, retry time.Duration) (p *linePublisher, said *[]string) {
	t.Helper()
	p, err := newLinePublisher("http://h", "t", "k", retry, trust{})
	if err != nil {
		t.Fatal(err)
	}
	said = new([]string)
	p.client.Transport = s
	p.say = func(err error) { *said = append(*said, err.Error()) }
	return p, said
}

func TestLinePublisherRetries(t *testing.T) {
	down := errors.New("connection refused")
	for name, row := range map[string]struct {
		answers  []any
		after    string // Retry-After
		retry    time.Duration
		attempts int
		least    time.Duration
		most     time.Duration
		err      string // "" if the line is taken
		code     error
	}{
		"at once":           {[]any{200}, "", time.Minute, 1, 0, 0, "", nil},
		"accepted":          {[]any{202}, "", time.Minute, 1, 0, 0, "", nil},
		"the second time":   {[]any{down, 200}, "", time.Minute, 2, time.Millisecond, time.Second, "", nil},
		"busy, says when":   {[]any{503, 200}, "7", time.Minute, 2, 7 * time.Second, 7 * time.Second, "", nil},
		"busy, and a date":  {[]any{429, 200}, "Wed, 25 Nov 2026 20:00:00 GMT", time.Minute, 2, 1, time.Second, "", nil},
		"a proxy's":         {[]any{502, 504, 200}, "", time.Minute, 3, 2, time.Second, "", nil},
		"never":             {[]any{down}, "", time.Minute, -1, time.Minute, time.Minute, "given up after 1m0s: conn", nil},
		"asks for too much": {[]any{503}, "3600", time.Minute, 2, time.Minute, time.Minute, "given up after 1m0s: .*503", nil},
		"negative":          {[]any{503, 200}, "-5", time.Minute, 2, 1, time.Second, "", nil},
		"not to be retried": {[]any{down}, "", 0, 1, 0, 0, "given up after 0s", nil},
		"for ever":          {append(slices.Repeat([]any{down}, 500), 200), "", -1, 501, time.Minute, time.Hour, "", nil},
		"silent": {[]any{silence{}}, "", 2 * time.Second, 1, 2 * time.Second, 2 * time.Second,
			"^given up after 2s: no answer within 2s$", nil},
		"silent for long": {[]any{silence{}}, "", time.Minute, 2, time.Minute, time.Minute,
			`^given up after 1m0s: no answer within 29\.\d+s$`, nil},
		"silent, once": {[]any{silence{}}, "", 0, 1, 30 * time.Second, 30 * time.Second,
			"^given up after 30s: no answer within 30s$", nil},
		"silent, for ever": {[]any{silence{}, silence{}, silence{}, 200}, "", -1, 4, 90 * time.Second, 2 * time.Minute,
			"", nil},
		"busy, then silent": {[]any{503, silence{}}, "5", 5 * time.Second, 2, 6 * time.Second, 6 * time.Second,
			"^given up after 6s: no answer within 1s$", nil},
		"a wrong key":        {[]any{401}, "", time.Minute, 1, 0, 0, "answered 401: because", nil},
		"busy, then refused": {[]any{503, 403}, "", time.Minute, 2, 1, time.Second, "answered 403", nil},
		"elsewhere":          {[]any{308}, "", time.Minute, 1, 0, 0, "answered 308", nil},
		"too large":          {[]any{413}, "", time.Minute, 1, 0, 0, "answered 413: because: left out", errLeftOut},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: row.answers, header: http.Header{}}
				if row.after != "" {
					s.header.Set("Retry-After", row.after)
				}
				p, said := newScripted(t, s, row.retry)
				began := time.Now()
				err := p.publish(t.Context(), []byte("x"))
				took := time.Since(began)
				text := ""
				if err != nil {
					text = err.Error()
				}
				if !regexp.MustCompile(row.err).MatchString(text) || (row.err == "") != (err == nil) {
					t.Errorf("error %v; want %q", err, row.err)
				}
				var refused *refusedError
				wantRefused := row.err != "" && row.code == nil
				if row.code != nil && !errors.Is(err, row.code) || errors.As(err, &refused) != wantRefused {
					t.Errorf("error %T", err)
				}
				if n := len(s.times); row.attempts >= 0 && n != row.attempts || n > 600 {
					t.Errorf("%d attempts; want %d", n, row.attempts)
				}
				if took < row.least || took > row.most {
					t.Errorf("took %v; want %v to %v", took, row.least, row.most)
				}
				if len(*said) > 2 {
					t.Errorf("said %q for one line", *said)
				}
			})
		})
	}
}

// TestBackoff: it grows, is bounded, and spreads.
func TestBackoff(t *testing.T) {
	for n, bound := range map[int]time.Duration{
		0: firstBackoff, 1: 2 * firstBackoff, 5: 32 * firstBackoff, 6: longBackoff, 100: longBackoff,
	} {
		least, most := time.Hour, time.Duration(0)
		for range 1000 {
			d := backoff(n)
			least, most = min(least, d), max(most, d)
		}
		if least < bound/10 || least > bound/4 || most > bound+bound/10 || most < bound*3/4 {
			t.Errorf("attempt %d: %v to %v; want %v to %v", n, least, most, bound/10, bound+bound/10)
		}
	}
}

// TestLinePublisherSaysWhatIsWrong in plain words, once, and when it is over.
func TestLinePublisherSaysWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, said := newScripted(t, &script{answers: []any{silence{}, errors.New("down"), 200}}, time.Minute)
		if err := p.publish(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if len(*said) != 2 || (*said)[0] != "no answer within 30s; trying again" ||
			!strings.HasPrefix((*said)[1], "the server answers again, after 30.") {
			t.Errorf("said %q", *said)
		}
	})
}

// TestLinePublisherStops: a signal ends the wait, and an attempt that is under way a second later.
func TestLinePublisherStops(t *testing.T) {
	for answer, most := range map[any]time.Duration{errors.New("down"): 0, silence{}: stopTime} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newScripted(t, &script{answers: []any{answer}}, -1)
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			began := time.Now()
			err := p.publish(ctx, nil)
			if err != errStopped || time.Since(began) != 10*time.Second+most {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	}
}

func TestLinePublisherSendsTypes(t *testing.T) {
	s := &script{answers: []any{200}}
	p, _ := newScripted(t, s, 0)
	lines := []string{"grüße", "", "\xff\x00", "\xed\xa0\x80"}
	for _, l := range lines {
		if err := p.publish(t.Context(), []byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	const text, binary = "text/plain; charset=utf-8", "application/octet-stream"
	if !slices.Equal(s.bodies, lines) || !slices.Equal(s.types, []string{text, text, binary, binary}) {
		t.Errorf("sent %q as %q", s.bodies, s.types)
	}
}

// TestPipeUsage: what cannot be right is said before a line is read.
func TestPipeUsage(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no topic":        {nil, `the topic is missing`},
		"a bad topic":     {[]string{"a/b"}, `the topic "a/b" has to be`},
		"a pattern":       {[]string{"a.>"}, `the topic "a.>" has to be`},
		"two topics":      {[]string{"a", "b"}, `unexpected argument "b"`},
		"a bad URL":       {[]string{"--url", "127.0.0.1:8080", "a"}, `--url: .*127\.0\.0\.1:8080`},
		"another scheme":  {[]string{"--url", "ws://h", "a"}, `--url: "ws://h" is not of the form http://`},
		"no host":         {[]string{"--url", "http:///x", "a"}, `--url: .* is not of the form`},
		"a query":         {[]string{"--url", "http://h/?x=1", "a"}, `--url: .* is not of the form`},
		"a bad key":       {[]string{"--key", "k\n", "a"}, `--key: the publish key has`},
		"a bad duration":  {[]string{"--retry", "5", "a"}, `--retry`},
		"an unknown flag": {[]string{"--topic", "a"}, `--topic`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := hawser(t, append([]string{"pipe"}, row.args...)...)
			if code != exitUsage || stdout != "" || !regexp.MustCompile(`^hawser pipe: .*`+row.says).MatchString(stderr) {
				t.Errorf("exit code %d, printed %q, said %q; want 2, nothing, %q", code, stdout, stderr, row.says)
			}
		})
	}
}

// runPipe runs "hawser pipe" with an input that ends.
func runPipe(t *testing.T, input string, args ...string) (code int, stderr string) {
	t.Helper()
	code, stdout, stderr := hawserReads(t, input, append([]string{"pipe"}, args...)...)
	if stdout != "" {
		t.Errorf("printed %q", stdout)
	}
	return code, stderr
}

// TestPipe: the lines arrive in order, each as what it is.
func TestPipe(t *testing.T) {
	wstest.NoLeaks(t)
	_, addr := startServe(t)
	subscriber := dial(t, "ws://"+addr+"/topics/lines", nil)
	code, stderr := runPipe(t, "eins\nzwei ü\n\n\xff\xfe\r\nlast", "-v", "--url", "http://"+addr, "--key", "secret", "lines")
	if code != exitOK || stderr != "hawser pipe: 5 published, 0 left out\n" {
		t.Errorf("exit code %d, said %q", code, stderr)
	}
	subscriber.wantMessage(websocket.TextMessage, "eins")
	subscriber.wantMessage(websocket.TextMessage, "zwei ü")
	subscriber.wantMessage(websocket.TextMessage, "")
	subscriber.wantMessage(websocket.BinaryMessage, "\xff\xfe")
	subscriber.wantMessage(websocket.TextMessage, "last")
}

// TestPipeKeyFromTheEnvironment: as with serve, and a URL may end with a slash.
func TestPipeKeyFromTheEnvironment(t *testing.T) {
	_, addr := startServe(t)
	cmd := command(t, "pipe", "-v", "lines", "--url", "http://"+addr+"/")
	cmd.Env = append(cmd.Env, "HAWSER_PUBLISH_KEY=secret")
	p := startCommand(t, cmd)
	io.WriteString(p.stdin, "x\n")
	p.stdin.Close()
	if code := p.wait(); code != exitOK || !strings.Contains(p.err.String(), "1 published") {
		t.Errorf("exit code %d, said %q", code, p.err)
	}
}

// TestPipeUsesTheProxyOfTheEnvironment, which asks for whatever URL it is given.
func TestPipeUsesTheProxyOfTheEnvironment(t *testing.T) {
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.RequestURI }))
	defer proxy.Close()
	cmd := command(t, "pipe", "lines", "--url", "http://push.example")
	cmd.Env = append(cmd.Env, "HTTP_PROXY="+proxy.URL, "NO_PROXY=")
	p := startCommand(t, cmd)
	io.WriteString(p.stdin, "x\n")
	p.stdin.Close()
	if code := p.wait(); code != exitOK {
		t.Fatalf("exit code %d, said %q", code, p.err)
	}
	if url := <-asked; url != "http://push.example/topics/lines" {
		t.Errorf("the proxy was asked for %s", url)
	}
}

// TestPipeExitCodes: one that could not publish says so, once, and with its exit code.
func TestPipeExitCodes(t *testing.T) {
	_, addr := startServe(t)
	url := "http://" + addr
	nobody := "http://" + free(t)
	large := strings.Repeat("x", maxPipeLine+1)
	for name, row := range map[string]struct {
		input string
		args  []string
		code  int
		says  string
	}{
		"no key": {"a\nb\n", []string{"--url", url}, exitConnect,
			`^hawser pipe: line 1: the server answered 401: .*Bearer`},
		"a wrong key": {"a\nb\n", []string{"--url", url, "--key", "x"}, exitConnect,
			`^hawser pipe: line 1: the server answered 401: `},
		"a long line": {"a\n" + large + "\nb\n", []string{"--url", url, "--key", "secret", "-v"}, exitFailed,
			`^hawser pipe: line 2: it is longer than 1048576 bytes: left out\nhawser pipe: 2 published, 1 left out\n$`},
		"nobody there": {"a\n", []string{"--url", nobody, "--retry", "1s"}, exitConnect,
			`refused; trying again\n.*line 1: given up after`},
		"and no retry": {"a\n", []string{"--url", nobody, "--retry", "0s"}, exitConnect,
			`^hawser pipe: line 1: given up after .*refused\n$`},
		"no input at all": {"", []string{"--url", nobody}, exitOK, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stderr := runPipe(t, row.input, append(row.args, "lines")...)
			if code != row.code || !regexp.MustCompile(row.says).MatchString(stderr) || strings.Count(stderr, "\n") > 2 {
				t.Errorf("exit code %d, said %q; want %d, %q", code, stderr, row.code, row.says)
			}
		})
	}
}

// TestPipeTLS: a certificate that nobody knows is an error at once, unless it is in --cacert, or -k takes any.
func TestPipeTLS(t *testing.T) {
	taken := make(chan string, 2)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		line, _ := io.ReadAll(r.Body)
		taken <- r.URL.Path + " " + string(line)
	}))
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	plain := httptest.NewServer(nil)
	defer plain.Close()
	ca := writePEM(t, "ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nobody knows it": {[]string{"--url", web.URL}, exitConnect,
			`^hawser pipe: line 1: .*certificate.* \(--cacert FILE says whom to trust, -k takes any certificate\)\n$`},
		"--cacert":     {[]string{"--url", web.URL, "--cacert", ca}, exitOK, `^$`},
		"-k":           {[]string{"--url", web.URL, "-k"}, exitOK, `^$`},
		"no such file": {[]string{"--cacert", "nowhere.pem"}, exitUsage, `--cacert: open nowhere.pem`},
		"a server of no TLS": {[]string{"--url", "https" + strings.TrimPrefix(plain.URL, "http")}, exitConnect,
			`^hawser pipe: line 1: .*HTTP response to HTTPS client`},
		"a URL of no TLS": {[]string{"--url", "http" + strings.TrimPrefix(web.URL, "https")}, exitConnect,
			`^hawser pipe: line 1: the server speaks TLS on this port: --url has to begin with https://\n$`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stderr := runPipe(t, "x\n", append(row.args, "--retry", "-1s", "lines")...) // what is retried never ends
			if code != row.code || !regexp.MustCompile(row.says).MatchString(stderr) {
				t.Errorf("exit code %d, said %q; want %d, %q", code, stderr, row.code, row.says)
			}
			if code != exitOK {
				return
			}
			if line := <-taken; line != "/topics/lines x" {
				t.Errorf("published %q", line)
			}
		})
	}
}

// TestPipeSeesTLS: what servers that speak TLS answer to those who do not.
func TestPipeSeesTLS(t *testing.T) {
	for name, row := range map[string]struct {
		answer string
		tls    bool
	}{
		"an alert":       {"\x15\x03\x01\x00\x02\x02\x0a", true},
		"nginx":          {webPage(400, "<title>400 The plain HTTP request was sent to HTTPS port</title>"), true},
		"Apache":         {webPage(400, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"), true},
		"a bad request":  {webPage(400, "no such topic"), false},
		"another status": {webPage(403, "The plain HTTP request was sent to HTTPS port"), false},
	} {
		t.Run(name, func(t *testing.T) {
			code, stderr := runPipe(t, "x\n", "--url", "http://"+answerWith(t, row.answer), "--retry", "-1s", "lines")
			if code != exitConnect || strings.Contains(stderr, "line 1: "+errSpeaksTLS.Error()) != row.tls {
				t.Errorf("exit code %d, said %q", code, stderr)
			}
		})
	}
}

// webPage returns an answer of HTTP.
func webPage(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// answerWith starts a server that reads a request, answers with a text, and returns where.
func answerWith(t *testing.T, text string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.Copy(io.Discard, r.Body)
		}
		io.WriteString(c, text)
	}()
	return ln.Addr().String()
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	defer s.Close()
	return s.Listener.Addr().String()
}

// TestPipeWaitsForTheServer: lines that come while there is no server arrive when it is back, once, in order.
func TestPipeWaitsForTheServer(t *testing.T) {
	addr := free(t)
	cmd := command(t, "pipe", "-v", "lines", "--url", "http://"+addr, "--key", "secret")
	p := startCommand(t, cmd)
	io.WriteString(p.stdin, "early\n")
	p.says(`trying again`)
	var mu sync.Mutex
	var got bytes.Buffer
	arrived := make(chan struct{}, 16)
	server := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		io.Copy(&got, r.Body)
		got.WriteByte(' ')
		arrived <- struct{}{}
	})}
	go server.ListenAndServe()
	defer server.Close()
	<-arrived
	p.says(`answers again`)
	io.WriteString(p.stdin, "late\nlast\n")
	p.stdin.Close()
	if code := p.wait(); code != exitOK || !strings.Contains(p.err.String(), "3 published, 0 left out") {
		t.Errorf("exit code %d, said %q", code, p.err)
	}
	if got.String() != "early late last " {
		t.Errorf("arrived: %q", got.String())
	}
}

// TestPipeStops: Ctrl-C between lines is a good end; with a line in hand that was not taken it is not.
func TestPipeStops(t *testing.T) {
	_, addr := startServe(t)
	idle := start(t, "pipe", "-v", "lines", "--url", "http://"+addr, "--key", "secret")
	subscriber := dial(t, "ws://"+addr+"/topics/lines", nil)
	io.WriteString(idle.stdin, "x\n")
	subscriber.wantMessage(websocket.TextMessage, "x")
	idle.signal(syscall.SIGINT)
	if code := idle.wait(); code != exitOK {
		t.Errorf("exit code %d, said %q; want 0", code, idle.err)
	}
	busy := start(t, "pipe", "lines", "--url", "http://"+free(t))
	io.WriteString(busy.stdin, "x\n")
	busy.says(`trying again`)
	busy.signal(syscall.SIGTERM)
	if code := busy.wait(); code != exitFailed || !strings.HasSuffix(busy.err.String(),
		"line 1: stopped before the server had taken it\n") {
		t.Errorf("exit code %d, said %q; want 1", code, busy.err)
	}
}
