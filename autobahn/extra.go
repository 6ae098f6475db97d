package autobahn

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"fmt"
	"sync"
	"time"
)

// extraText is the table of the kit's own cases.
//
//go:embed extra.txt
var extraText string

// readExtra makes the kit's own cases: those of the table, those that are made here, and those of the handshake.
func readExtra() ([]Group, []*Case, error) {
	groups, cases, err := readTable(extraText)
	if err != nil {
		return nil, nil, err
	}
	f := &families{groups: groups, cases: cases}
	f.pings()
	f.windows()
	f.bombs()
	f.handshakes()
	return f.groups, f.cases, nil
}

// put adds a case with steps.
func (f *families) put(c Case) {
	f.n++
	c.Group = f.groups[len(f.groups)-1]
	c.ID, c.Section = fmt.Sprintf("%s.%d", c.Group.ID, f.n), f.section
	f.cases = append(f.cases, &c)
}

// pings come between the fragments of a message, many in one write. At best each is answered, in order, before the
// message is.
func (f *families) pings() {
	f.section = "RFC 6455 §5.4, §5.5.2, §5.5.3"
	f.group("X.9", "Many Pings between fragments")
	for _, n := range []int{10, 100, 1000} {
		first := Step{Op: SendFrame, Opcode: opText, Payload: []byte("begin ")}
		c := Case{Close: closedNormally, Steps: []Step{first}, pongs: true}
		var want []Event
		for i := range n {
			p := fmt.Appendf(nil, "ping %d", i)
			c.Steps = append(c.Steps, Step{Op: SendFrame, Opcode: opPing, Payload: p, Fin: true},
				Step{Op: SendFrame, Opcode: opCont, Payload: []byte("more ")})
			want = append(want, Event{Kind: "pong", Payload: p})
		}
		c.Steps = append(c.Steps, Step{Op: SendFrame, Opcode: opCont, Payload: []byte("end"), Fin: true},
			Step{Op: Kill, Wait: 5 * time.Second})
		text := "begin " + string(bytes.Repeat([]byte("more "), n)) + "end"
		want = append(want, Event{Kind: "message", Payload: []byte(text)})
		c.Expected = map[Grade][][]Event{OK: {want}}
		c.Description = fmt.Sprintf("The kit sends a text message in %d fragments, with %d Pings between them.", n+2, n)
		c.Expectation = fmt.Sprintf("The %d Pongs come back in order, then the message; then a clean close. "+
			"Fewer Pongs will do, NON-STRICT, with the one for the last Ping among them.", n)
		f.put(c)
	}
}

// windows ask for small windows and check each match that comes back.
func (f *families) windows() {
	f.section = "RFC 7692 §7.1.2"
	f.group("X.10", "Windows that are kept")
	for _, a := range []Ask{{false, 9}, {false, 10}, {false, 12}, {true, 9}} {
		f.put(Case{Close: closedNormally, strict: true,
			Deflate: &Deflate{Offers: []string{baseOffer + a.offer()}, Asks: []Ask{a}},
			Rounds:  &Rounds{Count: 40, Size: 32 * kib, Data: "json", Within: 60 * time.Second},
			Expectation: fmt.Sprintf("All comes back, no match reaches further back than %d bytes, and the answer "+
				"confirms what was asked for.", 1<<a.WindowBits)})
	}
}

// bomb is a message of a GiB that is small as long as it is compressed.
var bomb = sync.OnceValue(func() []byte {
	var unit, out bytes.Buffer
	w, _ := flate.NewWriter(&unit, flate.BestCompression)
	w.Write(make([]byte, mib))
	w.Flush()
	for range 1024 {
		out.Write(unit.Bytes())
	}
	return out.Bytes()[:out.Len()-len(tail)]
})

func (f *families) bombs() {
	f.section = "RFC 7692 §8, RFC 6455 §10.4"
	f.group("X.11", "A message that inflates to a GiB")
	f.put(Case{Close: CloseRule{Codes: []int{1009}, WrongIsFatal: true}, Deflate: &Deflate{[]string{baseOffer}, []Ask{{}}},
		Expected: map[Grade][][]Event{OK: {{}}},
		Steps: []Step{{Op: SendFrame, Opcode: opBinary, RSV: 4, Fin: true, Payload: bomb()},
			{Op: Kill, Wait: 20 * time.Second}},
		Description: fmt.Sprintf("The kit sends a compressed message of %s that inflates to 1 GiB.", size(len(bomb()))),
		Expectation: "The peer stops when it has inflated what it takes, and fails the connection with 1009.",
	})
}
