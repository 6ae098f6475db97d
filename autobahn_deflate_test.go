package websocket

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"hawser.example/websocket/internal/memconn"
)

// The tests in this file play the cases of the Autobahn TestSuite about compression, categories 12 and 13, against a
// connection that echoes, as server and as client. testdata/autobahn/deflate.txt holds them. The peer compresses with
// compress/flate. Time stands still, as in autobahn_cases_test.go.

// A deflateSet is the cases that have data and offers in common.
type deflateSet struct {
	id, data string
	op       Opcode
	size     int
	offers   []string
	accept   string
}

type deflateCase struct{ number, size, count, fragment int }

// readDeflateCases reads deflate.txt. It takes nothing that it does not know.
func readDeflateCases(t *testing.T) (sets []deflateSet, cases []deflateCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/autobahn/deflate.txt")
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]Opcode{"text": OpText, "binary": OpBinary}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		known := true
		switch {
		case line == "" || line[0] == '#':
		case len(words) == 5 && words[0] == "case":
			var c deflateCase
			n, _ := fmt.Sscanf(line, "case %d %d %d %d", &c.number, &c.size, &c.count, &c.fragment)
			known = n == 4
			cases = append(cases, c)
		case len(words) == 5 && words[0] == "set":
			s := deflateSet{id: words[1], data: words[2], op: ops[words[3]]}
			s.size, err = strconv.Atoi(words[4])
			known = err == nil && s.op != 0
			sets = append(sets, s)
		case len(words) > 1 && words[0] == "offer":
			s := &sets[len(sets)-1]
			s.offers = append(s.offers, strings.TrimPrefix(line, "offer "))
		case len(words) > 1 && words[0] == "accept":
			sets[len(sets)-1].accept = strings.TrimPrefix(line, "accept ")
		default:
			known = false
		}
		if !known {
			t.Fatalf("what is %q?", line)
		}
	}
	return sets, cases
}

func TestAutobahnDeflateCasesAreAllThere(t *testing.T) {
	sets, cases := readDeflateCases(t)
	count := map[string]int{}
	for _, s := range sets {
		count[s.id[:3]] += len(cases)
		if len(s.offers) == 0 || s.accept == "" {
			t.Errorf("set %s has no offer or answer", s.id)
		}
		data := deflateData(s)
		if len(data) != s.size || s.op == OpText && !utf8.ValidString(data) {
			t.Errorf("%s: %d bytes of data", s.id, len(data))
		}
		// About as much is gained as with the original's files.
		shrunk := float64(len(newFlateSender(noTakeover15).deflate(data))) / float64(s.size)
		bounds := map[string][2]float64{
			"json": {0.03, 0.3}, "bitmap": {0.7, 1}, "prose": {0.3, 0.6}, "html": {0.1, 0.4}, "pdf": {0.7, 1},
		}[s.data]
		if shrunk < bounds[0] || shrunk > bounds[1] {
			t.Errorf("%s: compressed to %.2f of its size", s.data, shrunk)
		}
	}
	if len(count) != 2 || count["12."] != 90 || count["13."] != 126 {
		t.Errorf("there are %v cases", count)
	}
}

func TestAutobahnDeflateCases(t *testing.T) {
	sets, cases := readDeflateCases(t)
	for _, r := range []role{serverRole, clientRole} {
		for _, s := range sets {
			data := deflateData(s)
			for i, c := range cases {
				if raceEnabled && i%6 != 0 {
					continue // the same with another size, which takes its time with the race detector
				}
				t.Run(fmt.Sprintf("%v/%s.%d", r, s.id, c.number), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { playDeflateCase(t, s, c, r, data) })
				})
			}
		}
	}
}

// negotiateCase has the side under test negotiate, and returns what it agreed on and what the peer goes by.
func negotiateCase(t *testing.T, s deflateSet, r role) (agreed deflateParams, sends, receives deflateContext) {
	options := new(Compression)
	if r == serverRole {
		agreed = acceptDeflate(offersOf(t, strings.Join(s.offers, ", ")), options)
		sends, receives = heedAnswer(t, s.offers[0], agreed.answer)
		return agreed, sends, receives
	}
	offer := options.resolve(clientRole).offered().String()
	agreed, err := checkExtensions([]string{s.accept}, options)
	if err != nil {
		t.Fatal(err)
	}
	receives, sends = heedAnswer(t, offer, s.accept)
	return agreed, sends, receives
}

var windowBits = regexp.MustCompile(`(server|client)_max_window_bits=(\d+)`)

// heedAnswer reads an offer and its answer as plainly as can be, and returns what the client and the server send. The
// answer has to keep to the offer.
func heedAnswer(t *testing.T, offer, answer string) (client, server deflateContext) {
	t.Helper()
	bits := map[string]int{"client": 15, "server": 15}
	for _, m := range windowBits.FindAllStringSubmatch(answer, -1) {
		bits[m[1]], _ = strconv.Atoi(m[2])
	}
	for _, m := range windowBits.FindAllStringSubmatch(offer, -1) {
		if most, _ := strconv.Atoi(m[2]); bits[m[1]] > most || m[1] == "server" && !strings.Contains(answer, "server_max_window_bits=") {
			t.Fatalf("offered %q, answered %q", offer, answer)
		}
	}
	const serverNo, clientNo = "server_no_context_takeover", "client_no_context_takeover"
	if !strings.HasPrefix(answer, "permessage-deflate") || strings.Contains(offer, serverNo) && !strings.Contains(answer, serverNo) ||
		strings.Contains(answer, "client_max_window_bits") && !strings.Contains(offer, "client_max_window_bits") {
		t.Fatalf("offered %q, answered %q", offer, answer)
	}
	client = deflateContext{bits["client"], !strings.Contains(answer+offer, clientNo)}
	server = deflateContext{bits["server"], !strings.Contains(answer, serverNo)}
	return client, server
}

// playDeflateCase plays a case in a bubble.
func playDeflateCase(t *testing.T, s deflateSet, c deflateCase, r role, data string) {
	agreed, sends, receives := negotiateCase(t, s, r)
	near, far := memconn.Pair(0)
	conn := newConn(near, r, connConfig{deflate: agreed}, nil)
	ended := make(chan error, 1)
	raw := &rawPeer{t: t, nc: far, role: clientRole}
	if r == serverRole {
		go conn.Serve(caseEcho(ended))
	} else {
		raw.role = serverRole
		go func() { ended <- echo(conn) }()
	}
	peer := &flatePeer{raw, newFlateSender(sends), newFlateReceiver(receives)}
	start := time.Now()
	at := 0
	for i := range c.rounds() {
		var message string
		message, at = nextPiece(data, at, c.size, s.op == OpText)
		peer.sendFragments(s.op, message, c.fragment)
		m, err := peer.next()
		if err != nil || m.text != message || m.op != s.op || m.frames != 1 {
			t.Fatalf("message %d: %d bytes of %d, %v in %d frames, %v", i, len(m.text), len(message), m.op, m.frames, err)
		}
		if gains := s.data != "pdf" && s.data != "bitmap"; m.deflated != (c.size >= DefaultCompressionThreshold) && gains {
			t.Fatalf("the echo of %d bytes is compressed: %v", c.size, m.deflated)
		}
	}
	peer.send(OpClose, closePayload(CloseNormal, ""))
	peer.want(OpClose, closePayload(CloseNormal, ""))
	if r == serverRole {
		peer.wantEOF()
	}
	if !time.Now().Equal(start) {
		t.Errorf("it took %v", time.Since(start))
	}
	far.Close()
	var closed *CloseError
	if err := <-ended; !errors.As(err, &closed) || closed.Code != CloseNormal {
		t.Errorf("the side under test got %v", err)
	}
}

// rounds is how many messages are sent: as many as make 256 KiB, and at least 4, but not more than in the original. Under
// the race detector it is a fraction of that, and at least 2.
func (c deflateCase) rounds() int {
	total, least := 256<<10, 4
	if raceEnabled {
		total, least = 16<<10, 2
	}
	return min(c.count, max(least, total/c.size))
}

// nextPiece returns the next size bytes of data, fewer if text has to end between two characters.
func nextPiece(data string, at, size int, text bool) (piece string, next int) {
	if at+size > len(data) {
		at = 0
	}
	next = at + size
	for text && next < len(data) && !utf8.RuneStart(data[next]) {
		next--
	}
	return data[at:next], next
}

// sendFragments sends a compressed message in frames of so many bytes, or in one.
func (p *flatePeer) sendFragments(op Opcode, message string, fragment int) {
	payload := p.out.deflate(message)
	if fragment == 0 {
		fragment = len(payload)
	}
	var out []byte
	for first := true; first || payload != ""; first = false {
		n := min(fragment, len(payload))
		if first {
			out = append(out, p.compressedFrame(op, n == len(payload), payload[:n])...)
		} else {
			out = append(out, p.frame(OpContinuation, n == len(payload), payload[:n])...)
		}
		payload = payload[n:]
	}
	p.write(out)
}

// deflateData makes the data of a set.
func deflateData(s deflateSet) string {
	var b strings.Builder
	random := newDice(s.data)
	words := strings.Fields("und der die das ein nicht ist es zu den in mit sich auf für wie so nur aus über doch noch wohl " +
		"Geist Welt Himmel Erde Tag Nacht Herz Teufel Leben Menschen Kraft Wort sehen kommen gehen wissen fühlen können schön groß")
	for i := 0; b.Len() < s.size; i++ {
		switch s.data {
		case "json":
			fmt.Fprintf(&b, "      \"%d.%d.%d\": {\n         \"behavior\": \"OK\",\n         \"duration\": %d,\n         \"remoteCloseCode\": 1000,\n         \"reportfile\": \"agent_case_%d_%d.json\"\n      },\n",
				i/90, i/10%9, i%10, random.upTo(500), i/90, i%90)
		case "bitmap":
			b.WriteByte(byte(128 + i%512/8 - i/512/8 + random.upTo(24)))
		case "prose":
			word := words[random.upTo(len(words))]
			for range random.upTo(4) { // there are more words than these
				word += string(rune('a' + random.upTo(26)))
			}
			b.WriteString(word + []string{" ", " ", " ", " ", ", ", ".\n"}[random.upTo(6)])
		case "html":
			fmt.Fprintf(&b, "<tr class=\"row%d\"><td><a href=\"/case/%d\">%s %s</a></td><td>%d&nbsp;ms</td></tr>\n",
				i%2, i, words[random.upTo(len(words))], words[random.upTo(len(words))], random.upTo(1000))
		case "pdf":
			fmt.Fprintf(&b, "%d 0 obj\n<< /Length 3000 /Filter /FlateDecode >>\nstream\n%s\nendstream\nendobj\n", i, noise(3000, uint64(i)))
			for j := range 20 {
				fmt.Fprintf(&b, "%010d 00000 n \n", i*3500+j*170)
			}
		}
	}
	cut := s.size
	for s.op == OpText && cut < b.Len() && !utf8.RuneStart(b.String()[cut]) {
		cut--
	}
	return b.String()[:cut] + strings.Repeat(" ", s.size-cut)
}

// dice is chance that is the same in every run.
type dice struct{ state uint64 }

func newDice(seed string) *dice {
	d := new(dice)
	for _, c := range seed {
		d.state = d.state*31 + uint64(c)
	}
	return d
}

func (d *dice) upTo(n int) int {
	d.state = d.state*6364136223846793005 + 1442695040888963407
	return int(d.state >> 33 % uint64(n))
}
