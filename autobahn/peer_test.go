package autobahn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A peer is an implementation of either role to test the kit with. It echoes, keeps every rule that the kit looks at,
// and breaks just the one that its fault names; "" is none. It is as simple as it can be: one goroutine, which reads,
// and writes while it does.
type peer struct {
	nc     net.Conn
	server bool
	size   int // of its messages, about
	fault  string

	params  *deflateParams
	def     *deflater
	inf     *inflater
	in      []byte
	opcode  byte // of the message that has begun; 0 is none
	rsv     byte
	message []byte
	text    utf8Check
	probe   utf8Check // of the part of a frame that is there
	seen    int       // bytes of that
	frames  int
	count   int      // messages so far
	pings   int      // so far
	pongs   [][]byte // that wait
	later   []func() // echoes that wait
	held    []byte   // the payload of a Close that waits for its answer; nil is none
	closed  bool     // a Close was sent
	over    bool     // nothing more is read
}

func (p *peer) has(faults ...string) bool { return slices.Contains(faults, p.fault) }

// run talks until the connection ends.
func (p *peer) run(early []byte) {
	defer p.nc.Close()
	buf := make([]byte, 64<<10)
	p.feed(early)
	for !p.over {
		n, err := p.nc.Read(buf)
		if n > 0 {
			p.feed(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (p *peer) feed(b []byte) {
	p.in = append(p.in, b...)
	for !p.over && p.next() {
	}
	if p.has("pongs the last Ping only") && len(p.pongs) > 0 {
		p.send(opPong, 0, p.pongs[len(p.pongs)-1])
		p.pongs = nil
	}
	for _, echo := range p.later {
		echo()
	}
	p.later = nil
	if p.held != nil && !p.over {
		p.close(p.held)
	}
}

// next takes a frame, if there is one.
func (p *peer) next() bool {
	h, n := parseHeader(p.in)
	if n == 0 {
		return false
	}
	if p.refuses(h) {
		return false
	}
	if have := min(uint64(len(p.in)-n), h.length); have < h.length {
		p.peek(h, p.in[n:n+int(have)])
		return false
	}
	p.seen = 0
	payload := bytes.Clone(p.in[n : n+int(h.length)])
	if h.masked {
		mask(payload, h.key, 0)
	}
	p.in = p.in[n+int(h.length):]
	p.take(h, payload)
	return true
}

// peek looks at text that is not complete.
func (p *peer) peek(h header, part []byte) {
	if h.opcode == opClose && len(part) > 2 && !p.has("waits for whole Closes", "takes any reason", "never fails") {
		part = bytes.Clone(part)
		mask(part, h.key, 0)
		if reason := new(utf8Check); !reason.feed(part[2:]) {
			p.badText()
		}
		return
	}
	if h.opcode != opText || p.rsv != 0 || p.params != nil ||
		p.has("sees bad text at the end of a message", "sees bad text at the end of a frame", "takes any text") {
		return
	}
	if p.seen == 0 {
		p.probe = p.text
	}
	news := bytes.Clone(part[p.seen:])
	if h.masked {
		mask(news, h.key, p.seen)
	}
	p.seen = len(part)
	if !p.probe.feed(news) {
		p.badText()
	}
}

// refuses fails the connection where a header breaks a rule.
func (p *peer) refuses(h header) bool {
	data := h.opcode == opText || h.opcode == opBinary
	allowed := byte(0)
	if p.params != nil && data {
		allowed = 4
	}
	switch {
	case p.closed && h.opcode != opClose:
		return false
	case h.rsv&^allowed != 0 && !p.has("takes reserved bits") && !(p.has("takes RSV 4") && h.rsv == 4) &&
		!(p.has("takes RSV 1") && h.rsv == 1):
	case h.opcode > 2 && h.opcode < 8 && !p.has("takes reserved data opcodes"):
	case h.opcode > 10 && !p.has("takes reserved control opcodes"):
	case isControl(h.opcode) && !h.fin && !p.has("takes control frames in fragments"):
	case h.opcode == opPing && h.length > 125 && !p.has("takes long Pings"):
	case h.opcode == opClose && h.length > 125 && !p.has("takes long Closes"):
	case h.width != widthOf(h.length) && !p.has("takes long lengths"):
	case h.masked != p.server && !p.has("takes the wrong mask"):
	case h.length > 64*mib && !p.has("waits for any length"):
		p.fail(1009)
		return true
	case h.opcode == opCont && p.opcode == 0 && !p.has("takes continuations of nothing"):
	case data && p.opcode != 0 && !p.has("takes a message inside another"):
	default:
		return false
	}
	p.fail(1002)
	return true
}

func (p *peer) take(h header, payload []byte) {
	if isControl(h.opcode) {
		p.control(h, payload)
		return
	}
	if h.opcode > 2 || p.closed && !p.has("echoes after the Close") {
		return
	}
	if h.opcode != opCont {
		p.opcode, p.rsv, p.message, p.text, p.frames = h.opcode, h.rsv, nil, utf8Check{}, 0
	}
	if p.opcode == 0 {
		return
	}
	p.frames++
	if p.has("echoes each fragment") {
		p.send(h.opcode, 0, payload)
		if h.fin {
			p.opcode = 0
		}
		return
	}
	if !p.checkText(h, payload) {
		return
	}
	p.message = append(p.message, payload...)
	switch {
	case p.has("takes no message of 1 MiB") && len(p.message) >= mib,
		p.has("takes no 1000 fragments") && p.frames >= 1000:
		p.fail(1009)
		return
	}
	if h.fin {
		opcode := p.opcode
		p.opcode = 0
		p.deliver(opcode)
	}
}

// checkText returns false when it has failed the connection.
func (p *peer) checkText(h header, payload []byte) bool {
	if p.opcode != opText || p.params != nil {
		return true
	}
	if h.opcode != opCont {
		p.text = utf8Check{}
	}
	ok := p.text.feed(payload) && (!h.fin || p.text.whole())
	var whole []byte
	if len(p.message) < 1000 { // no case that is about text has more
		whole = slices.Concat(p.message, payload)
	}
	switch p.fault {
	case "takes any text":
		ok = true
	case "sees bad text at the end of a message":
		ok = !h.fin || utf8.Valid(whole)
	case "checks each fragment as if it were whole":
		ok = utf8.Valid(payload)
	case "takes surrogates":
		ok = ok || loose(whole, true, false, false)
	case "takes too many bytes for a character":
		ok = ok || loose(whole, false, true, false)
	case "takes characters beyond U+10FFFF":
		ok = ok || loose(whole, false, false, true)
	case "takes text that ends inside a character":
		ok = p.text.feed(nil) && utf8.Valid(whole[:len(whole)-incomplete(whole)])
	case "refuses noncharacters":
		for _, r := range string(whole) {
			ok = ok && r&0xFFFE != 0xFFFE
		}
	case "refuses U+FFFD":
		ok = ok && !strings.ContainsRune(string(whole), utf8.RuneError)
	case "refuses NUL":
		ok = ok && !bytes.Contains(whole, []byte{0})
	case "refuses characters of 4 bytes":
		for _, r := range string(whole) {
			ok = ok && r < 0x10000
		}
	}
	if !ok {
		p.badText()
	}
	return ok
}

// incomplete returns how many bytes at the end of b begin a character.
func incomplete(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return n
			}
			break
		}
	}
	return 0
}

// loose decodes UTF-8 as it once was, with up to 6 bytes, and allows what it is told to.
func loose(b []byte, surrogates, overlong, beyond bool) bool {
	for len(b) > 0 {
		n, first := 1, b[0]
		r := uint32(first)
		switch {
		case first < 0x80:
		case first>>5 == 6:
			n, r = 2, r&0x1F
		case first>>4 == 14:
			n, r = 3, r&0xF
		case first>>3 == 30:
			n, r = 4, r&7
		case first>>2 == 62:
			n, r = 5, r&3
		case first>>1 == 126:
			n, r = 6, r&1
		default:
			return false
		}
		if len(b) < n {
			return false
		}
		for _, c := range b[1:n] {
			if c>>6 != 2 {
				return false
			}
			r = r<<6 | uint32(c&0x3F)
		}
		least := []uint32{0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000}[n]
		if r < least && !overlong || r > 0x10FFFF && !beyond || r >= 0xD800 && r < 0xE000 && !surrogates {
			return false
		}
		b = b[n:]
	}
	return true
}

func (p *peer) badText() {
	if p.has("says 1002 of bad text") {
		p.fail(1002)
		return
	}
	p.fail(1007)
}

// deliver sends a message back.
func (p *peer) deliver(opcode byte) {
	m := p.message
	if p.rsv != 0 && p.inf != nil {
		fresh := p.has("inflates without what came before") && p.count > 0
		if fresh {
			p.inf = newInflater(true)
		}
		out, err := p.inf.inflate(m)
		switch {
		case err == errBomb:
			p.fail(1009)
			return
		case err != nil && p.has("says 1002 of damaged data"):
			p.fail(1002)
			return
		case err != nil && !p.has("takes damaged data"):
			p.fail(1007)
			return
		case opcode == opText && !utf8.Valid(out):
			p.badText()
			return
		}
		m = bytes.Clone(out)
	}
	p.count++
	switch {
	case p.has("is silent"), p.has("drops empty messages") && len(m) == 0:
		return
	case p.has("swaps the types"):
		opcode = opText + opBinary - opcode
	case p.has("cuts the last byte off"):
		m = m[:max(0, len(m)-1)]
	case p.has("cuts messages at 65535 bytes"):
		m = m[:min(len(m), 65535)]
	case p.has("changes the last byte of long messages") && len(m) > 125:
		m[len(m)-1] ^= 1
	case p.has("sends every message twice"):
		p.echo(opcode, m)
	case p.has("loses the 500th message") && p.count == 500:
		return
	case p.has("changes the 1000th message") && p.count == 1000:
		m = append(m, '!')
	case p.has("pings before every echo"):
		p.send(opPing, 0, nil)
	case p.has("closes in the place of an echo"):
		p.sendClose(1000)
		return
	}
	if p.has("echoes when all is read") {
		p.later = append(p.later, func() { p.echo(opcode, m) })
		return
	}
	p.echo(opcode, m)
	if p.has("pongs after the message") {
		for _, b := range p.pongs {
			p.send(opPong, 0, b)
		}
		p.pongs = nil
	}
}

func (p *peer) echo(opcode byte, m []byte) {
	if p.def == nil {
		p.send(opcode, 0, m)
		return
	}
	c := bytes.Clone(p.def.compress(m))
	switch p.fault {
	case "sends compressed data without RSV1":
		p.send(opcode, 0, c)
	case "sends plain data with RSV1":
		p.send(opcode, 4, m)
	case "leaves the tail on":
		p.send(opcode, 4, append(c, tail...))
	case "damages compressed data":
		c[len(c)/2] ^= 0x55
		p.send(opcode, 4, c)
	case "sets RSV1 on continuations":
		half := len(c) / 2
		p.frame(header{opcode: opcode, rsv: 4}, c[:half])
		p.frame(header{fin: true, rsv: 4}, c[half:])
	default:
		p.send(opcode, 4, c)
	}
}

func (p *peer) control(h header, payload []byte) {
	switch h.opcode {
	case opPing:
		p.ping(payload)
	case opPong:
		switch p.fault {
		case "pongs a Pong":
			p.send(opPong, 0, payload)
		case "closes on a Pong that it did not ask for":
			p.fail(1002)
		}
	case opClose:
		p.close(payload)
	}
}

func (p *peer) ping(payload []byte) {
	p.pings++
	switch {
	case p.closed && !p.has("pongs after the Close"):
	case p.has("sends no Pong"):
	case p.has("pongs without payload"):
		p.send(opPong, 0, nil)
	case p.has("pongs with the payload as text"):
		p.send(opPong, 0, []byte(strings.ToValidUTF8(string(payload), "?")))
	case p.has("pongs twice"):
		p.send(opPong, 0, payload)
		p.send(opPong, 0, payload)
	case p.has("pings back"):
		p.send(opPing, 0, payload)
	case p.has("pongs a Ping when the next one comes"):
		for _, b := range p.pongs {
			p.send(opPong, 0, b)
		}
		p.pongs = [][]byte{payload}
	case p.has("pongs every other Ping") && p.pings%2 == 1:
	case p.has("pongs the last Ping only"), p.has("pongs after the message") && p.opcode != 0:
		p.pongs = append(p.pongs, payload)
	default:
		p.send(opPong, 0, payload)
	}
}

// close answers a Close.
func (p *peer) close(payload []byte) {
	if p.closed {
		p.over = !p.has("never ends TCP")
		return
	}
	if p.has("reads on before it answers a Close") && p.held == nil {
		p.held = append([]byte{}, payload...)
		return
	}
	code, _, bad, why := parseClose(payload)
	switch {
	case p.has("answers no Close"):
		p.closed = true
		return
	case p.has("ends TCP on a Close"):
		p.over = true
		return
	case p.has("takes any code") && code != nil, p.has("takes any reason") && code != nil && sendable(*code):
		why = ""
	case p.has("takes half a code") && len(payload) == 1:
		p.sendClose(1000)
		p.ends()
		return
	case p.has("refuses codes of applications") && code != nil && *code >= 3000,
		p.has("refuses the codes of errors") && code != nil && *code > 1001 && *code < 1012,
		p.has("refuses a Close without a code") && code == nil:
		bad, why = 1002, "refused"
	case p.has("answers 1001"):
		p.sendClose(1001)
		p.ends()
		return
	case p.has("answers 1000"):
		p.sendClose(1000)
		p.ends()
		return
	case p.has("answers half a code"):
		p.closed = true
		p.frame(header{fin: true, opcode: opClose}, []byte{3})
		p.ends()
		return
	}
	switch {
	case why != "":
		p.fail(bad)
	case code == nil:
		p.sendClose(noCode)
		p.ends()
	default:
		p.sendClose(*code)
		p.ends()
	}
}

// ends ends TCP, which is the server's to do first.
func (p *peer) ends() {
	p.over = p.server && !p.has("never ends TCP") && !p.has("echoes after the Close") && !p.has("pongs after the Close")
	if p.has("pongs after the Close", "echoes after the Close") {
		p.nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	}
}

// fail fails the connection.
func (p *peer) fail(code int) {
	if p.closed {
		p.over = true
		return
	}
	switch {
	case p.has("fails with 1000"):
		code = 1000
	case p.has("fails with 1011"):
		code = 1011
	case p.has("never fails"):
		return
	}
	p.sendClose(code)
	p.over = true
}

const noCode = -1

// sendClose sends a Close; noCode is none.
func (p *peer) sendClose(code int) {
	p.closed = true
	var b []byte
	if code != noCode {
		b = binary.BigEndian.AppendUint16(b, uint16(code))
	}
	if p.has("gives a reason that is no UTF-8") {
		b = append(b, 0xFF)
	}
	p.send(opClose, 0, b)
}

func (p *peer) send(opcode, rsv byte, b []byte) {
	p.frame(header{fin: true, opcode: opcode, rsv: rsv}, b)
}

func (p *peer) frame(h header, b []byte) {
	h.masked, h.length, h.width = !p.server, uint64(len(b)), widthOf(uint64(len(b)))
	switch {
	case p.has("masks the wrong way round"):
		h.masked = p.server
	case p.has("sends lengths in 8 bytes"):
		h.width = 8
	case p.has("sets RSV2"):
		h.rsv |= 2
	case p.has("sends echoes without FIN") && !isControl(h.opcode):
		h.fin = false
	case p.has("sends echoes as continuations") && !isControl(h.opcode):
		h.opcode = opCont
	}
	if h.masked {
		h.key = [4]byte{1, 2, 3, 4}
	}
	out := h.append(nil)
	at := len(out)
	out = append(out, b...)
	mask(out[at:], h.key, 0)
	p.nc.Write(out)
}

// serve answers the kit's opening handshake, and talks.
func (p *peer) serve() {
	req, _, early, err := readRequest(p.nc)
	if err != nil {
		p.nc.Close()
		return
	}
	if err := checkRequest(req); err != nil && !p.has("upgrades whatever is asked") {
		refuse(p.nc, "400 Bad Request\r\nSec-WebSocket-Version: 13", "no opening handshake")
		return
	}
	var extra []string
	offers := parseExtensions(strings.Join(req.Header.Values("Sec-WebSocket-Extensions"), ","))
	if d, ok := (&Deflate{Asks: []Ask{{}}}).accept(offers); ok && !p.has("declines permessage-deflate") {
		if p.has("ignores a window that is asked for") {
			d.serverBits = 0
		}
		if p.has("answers with the largest window") {
			d.serverBits = 15
		}
		if p.has("ignores that no takeover is asked for") {
			d.serverNoTakeover = false
		}
		p.compress(d)
		extra = append(extra, "Sec-WebSocket-Extensions: "+d.String())
	}
	switch p.fault {
	case "agrees to an extension that was not offered":
		extra = append(extra, "Sec-WebSocket-Extensions: x-other")
	case "answers with a parameter that is unknown":
		extra = append(extra, "Sec-WebSocket-Extensions: permessage-deflate; x-level=9")
	case "names a subprotocol that was not offered":
		extra = append(extra, "Sec-WebSocket-Protocol: chat")
	}
	if name := req.Header.Get("Sec-WebSocket-Protocol"); name != "" {
		line := "Sec-WebSocket-Protocol: " + name
		switch p.fault {
		case "speaks any subprotocol":
			extra = append(extra, line)
		case "names a subprotocol twice":
			extra = append(extra, line, line)
		}
	}
	if p.has("agrees to any permessage-deflate") && len(extra) == 0 && len(offers) > 0 {
		extra = append(extra, "Sec-WebSocket-Extensions: permessage-deflate")
	}
	text := answer(req, extra...)
	switch p.fault {
	case "gives a wrong Accept":
		text = strings.Replace(text, "Accept: ", "Accept: x", 1)
	case "answers 200":
		text = strings.Replace(text, "101 Switching Protocols", "200 OK", 1)
	case "answers without Upgrade":
		text = strings.Replace(text, "Upgrade: websocket\r\n", "", 1)
	case "answers without Connection":
		text = strings.Replace(text, "Connection: Upgrade\r\n", "", 1)
	case "never answers":
		return
	}
	p.nc.Write([]byte(text))
	p.run(early)
}

// dial does the opening handshake with the kit, and talks.
func (p *peer) dial(path string) {
	a, err := parseAddress("ws://kit" + path)
	if err != nil {
		panic(err)
	}
	key := newKey()
	var extra []string
	if !p.has("declines permessage-deflate") {
		extra = []string{"Sec-WebSocket-Extensions: " + baseOffer}
	}
	text := a.request(key, extra)
	switch p.fault {
	case "asks for version 8":
		text = strings.Replace(text, "Version: 13", "Version: 8", 1)
	case "sends a short key":
		text = strings.Replace(text, "Key: ", "Key: AAAA", 1)
	case "posts":
		text = strings.Replace(text, "GET", "POST", 1)
	case "sends no Host":
		text = strings.Replace(text, "Host: kit\r\n", "", 1)
	}
	p.nc.Write([]byte(text))
	head, early, err := readHead(p.nc)
	if err != nil || !p.has("takes any answer") && !p.sound(append(head, early...), key, text, len(extra) > 0) {
		switch p.fault {
		case "closes what it has refused":
			p.sendClose(1002)
		case "sends a byte to what it has refused":
			p.nc.Write([]byte{0x88})
		}
		p.nc.Close()
		return
	}
	for l := range strings.Lines(string(head)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), "Sec-WebSocket-Extensions: "); ok {
			if d, err := parseDeflate(parseExtensions(v)[0][1:]); err == nil {
				p.compress(d)
			}
		}
	}
	if p.has("loses what comes with the answer") {
		early = nil
	}
	p.run(early)
}

// sound tells whether the answer of a server to a request may be taken. It reads one that is none to its end, as many
// clients do.
func (p *peer) sound(begin []byte, key, request string, offered bool) bool {
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(begin), p.nc)), nil)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, resp.Body)
	if checkResponse(resp, key, request) != nil {
		return false
	}
	exts := parseExtensions(resp.Header.Get("Sec-WebSocket-Extensions"))
	if len(exts) == 0 {
		return true
	}
	_, err = parseDeflate(exts[0][1:])
	return err == nil && offered && exts[0][0] == deflateName
}

// compress sets permessage-deflate up.
func (p *peer) compress(d deflateParams) {
	p.params = &d
	ours, fresh, theirFresh := d.serverBits, d.serverNoTakeover, d.clientNoTakeover
	if !p.server {
		ours, fresh, theirFresh = d.clientBits, d.clientNoTakeover, d.serverNoTakeover
	}
	switch p.fault {
	case "uses more window than agreed":
		ours = 15
	case "keeps its window where it must not":
		fresh = false
	}
	p.def = newDeflater(ours, fresh, p.size)
	p.inf = newInflater(theirFresh)
}
