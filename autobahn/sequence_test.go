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

// Cases that send the same with the same parameters share a sequence, others do not.
func TestSequenceFor(t *testing.T) {
	r := Rounds{Size: 256, Data: "html"}
	first := sequenceFor(&r, 0, false)
	for _, tt := range []struct {
		data  string
		size  int
		bits  int
		fresh bool
		same  bool
	}{
		{"html", 256, 15, false, true},
		{"html", 256, 9, false, false},
		{"html", 256, 0, true, false},
		{"html", 512, 0, false, false},
		{"prose", 256, 0, false, false},
		{"html", 256, 0, false, true},
	} {
		if got := sequenceFor(&Rounds{Size: tt.size, Data: tt.data}, tt.bits, tt.fresh); (got == first) != tt.same {
			t.Errorf("%+v: the same is %t", tt, got == first)
		}
	}
	if sequenceFor(nil, 0, false) != nil || sequenceFor(&Rounds{Size: 256, Data: "picture"}, 0, false) != nil {
		t.Error("what hardly gets smaller is kept")
	}
}
