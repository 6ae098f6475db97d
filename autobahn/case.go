package autobahn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Case is one conversation with the side under test, and what it has to lead to. Cases are data: the runner plays
// them all with the same code, in both roles. They are shared and never change.
type Case struct {
	ID      string // as the original numbers it: 1.1.1; the kit's own begin with a letter: H.1.1
	Number  int    // its place, from 1, among the cases of Cases or of Extra
	Group   Group  // what it is a part of
	Extra   bool   // one of the kit's own
	Section string // the rule, as RFC and section

	Description string // what the kit does
	Expectation string // what a good implementation does

	Steps    []Step              // what is sent, in order, once the connection is open
	Rounds   *Rounds             // messages that each wait for their echo: what 9, 12 and 13 do instead of Steps
	Deflate  *Deflate            // the offers of permessage-deflate; nil without
	Expected map[Grade][][]Event // what has to come back, by the grade that it earns; nil where Rounds decides
	Close    CloseRule           // how it has to end

	LeavesOpen    bool // the kit does not close when all that was expected has come: a step does, or the time is up
	CountsFrames  bool // the number of frames that a message leaves in is checked
	Informational bool // there is no right answer: the grades are INFORMATIONAL
	ReportTime    bool // the duration is of interest

	handshake *shake // of the groups H: it is the opening handshake that is under test
	role      role   // the roles of the side under test that it is for; 0 for both
	strict    bool   // what the kit finds by itself is the grade, too
	pongs     bool   // fewer Pongs than Pings, or Pongs behind the message, are NON-STRICT
	eager     bool   // its frames leave in one write with the answer to the opening handshake
}

// A Group is a category of cases, or a part of one.
type Group struct {
	ID    string // "1", "1.1"
	Title string
}

// Rounds are messages that are sent one by one, each as soon as the one before has come back.
type Rounds struct {
	Count    int
	Size     int           // bytes of each message
	Binary   bool          // and its type
	Data     string        // what it is filled with: a name of Corpora, or the unit that is repeated
	Fragment int           // bytes in a frame; 0 is one frame
	Chop     int           // bytes in a write; 0 is as they come
	Within   time.Duration // all have to be back by then
}

// A Deflate is what a case says about permessage-deflate.
type Deflate struct {
	Offers []string // the kit as a client sends these, in one header line
	// The kit as a server asks the peer's side for one of these, the first that the peer's offer allows.
	Asks []Ask
}

// An Ask is what a server wants of the client's compressor.
type Ask struct {
	NoContextTakeover bool
	WindowBits        int // 0 asks for nothing
}

// role is a set of ends of a connection.
type role uint8

const (
	server role = 1 << iota
	client
)

// Cases returns the 517 cases of the original, in its order.
func Cases() []*Case { return slices.Clone(allCases().original) }

// Extra returns the cases that are the kit's own.
func Extra() []*Case { return slices.Clone(allCases().extra) }

// Groups returns the titles of the categories and of their parts, in the order of the cases.
func Groups() []Group { return slices.Clone(allCases().groups) }

// Select returns the cases that match one of patterns and none of exclude. A pattern that ends in "*" matches all that
// begin with what stands before it, any other one the case with just that ID. No patterns at all are every case of the
// original; a case of the kit's own needs a pattern that begins with its letter. A case that does not exist is an error,
// and so is it when none is left.
func Select(patterns, exclude []string) ([]*Case, error) {
	known := append(Cases(), Extra()...)
	for _, p := range patterns {
		if !strings.HasSuffix(p, "*") && !slices.ContainsFunc(known, func(c *Case) bool { return c.matches(p) }) {
			return nil, fmt.Errorf("autobahn: there is no case %q", p)
		}
	}
	var picked []*Case
	for _, c := range known {
		in := len(patterns) == 0 && !c.Extra || slices.ContainsFunc(patterns, c.matches)
		if in && !slices.ContainsFunc(exclude, c.matches) {
			picked = append(picked, c)
		}
	}
	if len(picked) == 0 {
		return nil, errors.New("autobahn: no case is left" + listed(" of ", patterns) + listed(" without ", exclude))
	}
	return picked, nil
}

// listed is a list with what leads to it, and nothing where it is empty.
func listed(lead string, patterns []string) string {
	if len(patterns) == 0 {
		return ""
	}
	return lead + strings.Join(patterns, ", ")
}

// matches tells whether a pattern means this case. "*" alone means those of the original.
func (c *Case) matches(pattern string) bool {
	prefix, many := strings.CutSuffix(pattern, "*")
	switch {
	case !many:
		return c.ID == pattern
	case prefix == "":
		return !c.Extra
	}
	return strings.HasPrefix(c.ID, prefix)
}
