package autobahn

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strconv"
	"strings"
)

const deflateName = "permessage-deflate"

// deflateParams are the parameters of permessage-deflate, RFC 7692 §7.1, in an offer or in an answer.
type deflateParams struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int  // 0 when there is none
	clientBitsHint                     bool // client_max_window_bits without a value: the server may ask for one
}

// parseExtensions splits the value of Sec-WebSocket-Extensions, RFC 6455 §9.1, into extensions and each of them into
// its name and parameters.
func parseExtensions(value string) [][]string {
	var list [][]string
	for ext := range strings.SplitSeq(value, ",") {
		parts := strings.Split(ext, ";")
		for i := range parts {
			parts[i] = strings.Trim(parts[i], " \t")
		}
		if len(parts) > 1 || parts[0] != "" {
			list = append(list, parts)
		}
	}
	return list
}

// parseDeflate reads the parameters of one offer or answer, and refuses what RFC 7692 §7.1 does not allow.
func parseDeflate(params []string) (p deflateParams, err error) {
	seen := map[string]bool{}
	for _, param := range params {
		name, value, given := strings.Cut(param, "=")
		name, value = strings.TrimRight(name, " \t"), strings.Trim(strings.TrimLeft(value, " \t"), `"`)
		if seen[name] {
			return p, fmt.Errorf("the parameter %q comes twice (RFC 7692 §7.1)", name)
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover":
			p.serverNoTakeover, err = true, bare(name, given)
		case "client_no_context_takeover":
			p.clientNoTakeover, err = true, bare(name, given)
		case "server_max_window_bits":
			p.serverBits, err = windowBits(value)
		case "client_max_window_bits":
			if p.clientBitsHint = !given; given {
				p.clientBits, err = windowBits(value)
			}
		default:
			err = fmt.Errorf("the parameter %q is not one of permessage-deflate (RFC 7692 §7.1)", name)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func bare(name string, given bool) error {
	if given {
		return fmt.Errorf("%s has a value (RFC 7692 §7.1.1)", name)
	}
	return nil
}

func windowBits(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 8 || n > 15 || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%q are no window bits (RFC 7692 §7.1.2)", s)
	}
	return n, nil
}

// String writes an answer.
func (p deflateParams) String() string {
	s := deflateName
	if p.serverNoTakeover {
		s += "; server_no_context_takeover"
	}
	if p.clientNoTakeover {
		s += "; client_no_context_takeover"
	}
	if p.serverBits != 0 {
		s += "; server_max_window_bits=" + strconv.Itoa(p.serverBits)
	}
	if p.clientBits != 0 {
		s += "; client_max_window_bits=" + strconv.Itoa(p.clientBits)
	}
	return s
}

// accept answers a client's extensions with the first of asks that one of its offers allows.
func (d *Deflate) accept(offers [][]string) (deflateParams, bool) {
	for _, ask := range d.Asks {
		for _, offer := range offers {
			p, err := parseDeflate(offer[1:])
			if offer[0] != deflateName || err != nil {
				continue
			}
			if ask.WindowBits != 0 && !p.clientBitsHint && p.clientBits == 0 ||
				ask.NoContextTakeover && !p.clientNoTakeover {
				continue
			}
			bits := ask.WindowBits
			if bits > p.clientBits && p.clientBits != 0 {
				bits = p.clientBits // the client said that it uses no more, RFC 7692 §7.1.2.2
			}
			return deflateParams{p.serverNoTakeover, ask.NoContextTakeover, p.serverBits, bits, false}, true
		}
	}
	return deflateParams{}, false
}

// tail is what a sender takes off a message and a receiver puts back, RFC 7692 §7.2.1 and §7.2.2.
const tail = "\x00\x00\xff\xff"

// A deflater compresses messages for the peer.
type deflater struct {
	w     *flate.Writer
	out   bytes.Buffer
	fresh bool // each message begins with an empty window
}

// newDeflater makes a compressor. compress/flate only knows windows of 15 bits; where a smaller one was agreed on, it
// makes no matches at all. Short messages are worth more effort: at the fastest level they would hardly ever refer to
// those before.
func newDeflater(bits int, fresh bool, size int) *deflater {
	level := flate.BestSpeed
	switch {
	case bits != 0 && bits < 15:
		level = flate.HuffmanOnly
	case size <= 4096:
		level = 4
	}
	d := &deflater{fresh: fresh}
	d.w, _ = flate.NewWriter(&d.out, level) // every level is valid
	return d
}

// compress returns the payload of a compressed message. It is valid until the next call.
func (d *deflater) compress(p []byte) []byte {
	d.out.Reset()
	if d.fresh {
		d.w.Reset(&d.out)
	}
	d.w.Write(p) // a Buffer takes everything
	d.w.Flush()
	b := d.out.Bytes()
	return b[:len(b)-len(tail)]
}
