package wstest

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

const promLabel = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`

var (
	promComment = regexp.MustCompile(`^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$`)
	promSample  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? (\S+)$`)
	promLabels  = regexp.MustCompile(`^\{` + promLabel + `(,` + promLabel + `)*\}$`)
	promBucket  = regexp.MustCompile(`^\{le="([^"]+)"\}$`)
)

// ParseMetrics reads metrics in Prometheus' text format and returns the values by name and labels, as they are written.
// It is strict: everything has a HELP and a TYPE in front of it, nothing is there twice, counters are not negative,
// histograms rise, end at +Inf and have a sum and a count that fits.
func ParseMetrics(text string) (map[string]float64, error) {
	p := &promParser{values: make(map[string]float64), seen: make(map[string]bool)}
	if text != "" && !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := p.line(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("line %d, %q: %w", number, line, err)
		}
	}
	return p.values, p.endFamily()
}

type promParser struct {
	values     map[string]float64
	seen       map[string]bool // families
	name, kind string          // of the family
	buckets    []float64       // of a histogram
	bound      float64         // of the last of them
}

func (p *promParser) line(line string) error {
	if m := promComment.FindStringSubmatch(line); m != nil {
		return p.comment(m[1], m[2], m[3])
	}
	m := promSample.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("this is neither HELP, TYPE nor a sample")
	}
	v, err := strconv.ParseFloat(m[3], 64)
	switch {
	case err != nil:
		return err
	case m[2] != "" && !promLabels.MatchString(m[2]):
		return fmt.Errorf("the labels are malformed")
	case p.kind == "":
		return fmt.Errorf("a sample without a TYPE")
	case p.kind != "gauge" && v < 0:
		return fmt.Errorf("it is negative")
	}
	if _, twice := p.values[m[1]+m[2]]; twice {
		return fmt.Errorf("it is there twice")
	}
	p.values[m[1]+m[2]] = v
	return p.sample(m[1], m[2], v)
}

// comment begins a family with HELP, and goes on with its TYPE.
func (p *promParser) comment(what, name, text string) error {
	if what == "TYPE" {
		if name != p.name || p.kind != "" {
			return fmt.Errorf("a TYPE that does not follow its HELP")
		}
		p.kind = text
		if text != "counter" && text != "gauge" && text != "histogram" {
			return fmt.Errorf("no type is %q", text)
		}
		return nil
	}
	if err := p.endFamily(); err != nil {
		return err
	}
	if p.seen[name] || text == "" {
		return fmt.Errorf("a family that is there twice, or has no help")
	}
	p.seen[name] = true
	p.name, p.kind, p.buckets, p.bound = name, "", nil, math.Inf(-1)
	return nil
}

// sample judges a sample by its family.
func (p *promParser) sample(name, labels string, v float64) error {
	if p.kind != "histogram" {
		if name != p.name {
			return fmt.Errorf("it belongs to another family than %s", p.name)
		}
		return nil
	}
	switch name {
	case p.name + "_sum", p.name + "_count":
		return nil
	case p.name + "_bucket":
	default:
		return fmt.Errorf("it belongs to another family than %s", p.name)
	}
	m := promBucket.FindStringSubmatch(labels)
	if m == nil {
		return fmt.Errorf("a bucket without its bound")
	}
	bound, err := strconv.ParseFloat(m[1], 64)
	if err != nil || bound <= p.bound || len(p.buckets) > 0 && v < p.buckets[len(p.buckets)-1] {
		return fmt.Errorf("bounds and counts of buckets have to rise (%v)", err)
	}
	p.bound = bound
	p.buckets = append(p.buckets, v)
	return nil
}

// endFamily judges a histogram that is complete.
func (p *promParser) endFamily() error {
	if p.kind != "histogram" {
		return nil
	}
	count, hasCount := p.values[p.name+"_count"]
	if _, hasSum := p.values[p.name+"_sum"]; !hasSum || !hasCount || !math.IsInf(p.bound, 1) || p.buckets[len(p.buckets)-1] != count {
		return fmt.Errorf("the histogram %s has no sum, no count, no bucket +Inf, or they do not fit", p.name)
	}
	return nil
}
