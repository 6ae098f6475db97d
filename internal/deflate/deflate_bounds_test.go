package deflate

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

func randomBytes(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1951))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// No distance beyond the window leaves. What came from the message before is found in nearly all of it.
func TestDistancesStayInTheWindow(t *testing.T) {
	for windowBits := 8; windowBits <= maxWindowBits; windowBits++ {
		size := 1 << windowBits
		// Pieces of noise that come again at all distances up to a bit more than the window.
		noise := randomBytes(size+size/4, uint64(windowBits))
		rng := rand.New(rand.NewPCG(uint64(windowBits), 7692))
		var messages [][]byte
		for range 12 {
			p := slices.Clone(noise[:rng.IntN(len(noise)+1)])
			for range 8 {
				from := rng.IntN(len(noise) - 40)
				p = append(p, noise[from:from+40]...)
			}
			messages = append(messages, p)
		}
		for _, takeover := range []bool{false, true} {
			for _, level := range levels {
				e := NewEncoder(windowBits, takeover, level)
				var history []byte
				longest := 0
				for i, m := range messages {
					out, dist, err := walk(e.Append(nil, m), history)
					if err != nil || !bytes.Equal(out, m) {
						t.Fatalf("%d bits, takeover %t, level %d, message %d: %d bytes and %v",
							windowBits, takeover, level, i, len(out), err)
					}
					longest = max(longest, dist)
					if takeover {
						history = append(history, m...)
						history = history[max(0, len(history)-size):]
					}
				}
				least := 0
				if takeover && level != HuffmanOnly {
					least = size * 3 / 4
				}
				if longest > size || longest < least {
					t.Errorf("%d bits, takeover %t, level %d: the longest distance is %d", windowBits, takeover, level, longest)
				}
			}
		}
	}
}

// Noise grows by no more than 5 bytes for each 64 KiB and 6, whatever its length, also near the limits of blocks.
func TestGrowth(t *testing.T) {
	noise := randomBytes(3*maxStoredLength+largeTokens, 1)
	var sizes []int
	for n := range 40 {
		sizes = append(sizes, n)
	}
	for _, block := range []int{smallTokens, largeTokens, maxStoredLength, 1 << 16} {
		for _, n := range []int{block, 2 * block, 3 * block} {
			for d := -tokensLeft - 1; d <= tokensLeft+1; d++ {
				sizes = append(sizes, n+d)
			}
		}
	}
	for windowBits := 8; windowBits <= maxWindowBits; windowBits++ {
		for _, takeover := range []bool{false, true} {
			for _, level := range levels {
				e := NewEncoder(windowBits, takeover, level)
				var sent []byte
				for _, n := range sizes {
					if n > 2*largeTokens+10 && windowBits%7 != 1 {
						continue // 8 and 15 bits are enough for the large ones
					}
					p := noise[:n]
					if takeover {
						p = noise[len(noise)-n:] // with others the message before would be found
					}
					sent = e.Append(sent[:0], p)
					if most := n + 5*((n+1<<16-1)>>16) + 6; len(sent) > most {
						t.Errorf("%d bits, takeover %t, level %d: %d bytes become %d, more than %d",
							windowBits, takeover, level, n, len(sent), most)
					}
				}
			}
		}
	}
}

// Messages that are nearly random, but of few different bytes, zeros among them: short matches everywhere, at all
// places of the ring and of the pieces in which it is filled.
func TestMessagesOfFewBytes(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 11))
		kinds, run := 1+rng.IntN(4), 1+rng.IntN(20)
		var messages [][]byte
		for range 1 + rng.IntN(30) {
			p := make([]byte, rng.IntN(1<<rng.IntN(12)+1))
			for i := range p {
				if p[i] = byte(rng.IntN(kinds)); i > 0 && rng.IntN(run) > 0 {
					p[i] = p[i-1]
				}
			}
			messages = append(messages, p)
		}
		checkRoundTrip(t, 8+int(seed)%8, seed%3 > 0, levels[1+seed%2], messages...)
	}
}

// heapFor returns how many bytes of the heap each of n things takes that make returns.
func heapFor(n int, make func() any) int {
	things := []any{make()} // what is shared is there from now on
	var before, after runtime.MemStats
	things = slices.Grow(things, n)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		things = append(things, make())
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(things)
	return max(0, int(after.HeapAlloc)-int(before.HeapAlloc)) / n
}

// What connections keep, as the heap has it after traffic: the window and a half in one direction and the window in the
// other, each with less than 1 KiB around; without takeover next to nothing.
func TestHeapPerConnection(t *testing.T) {
	p := corpus(t)["records.json"]
	for windowBits := 8; windowBits <= maxWindowBits; windowBits++ {
		for _, takeover := range []bool{false, true} {
			for _, level := range []Level{Fast, Balanced} {
				kept := heapFor(weighed, func() any {
					e := NewEncoder(windowBits, takeover, level)
					e.Append(nil, p)
					e.Append(nil, p[:5000])
					return e
				})
				most := 128
				if takeover {
					most = 3<<windowBits/2 + 1<<10
				}
				if kept > most+heapSlack {
					t.Errorf("%d bits, takeover %t, level %d: an Encoder keeps %d bytes, more than %d",
						windowBits, takeover, level, kept, most)
				}
			}
			sent := deflated(t, 0, takeover, p, p[:5000])
			kept := heapFor(weighed, func() any {
				d := NewDecoder(windowBits, takeover)
				for _, m := range sent {
					if _, err := decodeMessage(d, nil, m, whole); err != nil {
						t.Fatal(err)
					}
				}
				return d
			})
			most := 128
			if takeover {
				most = 1<<max(windowBits, 9) + 1<<10
			}
			if kept > most+heapSlack {
				t.Errorf("%d bits, takeover %t: a Decoder keeps %d bytes, more than %d", windowBits, takeover, kept, most)
			}
		}
	}
}

// Scratch memory of an active encoder, as the heap has it.
func TestHeapOfScratch(t *testing.T) {
	for _, c := range []struct {
		what string
		make func() any
		most int
	}{
		{"small", smallScratches.New, 8 << 10},
		{"large", scratches.New, 64 << 10},
	} {
		if n := heapFor(50, c.make); n > c.most+64 {
			t.Errorf("%s: %d bytes, more than %d", c.what, n, c.most)
		}
	}
}
