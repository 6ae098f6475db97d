package autobahn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// A Corpus is what the messages of 12 and 13 are cut from. The original sends files; here is data of the same kind and
// size that is made by a program, the same in each run, and about as easy to compress.
type Corpus struct {
	Name  string
	Title string
	UTF8  bool
	Size  int
	make  func(*rand.Rand, *strings.Builder, int)
}

var corpora = []Corpus{
	{"json", "JSON, made up", true, 194056, makeJSON},
	{"picture", "a grey picture of 512 by 512, made up", false, 263222, makePicture},
	{"prose", "prose, made up", false, 222218, makeProse},
	{"html", "HTML, made up", true, 263647, makeHTML},
	{"document", "a document with compressed parts, made up", false, 1042328, makeDocument},
}

// Corpora returns what can be sent.
func Corpora() []Corpus { return slices.Clone(corpora) }

var corpusData = sync.OnceValue(func() map[string][]byte {
	all := map[string][]byte{}
	for i, c := range corpora {
		var b strings.Builder
		c.make(rand.New(rand.NewPCG(7692, uint64(i))), &b, c.Size)
		s := b.String()
		if c.UTF8 {
			s = aligned(s)
		}
		all[c.Name] = []byte(s[:c.Size])
	}
	return all
})

// step is what the sizes of all messages of 12 and 13 are multiples of.
const step = 8

// aligned puts spaces before characters that would cross a multiple of step, so that every message is whole characters.
func aligned(s string) string {
	var b strings.Builder
	for _, r := range s {
		if n := len(string(r)); b.Len()%step+n > step {
			b.WriteString(strings.Repeat(" ", step-b.Len()%step))
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ringOf returns what the messages of rounds are cut from.
func ringOf(r *Rounds) []byte {
	if data, ok := corpusData()[r.Data]; ok {
		return data[:len(data)-len(data)%step] // so that they stay whole characters when it begins again
	}
	return []byte(r.Data)
}

// cut appends the size bytes of a ring that begin at from, and returns where the next ones do.
func cut(dst, ring []byte, from, size int) ([]byte, int) {
	for size > 0 {
		n := min(size, len(ring)-from)
		dst = append(dst, ring[from:from+n]...)
		size -= n
		from = (from + n) % len(ring)
	}
	return dst, from
}

// words are what prose is made of: short ones often, long ones seldom.
var words = strings.Fields(`
	the of and a to in is that it was for on are as with they be at one have this from or had by hot word but what
	some we can out other were all there when up use your how said an each she which do their time if will way about
	many then them write would like so these her long make thing see him two has look more day could go come did
	number sound no most people my over know water than call first who may down side been now find any new work part
	take get place made live where after back little only round man year came show every good me give our under name
	Straße schön Mädchen größer Übung Äpfel naïve façade κόσμε слово 言葉 evening shadow window morning garden silence
	remember understand sometimes together something beautiful mountain yesterday difference question`)

// word picks one; the lower its place in the list, the likelier it is.
func word(r *rand.Rand) string {
	return words[int(float64(len(words))*r.Float64()*r.Float64()*r.Float64())]
}

// sentence makes one of some words.
func sentence(r *rand.Rand) string {
	var s []string
	for range 4 + r.IntN(12) {
		s = append(s, word(r))
	}
	line := strings.Join(s, " ")
	return strings.ToUpper(line[:1]) + line[1:] + string(".,.;.!.?"[r.IntN(8)])
}

func makeProse(r *rand.Rand, b *strings.Builder, size int) {
	for b.Len() < size {
		fmt.Fprintf(b, "%s\n", sentence(r))
		if r.IntN(6) == 0 {
			b.WriteString("\n")
		}
	}
}

func makeJSON(r *rand.Rand, b *strings.Builder, size int) {
	b.WriteString("[\n")
	for b.Len() < size {
		fmt.Fprintf(b, "   {\n      \"id\": %d,\n      \"name\": %q,\n      \"score\": %.6f,\n      \"active\": %t,\n"+
			"      \"tags\": [%q, %q],\n      \"note\": %q\n   },\n",
			r.IntN(1e9), word(r)+" "+word(r), r.Float64(), r.IntN(2) == 0, word(r), word(r), sentence(r))
	}
}

func makeHTML(r *rand.Rand, b *strings.Builder, size int) {
	b.WriteString("<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>A page</title></head>\n<body>\n")
	for b.Len() < size {
		fmt.Fprintf(b, "<div class=\"entry\" id=\"e%d\">\n  <h2><a href=\"/%s/%s.html\">%s</a></h2>\n  <p>%s</p>\n</div>\n",
			r.IntN(1e6), word(r), word(r), sentence(r), sentence(r))
	}
}

// makePicture makes a bitmap: a header, a palette of greys, and rows that change slowly, with some noise.
func makePicture(r *rand.Rand, b *strings.Builder, size int) {
	b.WriteString("BM")
	b.WriteString(strings.Repeat("\x00\x04\x00\x02", 13))
	for grey := range 256 {
		b.Write([]byte{byte(grey), byte(grey), byte(grey), 0})
	}
	row := make([]float64, 512)
	for b.Len() < size {
		for x := range row {
			left := row[max(0, x-1)]
			row[x] = 0.5*row[x] + 0.5*left + 14*(r.Float64()-0.5)
			b.WriteByte(byte(128 + row[x] + 10*r.Float64()))
		}
	}
}

// makeDocument makes objects of a few lines of text, each with a stream that looks random, as compressed data does.
func makeDocument(r *rand.Rand, b *strings.Builder, size int) {
	b.WriteString("%PDF-1.4\n")
	for n := 1; b.Len() < size; n++ {
		length := 2000 + r.IntN(8000)
		fmt.Fprintf(b, "%d 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n", n, length)
		for range length {
			b.WriteByte(byte(r.Uint32()))
		}
		b.WriteString("\nendstream\nendobj\n")
		for range r.IntN(30) {
			fmt.Fprintf(b, "%010d 00000 n \n", r.IntN(size))
		}
	}
}
