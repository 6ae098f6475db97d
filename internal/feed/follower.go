package feed

import (
	"fmt"
	"strconv"
)

// A Follower is what has come on topics whose messages are the numbers 1, 2, 3, … of each topic, over all connections
// so far. Its methods are for one goroutine.
type Follower struct {
	Last string // the id to go on behind

	Received   int // messages
	Lost       int // of which it was told that they may be
	Recoveries int // connections that began behind an id
	Incomplete int // of these, such that not everything was recovered

	topics map[string]*progress
	ending bool // the server has announced its end
}

// progress is what has come of a topic.
type progress struct {
	next int  // the number that has to come; 0: any
	told bool // that some before the next may be lost
}

// Expect says that the next number of a topic is n.
func (f *Follower) Expect(topic string, n int) { f.progress(topic).next = n }

// Next returns which number of a topic comes next, 0 if it is not known.
func (f *Follower) Next(topic string) int { return f.progress(topic).next }

func (f *Follower) progress(topic string) *progress {
	p := f.topics[topic]
	if p == nil {
		if f.topics == nil {
			f.topics = make(map[string]*progress)
		}
		p = new(progress)
		f.topics[topic] = p
	}
	return p
}

// Take takes what the server has sent, and returns what is wrong with it.
func (f *Follower) Take(m Message) error {
	switch m.Type {
	case "welcome":
		f.ending = false
		return f.welcome(m)
	case "message":
		if f.ending {
			return fmt.Errorf("message %s behind the drain", m.ID)
		}
		return f.message(m)
	case "drain":
		f.ending = true
	case "error":
		return fmt.Errorf("the server says %q", m.Error)
	}
	return nil
}

func (f *Follower) welcome(m Message) error {
	switch {
	case (m.Recovered != nil) != (f.Last != ""):
		return fmt.Errorf("welcome %+v behind the id %q", m, f.Last)
	case m.Recovered == nil:
	case *m.Recovered:
		f.Recoveries++
	default:
		f.Recoveries++
		f.Incomplete++
		for _, p := range f.topics {
			p.told = true
		}
	}
	if _, _, err := parseID(m.ID); err != nil {
		return err
	}
	f.Last = m.ID
	return nil
}

func (f *Follower) message(m Message) error {
	lastEpoch, lastSeq, err := parseID(f.Last)
	if err != nil {
		return fmt.Errorf("a message before the welcome: %w", err)
	}
	epoch, seq, err := parseID(m.ID)
	switch {
	case err != nil:
		return err
	case epoch != lastEpoch:
		return fmt.Errorf("message %s behind %s, in one connection", m.ID, f.Last)
	case seq <= lastSeq:
		return fmt.Errorf("message %s behind %s", m.ID, f.Last)
	}
	n, err := strconv.Atoi(m.Data)
	if err != nil {
		return fmt.Errorf("message %s on %s: %w", m.ID, m.Topic, err)
	}
	p := f.progress(m.Topic)
	switch {
	case p.next == 0, n == p.next:
	case n > p.next && p.told:
		f.Lost += n - p.next
	default:
		return fmt.Errorf("%s: %d came, with the id %s; want %d", m.Topic, n, m.ID, p.next)
	}
	p.next, p.told = n+1, false
	f.Last = m.ID
	f.Received++
	return nil
}
