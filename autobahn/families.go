package autobahn

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// The cases of 9, 12 and 13 are families: the same exchange with other sizes and parameters.

// catalog is all that there is.
type catalog struct {
	original, extra []*Case
	groups          []Group
}

// allCases makes every case, once. The tables are part of the program, and a test reads them.
var allCases = sync.OnceValue(func() *catalog {
	groups, scripted, err := readTable(casesText)
	if err != nil {
		panic("autobahn: cases.txt: " + err.Error())
	}
	// The one case of 10 and its two groups are the last in the table, and come between 9 and 12.
	last, lastGroup := len(scripted)-1, len(groups)-2
	b := &families{groups: slices.Clone(groups[:lastGroup]), cases: slices.Clone(scripted[:last])}
	b.limits()
	b.groups = append(b.groups, groups[lastGroup:]...)
	b.cases = append(b.cases, scripted[last])
	b.compression()
	all := &catalog{original: b.cases}
	extraGroups, extra, err := readExtra()
	if err != nil {
		panic("autobahn: extra.txt: " + err.Error())
	}
	all.extra, all.groups = extra, append(b.groups, extraGroups...)
	for i, c := range all.original {
		c.Number = i + 1
		c.describe()
	}
	for i, c := range all.extra {
		c.Number, c.Extra = i+1, true
		c.describe()
	}
	return all
})

// A families collects cases.
type families struct {
	groups  []Group
	cases   []*Case
	section string
	n       int // of the last case in the group
}

func (f *families) group(id, title string) {
	f.groups = append(f.groups, Group{id, title})
	f.n = 0
}

// closedNormally is how all of them end.
var closedNormally = CloseRule{ClosedByMe: true, Codes: []int{1000}, RequireClean: true}

func (f *families) add(r Rounds, d *Deflate) {
	f.n++
	g := f.groups[len(f.groups)-1]
	f.cases = append(f.cases, &Case{ID: fmt.Sprintf("%s.%d", g.ID, f.n), Group: g, Section: f.section, Rounds: &r,
		Deflate: d, Close: closedNormally, ReportTime: true})
}

const (
	textUnit   = "BAsd7&jh23"
	binaryUnit = "\x00\xfe#\xfa\xf0"
	kib        = 1 << 10
	mib        = 1 << 20
)

// limits are the cases of 9: messages that are large, in many frames, in many writes, or many.
func (f *families) limits() {
	f.section = "RFC 6455 §5.2, §5.4"
	f.group("9", "Limits and speed")
	for i, binary := range []bool{false, true} {
		f.group(fmt.Sprint("9.", i+1), "Large "+typeName(binary)+" messages in one frame")
		for j, size := range []int{64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib} {
			within := 100 * time.Second
			if j < 2 || binary && j < 4 {
				within = 10 * time.Second
			}
			f.add(Rounds{Count: 1, Size: size, Binary: binary, Data: unit(binary), Within: within}, nil)
		}
	}
	for i, binary := range []bool{false, true} {
		f.group(fmt.Sprint("9.", i+3), "A "+typeName(binary)+" message of 4 MiB in fragments")
		for fragment := 64; fragment <= 4*mib; fragment *= 4 {
			data := "*"
			if binary && fragment == 64 {
				data = "\xfe"
			}
			f.add(Rounds{Count: 1, Size: 4 * mib, Binary: binary, Data: data, Fragment: fragment,
				Within: 100 * time.Second}, nil)
		}
	}
	for i, binary := range []bool{false, true} {
		f.group(fmt.Sprint("9.", i+5), "A "+typeName(binary)+" message of 1 MiB in many writes")
		for chop := 64; chop <= 2048; chop *= 2 {
			f.add(Rounds{Count: 1, Size: mib, Binary: binary, Data: unit(binary), Chop: chop,
				Within: 1000 * time.Second}, nil)
		}
	}
	for i, binary := range []bool{false, true} {
		f.group(fmt.Sprint("9.", i+7), "1000 "+typeName(binary)+" messages one by one")
		for _, size := range []int{0, 16, 64, 256, 1024, 4096} {
			data := "*"
			if binary {
				data = "\xfe"
			}
			f.add(Rounds{Count: 1000, Size: size, Binary: binary, Data: data, Within: roundsLimit(size)}, nil)
		}
	}
}

func unit(binary bool) string {
	if binary {
		return binaryUnit
	}
	return textUnit
}

func typeName(binary bool) string {
	if binary {
		return "binary"
	}
	return "text"
}

// roundsLimit is the time that the original gives a thousand messages.
func roundsLimit(size int) time.Duration {
	switch {
	case size < 256:
		return 60 * time.Second
	case size < 1024:
		return 120 * time.Second
	case size < 4096:
		return 240 * time.Second
	}
	return 480 * time.Second
}

// compressedSizes are the sizes of messages and of their fragments in each group of 12 and 13.
var compressedSizes = [18][2]int{{16, 0}, {64, 0}, {256, 0}, {1 * kib, 0}, {4 * kib, 0}, {8 * kib, 0}, {16 * kib, 0},
	{32 * kib, 0}, {64 * kib, 0}, {128 * kib, 0}, {8 * kib, 256}, {16 * kib, 256}, {32 * kib, 256}, {64 * kib, 256},
	{128 * kib, 256}, {128 * kib, 1 * kib}, {128 * kib, 4 * kib}, {128 * kib, 32 * kib}}

// baseOffer is what the kit as a client always offers: it can do without takeover, and with any window.
const baseOffer = "permessage-deflate; client_no_context_takeover; client_max_window_bits"

// compression are the cases of 12 and 13: a thousand compressed messages, of different data and with different
// parameters.
func (f *families) compression() {
	f.section = "RFC 7692 §7.2"
	f.group("12", "Compression: kinds of data")
	for i, c := range corpora {
		f.group(fmt.Sprint("12.", i+1), c.Title)
		f.compressed(c, &Deflate{Offers: []string{baseOffer}, Asks: []Ask{{}}})
	}
	f.section = "RFC 7692 §7.1"
	f.group("13", "Compression: parameters")
	for i, asks := range [][]Ask{{{}}, {{true, 0}}, {{false, 9}}, {{false, 15}}, {{true, 9}}, {{true, 15}},
		{{true, 9}, {true, 0}, {}}} {
		d := &Deflate{Asks: asks}
		for _, a := range asks {
			d.Offers = append(d.Offers, baseOffer+a.offer())
		}
		f.group(fmt.Sprint("13.", i+1), "Asked of the peer: "+askTitle(asks))
		f.compressed(corpora[0], d)
	}
}

func (f *families) compressed(c Corpus, d *Deflate) {
	for _, s := range compressedSizes {
		f.add(Rounds{Count: 1000, Size: s[0], Binary: !c.UTF8, Data: c.Name, Fragment: s[1],
			Within: roundsLimit(s[0])}, d)
	}
}

// offer is how a client asks the same of the server's compressor.
func (a Ask) offer() (s string) {
	if a.NoContextTakeover {
		s = "; server_no_context_takeover"
	}
	if a.WindowBits != 0 {
		s += fmt.Sprint("; server_max_window_bits=", a.WindowBits)
	}
	return s
}

func askTitle(asks []Ask) (s string) {
	for i, a := range asks {
		switch {
		case i > 0:
			s += ", or else "
		}
		switch {
		case a == Ask{}:
			s += "nothing"
		case a.WindowBits == 0:
			s += "no takeover"
		case a.NoContextTakeover:
			s += fmt.Sprintf("no takeover and %d bits", a.WindowBits)
		default:
			s += fmt.Sprintf("%d bits", a.WindowBits)
		}
	}
	return s
}
