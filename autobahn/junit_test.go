package autobahn

import (
	"encoding/xml"
	"strings"
	"testing"
)

// What is written is read back as the CI systems do: suites, tests, failures, and the counts that go with them.
func TestJUnit(t *testing.T) {
	const evil = "a\"<b>&'\x00\x1b\uffff]]>"
	report := Index{
		"ws": {"1.1.2": {OK, OK, 1500, nil, ""}, "1.1.10": {Failed, Unclean, 20, nil, ""}, "9.1.1": {OK, OK, 7, nil, ""}},
		evil: {"1.1.2": {Failed, OK, 0, nil, ""}, "1.1.10": {OK, OK, 0, nil, ""}},
	}
	j := Judge{Rules: UsualRules, Want: wantIDs("1.1.2", "1.1.10", "2.1"),
		Why: func(_, id string) (string, string) { return evil + id, "no Close" }}
	p := JUnit(report, j.Judge(report))
	var got struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []struct {
			Name     string  `xml:"name,attr"`
			Tests    int     `xml:"tests,attr"`
			Failures int     `xml:"failures,attr"`
			Time     float64 `xml:"time,attr"`
			Cases    []struct {
				Class   string  `xml:"classname,attr"`
				Name    string  `xml:"name,attr"`
				Time    float64 `xml:"time,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Type    string `xml:"type,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(p, &got); err != nil {
		t.Fatalf("%v in\n%s", err, p)
	}
	if len(got.Suites) != 2 {
		t.Fatalf("%d suites, want 2", len(got.Suites))
	}
	clean := strings.NewReplacer("\x00", "\ufffd", "\x1b", "\ufffd", "\uffff", "\ufffd").Replace(evil)
	if s := got.Suites[0]; s.Name != clean || s.Failures != 2 || !strings.Contains(s.Cases[0].Failure.Text,
		clean+"1.1.2") {
		t.Errorf("the first suite is %+v, %+v", s, s.Cases[0].Failure)
	}
	s := got.Suites[1]
	if s.Name != "ws" || s.Tests != 3 || s.Failures != 2 || s.Time != 1.52 || len(s.Cases) != 3 {
		t.Fatalf("the suite is %+v", s)
	}
	if c := s.Cases[0]; c.Class != "ws" || c.Name != "1.1.2" || c.Time != 1.5 || c.Failure != nil {
		t.Errorf("the case that passed is %+v", c)
	}
	c := s.Cases[1]
	if c.Name != "1.1.10" || c.Failure == nil || c.Failure.Message != "behavior FAILED, close UNCLEAN" ||
		c.Failure.Type != "FAILED" || !strings.HasSuffix(c.Failure.Text, "1.1.10\nno Close") {
		t.Errorf("the case that failed is %+v, %+v", c, c.Failure)
	}
	if c := s.Cases[2]; c.Name != "2.1" || c.Failure == nil || c.Failure.Type != "missing" {
		t.Errorf("the case that is missing is %+v", c)
	}
}
