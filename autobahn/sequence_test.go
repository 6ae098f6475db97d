package autobahn

import "testing"

// The sequences that were used last are kept, as far as there is room.
func TestSequencesAreBounded(t *testing.T) {
	sized := func(sizes ...int) (list []*sequence) {
		for _, n := range sizes {
			list = append(list, &sequence{size: n})
		}
		return list
	}
	for _, tt := range []struct {
		list []*sequence
		want int
	}{
		{nil, 0},
		{sized(1, 2, 3), 0},
		{sized(1, keptBytes-3, 3), 1},
		{sized(1, 1, keptBytes, 3), 3},
		{sized(0, keptBytes+1), 1},
		{sized(keptBytes + 1), 0},
	} {
		if got := tooOld(tt.list); got != tt.want {
			t.Errorf("of %d, %d are forgotten, want %d", len(tt.list), got, tt.want)
		}
	}
}

// A sequence costs its deflater as well, until it is complete.
func TestSequenceLetsItsDeflaterGo(t *testing.T) {
	s := &sequence{count: 2, deflater: newDeflater(0, false, 5)}
	for i, text := range []string{"Hello", "Hello"} {
		if s.deflater == nil || s.bytes() != s.size+deflaterSize {
			t.Errorf("after %d messages: %d bytes, of which %d are messages", i, s.bytes(), s.size)
		}
		s.message(i, []byte(text))
	}
	if s.deflater != nil || s.bytes() != len(s.message(0, nil))+len(s.message(1, nil)) {
		t.Errorf("at the end: %d bytes, of which %d are messages", s.bytes(), s.size)
	}
}

// Cases that send the same with the same parameters share a sequence, others do not.
func TestSequenceFor(t *testing.T) {
	r := Rounds{Count: 1000, Size: 256, Data: "html"}
	first := sequenceFor(&r, 0, false)
	for _, tt := range []struct {
		data  string
		size  int
		count int
		bits  int
		fresh bool
		same  bool
	}{
		{"html", 256, 1000, 15, false, true},
		{"html", 256, 1000, 9, false, false},
		{"html", 256, 1000, 0, true, false},
		{"html", 256, 40, 0, false, false},
		{"html", 512, 1000, 0, false, false},
		{"prose", 256, 1000, 0, false, false},
		{"html", 256, 1000, 0, false, true},
	} {
		r := Rounds{Count: tt.count, Size: tt.size, Data: tt.data}
		if got := sequenceFor(&r, tt.bits, tt.fresh); (got == first) != tt.same {
			t.Errorf("%+v: the same is %t", tt, got == first)
		}
	}
	if sequenceFor(&Rounds{Count: 1000, Size: 256, Data: "picture"}, 0, false) != nil {
		t.Error("what hardly gets smaller is kept")
	}
}

// A connection has a sequence or a deflater of its own, and neither where all that it sends is written in the case.
func TestOneDeflaterOfAConnection(t *testing.T) {
	for data, want := range map[string][2]bool{"html": {true, false}, "picture": {false, true}, "": {}} {
		c := &conn{c: &Case{}, r: &Result{}}
		if data != "" {
			c.c.Rounds = &Rounds{Count: 1000, Size: 256, Data: data}
		}
		c.compress(deflateParams{})
		if got := [2]bool{c.sequence != nil, c.deflater != nil}; got != want {
			t.Errorf("data %q: sequence, deflater are %v, want %v", data, got, want)
		}
	}
}
