package notify

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// A position is a place in the stream of all messages: behind that with number seq of a run of the server. As text it
// is the id of this message, EPOCH-SEQ.
type position struct {
	epoch string
	seq   uint64
}

const epochLen = 8 // digits

var errID = errors.New("the last id has to be EPOCH-SEQ as it came with a message: 8 digits of 0-9 a-f, a hyphen, a number")

// newEpoch returns a name for a run of the server.
func newEpoch() string {
	var b [epochLen / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// parseID reads an id, which has one form only.
func parseID(s string) (position, error) {
	epoch, number, _ := strings.Cut(s, "-")
	if len(epoch) != epochLen || strings.Trim(epoch, "0123456789abcdef") != "" {
		return position{}, errID
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || strconv.FormatUint(seq, 10) != number {
		return position{}, errID
	}
	return position{epoch, seq}, nil
}

// String returns the id.
func (p position) String() string { return p.epoch + "-" + strconv.FormatUint(p.seq, 10) }
