package autobahn

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// casesText is the table of the cases that follow a script. It says itself how it is written.
//
//go:embed cases.txt
var casesText string

// A tableLine is one entry of a table, with the lines that continue it.
type tableLine struct {
	number int
	text   string
}

// readTable reads groups and cases.
func readTable(text string) (groups []Group, cases []*Case, err error) {
	sections := map[string]string{}
	for _, l := range tableLines(text) {
		if rest, ok := strings.CutPrefix(l.text, "group "); ok {
			id, title, _ := strings.Cut(rest, " ")
			title, section, _ := strings.Cut(title, " ; ")
			groups = append(groups, Group{id, title})
			if sections[id] = section; section == "" {
				sections[id] = sections[parentOf(id)]
			}
			continue
		}
		if len(groups) == 0 {
			return nil, nil, fmt.Errorf("line %d: a case before the first group", l.number)
		}
		c, err := parseCase(l.text)
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", l.number, err)
		}
		c.Group = groups[len(groups)-1]
		c.Section = sections[c.Group.ID]
		cases = append(cases, c)
	}
	return groups, cases, nil
}

// tableLines drops comments and joins continued lines.
func tableLines(text string) []tableLine {
	var lines []tableLine
	n := 0
	for l := range strings.Lines(text) {
		n++
		l = strings.TrimRight(l, " \n")
		switch {
		case l == "" || l[0] == '#':
		case l[0] == ' ' && len(lines) > 0:
			lines[len(lines)-1].text += l
		default:
			lines = append(lines, tableLine{n, l})
		}
	}
	return lines
}

func parentOf(id string) string {
	parent, _, _ := strings.Cut(id, ".")
	return parent
}

// tokens splits a line at spaces that are not inside a string.
func tokens(line string) ([]string, error) {
	var list []string
	for {
		line = strings.TrimLeft(line, " ")
		if line == "" {
			return list, nil
		}
		end := 0
		if line[0] == '"' {
			s, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("a string without an end: %s", line)
			}
			end = len(s)
		}
		if n := strings.IndexByte(line[end:], ' '); n >= 0 {
			end += n
		} else {
			end = len(line)
		}
		list = append(list, line[:end])
		line = line[end:]
	}
}

// A tableReader reads the tokens of a case from left to right.
type tableReader struct{ toks []string }

func (t *tableReader) peek() string {
	if len(t.toks) == 0 {
		return ""
	}
	return t.toks[0]
}

func (t *tableReader) next() string {
	s := t.peek()
	if len(t.toks) > 0 {
		t.toks = t.toks[1:]
	}
	return s
}

func parseCase(line string) (*Case, error) {
	toks, err := tokens(line)
	if err != nil {
		return nil, err
	}
	t := &tableReader{toks}
	c := &Case{ID: t.next()}
	for t.peek() != "=>" {
		if t.peek() == "" {
			return nil, fmt.Errorf("%s: no =>", c.ID)
		}
		s, err := t.step()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.ID, err)
		}
		c.Steps = append(c.Steps, s)
	}
	t.next()
	if c.Expected, err = t.expected(); err == nil {
		err = t.end(c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.ID, err)
	}
	return c, nil
}

var opcodes = map[string]byte{"cont": opCont, "text": opText, "binary": opBinary, "close": opClose, "ping": opPing,
	"pong": opPong, "message": opText, "bmessage": opBinary, "begin": opText, "beginclose": opClose}

// step reads a word, its marks, and its payload.
func (t *tableReader) step() (s Step, err error) {
	word := t.next()
	marks := strings.TrimLeft(word, "abcdefghijklmnopqrstuvwxyz")
	name := word[:len(word)-len(marks)]
	s.Fin, s.Opcode = true, opcodes[name]
	switch name {
	case "text", "binary", "cont", "ping", "pong", "close":
		s.Op = SendFrame
	case "op":
		rest := strings.TrimLeft(marks, "0123456789")
		n, err := strconv.ParseUint(marks[:len(marks)-len(rest)], 10, 4)
		if err != nil {
			return s, fmt.Errorf("bad opcode %q", word)
		}
		s.Op, s.Opcode, marks = SendFrame, byte(n), rest
	case "message", "bmessage":
		s.Op = SendMessage
	case "begin":
		s.Op, s.Fin = Begin, false
	case "beginclose":
		s.Op = Begin
	case "data":
		s.Op = Data
	case "end":
		s.Op = End
	case "shut":
		s.Op = Shut
	case "wait", "kill", "until":
		return t.wait(name, marks)
	default:
		return s, fmt.Errorf("unknown step %q", word)
	}
	if err := s.mark(marks); err != nil {
		return s, fmt.Errorf("%w in %q", err, word)
	}
	s.Payload, err = t.payload()
	return s, err
}

func (t *tableReader) wait(name, marks string) (s Step, err error) {
	s.Op = map[string]Op{"wait": Wait, "kill": Kill, "until": CloseAfter}[name]
	tag, ok := strings.CutPrefix(marks, ":")
	if ok {
		s.Tag = tag
	}
	if s.Wait, err = time.ParseDuration(t.next()); err != nil || marks != "" && !ok {
		return s, fmt.Errorf("bad %s", name)
	}
	return s, nil
}

// mark applies what stands behind the word: a sign, letters, and a number.
func (s *Step) mark(marks string) error {
	for marks != "" {
		rest := strings.TrimLeft(marks[1:], "abcdefghijklmnopqrstuvwxyz")
		kind := marks[:len(marks)-len(rest)]
		after := strings.TrimLeft(rest, "0123456789")
		long, err := strconv.ParseUint(rest[:len(rest)-len(after)], 10, 64) // 0 without
		if err != nil && len(after) < len(rest) {
			return err
		}
		n := int(min(long, maxOperand))
		switch {
		case kind == "-" && n == 0:
			s.Fin = false
		case kind == "!" && n == 0:
			s.Sync = true
		case kind == "+mask" && n == 0:
			s.WrongMask = true
		case kind == "+rsv" && n > 0 && n < 8:
			s.RSV = byte(n)
		case kind == "+width" && (n == 2 || n == 8):
			s.Width = n
		case kind == "/" && n > 0 && s.Op == SendMessage:
			s.Fragment = n
		case kind == "/" && n > 0:
			s.Chop = n
		case kind == ":" && n > 0:
			s.Length = long
		default:
			return fmt.Errorf("bad mark %q", marks)
		}
		marks = after
	}
	return nil
}

// maxOperand bounds what a string can be repeated to.
const maxOperand = 32 << 20

// payload reads strings and numbers.
func (t *tableReader) payload() ([]byte, error) {
	p := []byte{}
	for tok := t.peek(); tok != "" && (tok[0] == '"' || tok[0] >= '0' && tok[0] <= '9'); tok = t.peek() {
		t.next()
		if tok[0] != '"' {
			n, err := strconv.ParseUint(tok, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("bad number %q", tok)
			}
			p = binary.BigEndian.AppendUint16(p, uint16(n))
			continue
		}
		quoted, err := strconv.QuotedPrefix(tok)
		if err != nil {
			return nil, err
		}
		unit, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		size := len(unit)
		if rest := tok[len(quoted):]; rest != "" {
			size, err = strconv.Atoi(strings.TrimPrefix(rest, "*"))
			if err != nil || rest[0] != '*' || size < 0 || size > maxOperand || unit == "" {
				return nil, fmt.Errorf("bad repetition %q", rest)
			}
		}
		for size > 0 {
			n := min(size, len(unit))
			p = append(p, unit[:n]...)
			size -= n
		}
	}
	return p, nil
}

// expected reads the events up to the semicolon.
func (t *tableReader) expected() (map[Grade][][]Event, error) {
	all := map[Grade][][]Event{}
	grade, list := OK, []Event{}
	for {
		word := t.next()
		switch name, tag, _ := strings.Cut(word, ":"); name {
		case "nothing":
		case "nonstrict":
			grade = NonStrict
		case "|", ";":
			all[grade] = append(all[grade], list)
			grade, list = OK, []Event{}
			if word == ";" {
				return all, nil
			}
		case "wait":
			list = append(list, Event{Kind: "timeout", Tag: tag})
		case "text", "binary", "ping", "pong":
			p, err := t.payload()
			if err != nil {
				return nil, err
			}
			e := Event{Kind: name, Payload: p}
			if name == "text" || name == "binary" {
				e.Kind, e.Binary = "message", name == "binary"
			}
			list = append(list, e)
		default:
			return nil, fmt.Errorf("unknown event %q", word)
		}
	}
}

// end reads how the case ends, and its flags.
func (t *tableReader) end(c *Case) error {
	switch word := t.next(); word {
	case "closed":
		c.Close = CloseRule{ClosedByMe: true, RequireClean: true}
	case "left":
		c.Close = CloseRule{ClosedByMe: true}
	case "fails":
	case "fails!":
		c.Close = CloseRule{WrongIsFatal: true}
	default:
		return fmt.Errorf("unknown end %q", word)
	}
	for tok := t.peek(); tok != "" && tok[0] >= '0' && tok[0] <= '9'; tok = t.peek() {
		code, err := strconv.ParseUint(t.next(), 10, 16)
		if err != nil {
			return fmt.Errorf("bad code %q", tok)
		}
		c.Close.Codes = append(c.Close.Codes, int(code))
	}
	for tok := t.next(); tok != ""; tok = t.next() {
		switch tok {
		case "quiet":
			c.LeavesOpen = true
		case "informational":
			c.Informational = true
		case "counted":
			c.CountsFrames = true
		case "deflate":
			c.Deflate = &Deflate{Offers: []string{baseOffer}, Asks: []Ask{{}}}
		case "strict":
			c.strict = true
		case "server":
			c.role |= server
		case "client":
			c.role |= client
		case "eager":
			c.eager = true
		default:
			return fmt.Errorf("unknown flag %q", tok)
		}
	}
	return nil
}
