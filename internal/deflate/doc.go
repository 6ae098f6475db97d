// Package deflate is DEFLATE (RFC 1951) for WebSocket messages (RFC 7692): short messages over connections that live
// long, of which there are many. So it differs from compress/flate in what it keeps. Windows are as small as the peers
// agreed, per connection there is nothing but the window, and all other memory is shared by whoever is at work.
//
// # How a message is inflated
//
// A [Decoder] belongs to one direction of one connection. It is given the payload of a compressed message as it comes,
// cut anywhere, and appends what it stands for to memory of the caller's:
//
//	out, used, err := d.Decode(out[:0], payload, limit) // for each piece
//	err = d.End()                                       // behind the last
//
// On the first piece the Decoder takes an inflater from a pool: a bit buffer, a state, and the tables of the present
// block, about 9 KiB. It decodes in steps (a block header, a code, a match), each of which takes all the bits it needs
// or none, so that all there is to remember over a cut is which step comes next; see inflate.go. Symbols have two
// loops: a fast one, while input and room are plenty and nothing has to be checked for each byte, and one that does one
// symbol at a time, near the ends and where something is wrong; see inflatesymbols.go. They read the same tables; see
// inflatetable.go.
//
// Matches reach back into the output of this call, and from there into the window, a ring of what earlier calls
// returned; see window.go. The output of a call is copied to the window once, at its end. With takeover the window is
// the Decoder's and stays; without, it is the inflater's and begins empty with each message. At the end of a message
// the inflater goes back to the pool.
//
// # How a message is compressed
//
// An [Encoder] belongs to one direction of one connection as well. It is given a whole message and appends what stands
// for it:
//
//	out = e.Append(out[:0], message)
//
// It notes what it finds in borrowed scratch memory, as tokens: one for a literal, two for a match; see tokens.go.
// match.go is about where matches may be, matchfast.go and matchbalanced.go about how they are looked for. From how
// often each symbol is used follows what a block costs stored, with the fixed codes and with codes of its own
// (huffman.go), and it is written in the cheapest way (block.go). With takeover an Encoder keeps the window and a table
// of places in it; no distance beyond the agreed window leaves. Without, it keeps nothing.
//
// # What is refused
//
// Everything compress/flate refuses, and also distances beyond the agreed window. A message must be complete: it ends
// with the header of an empty stored block, whose length fields the sender has taken off (RFC 7692, section 7.2.1), or
// with a block that says it is the last. Such blocks may also be followed by others, which begin at the next byte.
package deflate
