package autobahn

import (
	"fmt"
	"strings"
	"time"
)

// describe words what a case does and what it expects, from its steps. What the table says stays.
func (c *Case) describe() {
	if c.Description == "" {
		c.Description = "The kit sends " + c.does() + "."
	}
	if c.Expectation == "" {
		c.Expectation = c.expects()
	}
}

func (c *Case) does() string {
	if r := c.Rounds; r != nil {
		return r.does(c.Deflate)
	}
	var parts []string
	for _, s := range c.Steps {
		if p := s.String(); p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

func (r *Rounds) does(d *Deflate) string {
	s := "a " + typeName(r.Binary) + " message of " + size(r.Size)
	if r.Count > 1 {
		s = fmt.Sprintf("%d %s messages of %s, each when the one before has come back", r.Count, typeName(r.Binary),
			size(r.Size))
	}
	if r.Fragment > 0 {
		s += ", in fragments of " + size(r.Fragment)
	}
	if r.Chop > 0 {
		s += ", in writes of " + size(r.Chop)
	}
	for _, k := range corpora {
		if k.Name == r.Data {
			s += ", cut from " + k.Title
		}
	}
	if d != nil {
		s += ", compressed"
	}
	return s
}

// String words a step; those that only limit the time are nothing.
func (s Step) String() string {
	text := ""
	switch s.Op {
	case SendFrame:
		text = "a " + frameName(s.Opcode) + shown(s.Payload)
	case SendMessage:
		text = "a " + frameName(s.Opcode) + " message" + shown(s.Payload)
	case Shut:
		text = "a Close" + shownClose(s.Payload)
	case Begin:
		return fmt.Sprintf("the header of a %s frame of %d bytes", frameName(s.Opcode), s.Length)
	case Data:
		return "of its payload" + shown(s.Payload)
	case End:
		return "an empty last fragment"
	case Wait:
		return "nothing for " + s.Wait.String()
	default:
		return ""
	}
	if !s.Fin && s.Op == SendFrame {
		text += " without FIN"
	}
	if s.RSV != 0 {
		text += fmt.Sprintf(" with RSV %d", s.RSV)
	}
	if s.Width != 0 {
		text += fmt.Sprintf(" with a length in %d bytes", s.Width)
	}
	if s.WrongMask {
		text += " with the mask bit wrong"
	}
	if s.Fragment > 0 {
		text += " in fragments of " + size(s.Fragment)
	}
	if s.Chop > 0 {
		text += " in writes of " + size(s.Chop)
	}
	if s.Sync {
		text += " in a write of its own"
	}
	return text
}

func frameName(opcode byte) string {
	switch opcode {
	case opCont:
		return "continuation"
	case opText:
		return "text"
	case opBinary:
		return "binary"
	case opClose:
		return "Close"
	case opPing:
		return "Ping"
	case opPong:
		return "Pong"
	}
	return fmt.Sprintf("frame with opcode %d", opcode)
}

func shown(p []byte) string {
	switch {
	case len(p) == 0:
		return ""
	case len(p) > 32:
		return " of " + size(len(p))
	}
	return fmt.Sprintf(" %q", p)
}

func shownClose(p []byte) string {
	if len(p) < 2 {
		return shown(p)
	}
	return fmt.Sprintf(" %d", int(p[0])<<8|int(p[1])) + shown(p[2:])
}

func size(n int) string {
	switch {
	case n >= mib && n%mib == 0:
		return fmt.Sprint(n/mib, " MiB")
	case n >= kib && n%kib == 0:
		return fmt.Sprint(n/kib, " KiB")
	}
	return count(n, "byte")
}

// expects words the best that can happen.
func (c *Case) expects() string {
	s := ""
	switch {
	case c.Informational:
		s = "Whatever the peer does is right. "
	case c.Rounds != nil:
		s = "All comes back in order, unchanged, within " + strings.TrimSuffix(c.Rounds.Within.Round(time.Second).String(),
			"m0s") + ". "
	case len(c.Expected[OK]) > 0 && len(c.Expected[OK][0]) > 0:
		var parts []string
		for _, e := range c.Expected[OK][0] {
			parts = append(parts, e.String())
		}
		s = "What comes back: " + strings.Join(parts, ", ") + ". "
	default:
		s = "Nothing comes back. "
	}
	codes := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Close.Codes), " ", " or "), "[]")
	switch {
	case c.Informational:
	case c.Close.RequireClean:
		s += "The kit closes, and the peer answers with a Close that says " + codes + " or nothing."
	case c.Close.ClosedByMe:
		s += "The peer answers with a Close that says " + codes + ", or ends TCP."
	default:
		s += "The peer fails the connection: a Close that says " + codes + ", or the end of TCP."
	}
	return strings.TrimSpace(s)
}
