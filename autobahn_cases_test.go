package websocket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"hawser.example/websocket/internal/memconn"
	"hawser.example/websocket/internal/wstest"
)

// The tests in this file play the cases of the Autobahn TestSuite against a connection that echoes, as server and as
// client. testdata/autobahn/cases.txt holds the cases and says how they are written down. The peer that plays them has
// a frame codec of its own, so that the code under test does not judge itself. In a synctest bubble time stands still
// unless everybody waits: whatever does not come at once, before a timer of anybody's has fired, is a failure.

func TestAutobahnCases(t *testing.T) {
	cases := readAutobahnCases(t)
	for _, r := range []role{serverRole, clientRole} {
		t.Run(r.String(), func(t *testing.T) {
			for _, c := range cases {
				if raceEnabled && c.size() > 1<<20 {
					continue // the same again with more bytes, which takes minutes with the race detector
				}
				t.Run(c.id, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { playInMemory(t, c, r) })
				})
			}
		})
	}
}

func TestAutobahnCasesAreAllThere(t *testing.T) {
	want := map[string]int{"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
	got := map[string]int{}
	for _, c := range readAutobahnCases(t) {
		category, _, _ := strings.Cut(c.id, ".")
		got[category]++
	}
	if len(got) != len(want) {
		t.Errorf("categories: %v, want %v", got, want)
	}
	for category, n := range want {
		if got[category] != n {
			t.Errorf("category %s has %d cases, want %d", category, got[category], n)
		}
	}
}

func TestAutobahnCasesOverTCP(t *testing.T) {
	ids := []string{"1.1.8", "2.10", "3.4", "4.1.3", "5.8", "6.4.3", "7.1.6", "7.7.10", "9.4.6", "10.1.1"}
	cases := readAutobahnCases(t)
	for _, id := range ids {
		i := slices.IndexFunc(cases, func(c autobahnCase) bool { return c.id == id })
		if i < 0 {
			t.Fatalf("there is no case %s", id)
		}
		t.Run("server/"+id, func(t *testing.T) { playWithUpgrader(t, cases[i]) })
		t.Run("client/"+id, func(t *testing.T) { playWithDialer(t, cases[i]) })
	}
}

// caseEcho echoes as hawser echo does, and tells ended how the connection ended.
func caseEcho(ended chan<- error) Handler {
	return HandlerFuncs{
		OnMessage: func(c *Conn, t MessageType, p []byte) { c.WriteMessage(t, p) },
		OnClosed:  func(_ *Conn, err error) { ended <- err },
	}
}

// playInMemory plays c in a bubble. The server under test serves a Handler, the client reads and writes messages.
func playInMemory(t *testing.T, c autobahnCase, r role) {
	near, far := memconn.Pair(0)
	conn := newConn(near, r, connConfig{}, nil)
	ended := make(chan error, 1)
	if r == serverRole {
		go conn.Serve(caseEcho(ended))
	} else {
		go func() { ended <- echo(conn) }()
	}
	p := &casePeer{nc: far, in: bufio.NewReader(far), underTest: r, ended: ended, settle: synctest.Wait, hurry: 1}
	p.playCase(t, c)
}

// The key of the example in RFC 6455, section 1.3, and its answer.
const (
	caseKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	caseAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// playWithUpgrader plays c against a server that net/http and an Upgrader run.
func playWithUpgrader(t *testing.T, c autobahnCase) {
	wstest.NoLeaks(t)
	var upgrader Upgrader
	ended := make(chan error, 1)
	server := httptest.NewServer(upgrader.Handler(func(*Conn, *http.Request) Handler { return caseEcho(ended) }))
	defer server.Close()
	nc, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", nc.RemoteAddr(), caseKey)
	in := bufio.NewReader(nc)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept := res.Header.Get("Sec-WebSocket-Accept"); res.StatusCode != 101 || accept != caseAccept {
		t.Fatalf("handshake: status %d, accept %q", res.StatusCode, accept)
	}
	p := &casePeer{nc: nc, in: in, underTest: serverRole, ended: ended, hurry: caseHurry}
	p.playCase(t, c)
}

// playWithDialer plays c against a client that a Dialer connected.
func playWithDialer(t *testing.T, c autobahnCase) {
	wstest.NoLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		conn, _, err := new(Dialer).Dial(context.Background(), "ws://"+ln.Addr().String(), nil)
		if err == nil {
			err = echo(conn)
		}
		ended <- err
	}()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	in := bufio.NewReader(nc)
	req, err := http.ReadRequest(in)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(hash[:]))
	p := &casePeer{nc: nc, in: in, underTest: clientRole, ended: ended, hurry: caseHurry}
	p.playCase(t, c)
}

const (
	// casePatience is how long a peer waits for what has to come at once.
	casePatience = 10 * time.Second
	// caseHurry divides the waits of a case where time is real.
	caseHurry = 100
)

// A casePeer is the other end of the connection under test.
type casePeer struct {
	nc        net.Conn
	in        *bufio.Reader
	underTest role
	ended     <-chan error  // how the echoing ended
	settle    func()        // waits until the other side has read everything; nil where time is real
	hurry     time.Duration // by what waits are divided
	sending   chan error    // the result of the write that is under way, if any
	key       [4]byte       // of the frame that was begun, 0 for a server's
	offset    int           // how much of its payload has been sent
	waited    time.Duration // how long the peer has waited on purpose
}

// playCase plays c, closes the connection and judges what the side under test was told about its end.
func (p *casePeer) playCase(t *testing.T, c autobahnCase) {
	err := p.play(c.steps)
	p.nc.Close()
	closed := time.Now()
	end := <-p.ended
	switch {
	case err != nil:
		t.Errorf("%v; the side under test got: %v", err, end)
	case p.settle != nil && !time.Now().Equal(closed):
		t.Errorf("the connection ended %v after the peer had closed it", time.Since(closed))
	default:
		if err := c.judgeEnd(end); err != nil {
			t.Error(err)
		}
	}
}

func (p *casePeer) play(steps []caseStep) error {
	start := time.Now()
	for i, s := range steps {
		err := p.step(s)
		if took := time.Since(start); err == nil && p.settle != nil && took != p.waited {
			err = fmt.Errorf("came %v too late", took-p.waited)
		}
		if err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.verb, err)
		}
	}
	return p.sent()
}

func (p *casePeer) step(s caseStep) error {
	switch s.verb {
	case ">":
		return p.send(s.frames, s.n)
	case "<":
		return p.expect(s.frames)
	case "rounds":
		for range s.n {
			if err := p.send(s.frames, 0); err != nil {
				return err
			}
			if err := p.expect(s.frames); err != nil {
				return err
			}
		}
		return nil
	case "wait":
		return p.silence(s.wait)
	case "closes":
		return p.expectClosed(s.n)
	default:
		return p.expectFailed(s.n)
	}
}

// send begins to write frames, in pieces of the given size if it is not 0. Others go on meanwhile, so that nobody waits
// for the peer to read its echoes.
func (p *casePeer) send(frames []caseFrame, piece int) error {
	if err := p.sent(); err != nil {
		return err
	}
	var b []byte
	for _, f := range frames {
		b = p.appendFrame(b, f)
	}
	if piece == 0 {
		piece = len(b)
	}
	p.sending = make(chan error, 1)
	go func() {
		for chunk := range slices.Chunk(b, piece) {
			if _, err := p.nc.Write(chunk); err != nil {
				p.sending <- fmt.Errorf("write: %w", err)
				return
			}
			if p.settle != nil {
				p.settle()
			}
		}
		p.sending <- nil
	}()
	return nil
}

// sent waits until everything is written.
func (p *casePeer) sent() error {
	if p.sending == nil {
		return nil
	}
	err := <-p.sending
	p.sending = nil
	return err
}

// appendFrame appends f as it goes over the wire.
func (p *casePeer) appendFrame(dst []byte, f caseFrame) []byte {
	payload := f.payload()
	switch {
	case f.rest:
		return p.appendMasked(dst, payload)
	case f.fragment > 0:
		b0 := f.b0 &^ 0x80
		for ; len(payload) > f.fragment; payload = payload[f.fragment:] {
			dst = p.appendMasked(p.appendHead(dst, b0, f.fragment), payload[:f.fragment])
			b0 = 0 // a continuation
		}
		return p.appendMasked(p.appendHead(dst, b0|0x80, len(payload)), payload)
	}
	return p.appendMasked(p.appendHead(dst, f.b0, max(f.announced, len(payload))), payload)
}

// appendHead appends the header of a frame, which has a masking key of its own.
func (p *casePeer) appendHead(dst []byte, b0 byte, size int) []byte {
	mask := byte(0)
	if p.underTest == serverRole {
		mask = 0x80
	}
	switch {
	case size < 126:
		dst = append(dst, b0, mask|byte(size))
	case size < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, b0, mask|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, b0, mask|127), uint64(size))
	}
	if mask != 0 {
		p.offset = 0
		binary.BigEndian.PutUint32(p.key[:], binary.BigEndian.Uint32(p.key[:])+0x9e3779b9)
		dst = append(dst, p.key[:]...)
	}
	return dst
}

// appendMasked appends payload of the frame that was begun.
func (p *casePeer) appendMasked(dst, payload []byte) []byte {
	n := len(dst)
	dst = append(dst, payload...)
	xorKey(dst[n:], p.key, p.offset)
	p.offset += len(payload)
	return dst
}

// xorKey masks payload that is at offset in its frame. It leaves the work to the standard library, which keeps it fast
// under the race detector.
func xorKey(payload []byte, key [4]byte, offset int) {
	const block = 4 << 10 // a multiple of the key's size
	keys := bytes.Repeat(key[:], min(block, len(payload))/4+2)[offset%4:]
	for chunk := range slices.Chunk(payload, block) {
		subtle.XORBytes(chunk, chunk, keys)
	}
}

// expect reads frames, which have to be these and no others.
func (p *casePeer) expect(frames []caseFrame) error {
	for i, f := range frames {
		b0, payload, err := p.next()
		if err != nil {
			return fmt.Errorf("frame %d: %w", i+1, err)
		}
		if want := f.payload(); b0 != f.b0 || !bytes.Equal(payload, want) {
			return fmt.Errorf("frame %d: got %s, want %s", i+1, showFrame(b0, payload), showFrame(f.b0, want))
		}
	}
	return nil
}

// next reads a frame and checks what holds for every one.
func (p *casePeer) next() (b0 byte, payload []byte, err error) {
	p.nc.SetReadDeadline(time.Now().Add(casePatience))
	var head [2]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return 0, nil, err
	}
	if masked := head[1]&0x80 != 0; masked != (p.underTest == clientRole) {
		return 0, nil, fmt.Errorf("a frame with masked = %v", masked)
	}
	size := uint64(head[1] & 0x7f)
	if size > 125 {
		form := map[uint64]int{126: 2, 127: 8}[size]
		var long [8]byte
		if _, err := io.ReadFull(p.in, long[8-form:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(long[:])
		if size < 126 || form == 8 && size < 1<<16 {
			return 0, nil, fmt.Errorf("a length of %d in %d bytes", size, form)
		}
	}
	var key [4]byte
	if p.underTest == clientRole {
		if _, err := io.ReadFull(p.in, key[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(p.in, payload); err != nil {
		return 0, nil, fmt.Errorf("payload of %d bytes: %w", size, err)
	}
	xorKey(payload, key, 0)
	return head[0], payload, nil
}

func showFrame(b0 byte, payload []byte) string {
	if len(payload) > 200 {
		return fmt.Sprintf("%#x with %d bytes, sha1 %x", b0, len(payload), sha1.Sum(payload))
	}
	return fmt.Sprintf("%#x with %q", b0, payload)
}

// silence sees to it that nothing comes for a while, not even the end of the stream.
func (p *casePeer) silence(d time.Duration) error {
	if err := p.sent(); err != nil {
		return err
	}
	d /= p.hurry
	p.nc.SetReadDeadline(time.Now().Add(d))
	if b, err := p.in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("instead of nothing came %x, %v", b, err)
	}
	p.waited += d
	return nil
}

// endOfStream sees to it that nothing comes any more.
func (p *casePeer) endOfStream() error {
	p.nc.SetReadDeadline(time.Now().Add(casePatience))
	if b, err := p.in.Peek(1); err != io.EOF {
		return fmt.Errorf("instead of the end of the stream came %x, %v", b, err)
	}
	return nil
}

// expectClosed reads the answer to the peer's Close. Then a server closes TCP and a client waits for that: RFC 6455,
// section 7.1.1.
func (p *casePeer) expectClosed(code int) error {
	f := caseFrame{b0: 0x88}
	if code != 0 {
		f.parts = []casePart{codePart(code)}
	}
	if err := p.expect([]caseFrame{f}); err != nil {
		return err
	}
	if p.underTest == serverRole {
		return p.endOfStream()
	}
	if err := p.silence(time.Second); err != nil {
		return err
	}
	if len(p.ended) > 0 {
		return errors.New("the client did not wait for the server to close TCP")
	}
	return nil
}

// expectFailed reads the Close of a side that fails the connection, and the end of the stream behind it.
func (p *casePeer) expectFailed(code int) error {
	b0, payload, err := p.next()
	if err != nil {
		return err
	}
	if b0 != 0x88 || len(payload) < 3 || int(binary.BigEndian.Uint16(payload)) != code || !utf8.Valid(payload[2:]) {
		return fmt.Errorf("got %s, want a Close with code %d and a reason", showFrame(b0, payload), code)
	}
	return p.endOfStream()
}

// An autobahnCase is a case of cases.txt.
type autobahnCase struct {
	id    string
	steps []caseStep
}

// size returns how many bytes of payload the case has.
func (c autobahnCase) size() (n int) {
	for _, s := range c.steps {
		for _, f := range s.frames {
			for _, part := range f.parts {
				n += part.size
			}
		}
	}
	return n
}

// judgeEnd checks the error with which the echoing ended.
func (c autobahnCase) judgeEnd(err error) error {
	for _, s := range c.steps {
		var closed *CloseError
		var failed *ProtocolError
		switch {
		case s.verb == "closes" && (!errors.As(err, &closed) || int(closed.Code) != cmp.Or(s.n, int(CloseNoStatus))):
			return fmt.Errorf("ended with %v, want a *CloseError with code %d", err, s.n)
		case s.verb == "fails" && (!errors.As(err, &failed) || int(failed.Code) != s.n):
			return fmt.Errorf("ended with %v, want a *ProtocolError with code %d", err, s.n)
		}
	}
	return nil
}

type caseStep struct {
	verb   string
	frames []caseFrame
	n      int // of >: bytes of a write, 0 for all; of rounds: how many; of closes and fails: the code
	wait   time.Duration
}

type caseFrame struct {
	b0        byte // FIN, RSV and opcode
	parts     []casePart
	fragment  int // bytes of a fragment, 0 for all
	announced int // length of the payload in the header, 0 for its size
	rest      bool
}

// A casePart is a part of a payload: a pattern that repeats up to a size.
type casePart struct {
	pattern string
	size    int
}

func codePart(code int) casePart {
	return casePart{string(binary.BigEndian.AppendUint16(nil, uint16(code))), 2}
}

func (f caseFrame) payload() (payload []byte) {
	for _, part := range f.parts {
		times := (part.size + len(part.pattern) - 1) / len(part.pattern)
		payload = append(payload, strings.Repeat(part.pattern, times)[:part.size]...)
	}
	return payload
}

// readAutobahnCases reads cases.txt. It takes nothing that it does not know.
func readAutobahnCases(t *testing.T) (cases []autobahnCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/autobahn/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	joined := strings.ReplaceAll(regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(text), ""), "\n ", " ")
	for line := range strings.Lines(strings.TrimSpace(joined)) {
		words := caseWord.FindAllString(line, -1)
		id := words[0]
		if known[id] {
			t.Fatalf("there are two cases %s", id)
		}
		known[id] = true
		p := caseParser{words[1:]}
		steps, err := p.steps()
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		cases = append(cases, autobahnCase{id, steps})
	}
	return cases
}

var (
	caseWord  = regexp.MustCompile(`(?:"(?:\\.|[^"\\])*"|[^\s"])+`)
	frameWord = regexp.MustCompile(`^(text|binary|cont|close|ping|pong|rest|op\d+)(-?)` + // opcode, FIN
		`(?:\+rsv([1-7]))?(?:/(\d+))?(?::(\d+))?$`) // RSV, fragments, length
	caseOps = map[string]byte{"cont": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10, "rest": 0}
)

// A caseParser reads the words of a case.
type caseParser struct{ words []string }

// peek returns the next word, "" at the end.
func (p *caseParser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *caseParser) next() string {
	w := p.peek()
	p.words = p.words[min(1, len(p.words)):]
	return w
}

// steps reads all steps and sees to it that a case has an end.
func (p *caseParser) steps() (steps []caseStep, err error) {
	ends := 0
	for len(p.words) > 0 {
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		if s.verb == "closes" || s.verb == "fails" {
			ends++
		} else if ends > 0 && s.verb != ">" {
			return nil, fmt.Errorf("%q behind the end", s.verb)
		}
		steps = append(steps, s)
	}
	if ends != 1 {
		return nil, fmt.Errorf("%d ends", ends)
	}
	return steps, nil
}

func (p *caseParser) step() (s caseStep, err error) {
	word := p.next()
	verb, piece, chopped := strings.Cut(word, "/")
	s.verb = verb
	switch {
	case verb == ">" && chopped:
		s.n, err = strconv.Atoi(piece)
	case word == ">" || word == "<":
	case word == "rounds":
		s.n, err = strconv.Atoi(p.next())
	case word == "fails", word == "closes" && p.peek() != "":
		s.n, err = strconv.Atoi(p.next())
		return s, err
	case word == "closes":
		return s, nil
	case word == "wait":
		s.wait, err = time.ParseDuration(p.next())
		return s, err
	default:
		return s, fmt.Errorf("what is %q?", word)
	}
	if err == nil {
		s.frames, err = p.frames()
	}
	return s, err
}

func (p *caseParser) frames() (frames []caseFrame, err error) {
	for {
		m := frameWord.FindStringSubmatch(p.peek())
		if m == nil {
			break
		}
		p.next()
		number := func(s string) int { n, _ := strconv.Atoi(s); return n } // "" is 0, all else matched \d+
		f := caseFrame{b0: 0x80, rest: m[1] == "rest", fragment: number(m[4]), announced: number(m[5])}
		if op, ok := caseOps[m[1]]; ok {
			f.b0 |= op
		} else {
			f.b0 |= byte(number(m[1][2:]))
		}
		if m[2] == "-" {
			f.b0 &^= 0x80
		}
		f.b0 |= byte(number(m[3])) << 4
		if err := p.payload(&f); err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("%q is no frame", p.peek())
	}
	return frames, nil
}

// payload reads what is behind a frame's name.
func (p *caseParser) payload(f *caseFrame) error {
	for {
		w := p.peek()
		if code, err := strconv.ParseUint(w, 10, 16); err == nil {
			f.parts = append(f.parts, codePart(int(code)))
			p.next()
			continue
		}
		quoted, err := strconv.QuotedPrefix(w)
		if err != nil {
			return nil // the next frame or step
		}
		p.next()
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return err
		}
		part := casePart{text, len(text)}
		if size, repeated := strings.CutPrefix(w[len(quoted):], "*"); repeated {
			if part.size, err = strconv.Atoi(size); err != nil {
				return err
			}
		} else if size != "" {
			return fmt.Errorf("what is %q?", w)
		}
		f.parts = append(f.parts, part)
	}
}
