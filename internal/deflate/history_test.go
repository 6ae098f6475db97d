package deflate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestHistoryOfOthers mixes messages of an Encoder with messages that were compressed elsewhere, and with such that
// were not sent, in random order: the Decoder at the other end must not notice.
func TestHistoryOfOthers(t *testing.T) {
	for bits := 8; bits <= maxWindowBits; bits++ {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(bits), 7))
			e, d := NewEncoder(bits, true, Fast), NewDecoder(bits, true)
			var reached int
			for i := range 400 {
				message := bytes.Repeat([]byte(fmt.Sprintf("{\"id\":%d,\"topic\":\"news\"}", rnd.IntN(50))), 1+rnd.IntN(1<<rnd.IntN(8)))
				var sent []byte
				switch rnd.IntN(4) {
				case 0:
					sent = NewEncoder(bits, false, Fast).Append(nil, message)
					e.Sent(message)
				case 1:
					e.Append(nil, []byte("a message that is not sent at all"))
					e.Forget()
					continue
				default:
					sent = e.Append(nil, message)
					alone := NewEncoder(bits, false, Fast).Append(nil, message)
					if len(sent) < len(alone) {
						reached++
					}
				}
				got, used, err := d.Decode(nil, sent, 1<<20)
				if err == nil {
					err = d.End()
				}
				if err != nil || used != len(sent) || !bytes.Equal(got, message) {
					t.Fatalf("message %d of %d bytes: %v, %d of %d bytes used, %d came", i, len(message), err, used, len(sent), len(got))
				}
			}
			if reached == 0 {
				t.Error("no message has ever reached back to one before it")
			}
		})
	}
}

// An Encoder without takeover has nothing to be told.
func TestSentWithoutTakeover(t *testing.T) {
	e := NewEncoder(15, false, Fast)
	message := []byte("a message, a message, a message")
	want := e.Append(nil, message)
	e.Sent(message)
	if got := e.Append(nil, message); !bytes.Equal(got, want) {
		t.Errorf("%x, and before it was %x", got, want)
	}
}
