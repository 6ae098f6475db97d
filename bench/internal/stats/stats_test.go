package stats

import (
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, test := range []struct {
		figures []float64
		want    Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{3, 3, 3}},
		{[]float64{4, 1}, Summary{2.5, 1, 4}},
		{[]float64{9, 1, 5}, Summary{5, 1, 9}},
		{[]float64{9, 1, 100, 5}, Summary{7, 1, 100}},
	} {
		before := slices.Clone(test.figures)
		if got := Summarize(test.figures); got != test.want {
			t.Errorf("Summarize(%v) = %v, want %v", test.figures, got, test.want)
		}
		if !slices.Equal(test.figures, before) {
			t.Errorf("Summarize changed %v to %v", before, test.figures)
		}
	}
}

func TestRatios(t *testing.T) {
	for _, test := range []struct{ figures, against, want []float64 }{
		{[]float64{2, 9, 4}, []float64{1, 3, 8}, []float64{2, 3, 0.5}},
		{[]float64{2, 9, 4}, []float64{1}, []float64{2}},
		{[]float64{2, 9}, []float64{0, 3}, []float64{3}},
		{[]float64{2}, nil, nil},
	} {
		if got := Ratios(test.figures, test.against); !slices.Equal(got, test.want) {
			t.Errorf("Ratios(%v, %v) = %v, want %v", test.figures, test.against, got, test.want)
		}
	}
}
