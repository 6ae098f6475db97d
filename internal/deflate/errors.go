package deflate

import (
	"errors"
	"strconv"
)

var (
	// ErrCorrupt is what every [CorruptError] is.
	ErrCorrupt = errors.New("deflate: corrupt data")

	// ErrTruncated is the error of a message that ends inside a block, or without the empty block that must end it.
	ErrTruncated = errors.New("deflate: the message ends inside its compressed data")

	// ErrLimit says that more output is there than the call was allowed to return. Decoding can go on.
	ErrLimit = errors.New("deflate: the output is longer than its limit")
)

// CorruptError says that bytes are no compressed data. It is [ErrCorrupt].
type CorruptError struct {
	Offset int64  // in the compressed bytes of the message, of the byte that shows it
	Reason string // which rule the data breaks
}

func (e *CorruptError) Error() string {
	return ErrCorrupt.Error() + " at byte " + strconv.FormatInt(e.Offset, 10) + ": " + e.Reason
}

// Is makes a CorruptError be [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
