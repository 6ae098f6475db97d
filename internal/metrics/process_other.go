//go:build !unix

package metrics

// maxDescriptors is not known here.
func maxDescriptors() (float64, bool) { return 0, false }

// cpuSeconds is not known here.
func cpuSeconds() (float64, bool) { return 0, false }
