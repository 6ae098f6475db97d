// Package stats is the little arithmetic of the comparison: medians and spreads, of figures and of ratios of figures
// that were taken in the same round.
package stats

import "slices"

// A Summary is what is said about some figures.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize returns the zero Summary if there are no figures.
func Summarize(figures []float64) Summary {
	if len(figures) == 0 {
		return Summary{}
	}
	return Summary{Median(figures), slices.Min(figures), slices.Max(figures)}
}

// Median returns the middle one, or the mean of the two in the middle; 0 if there is none.
func Median(figures []float64) float64 {
	n := len(figures)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Ratios divides the figures of one server by those of another, round by round. What slows down a whole round, such as
// a neighbour on the same machine, is in both and cancels out. Rounds that only one of them has are left out.
func Ratios(figures, against []float64) []float64 {
	n := min(len(figures), len(against))
	ratios := make([]float64, 0, n)
	for i := range n {
		if against[i] != 0 {
			ratios = append(ratios, figures[i]/against[i])
		}
	}
	return ratios
}
