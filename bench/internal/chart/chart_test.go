package chart

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"testing"
)

var sample = Chart{
	Title: "Cost <&>",
	Note:  "a machine",
	Panels: []Panel{
		{Title: "one", Unit: "µs", Bars: []Bar{
			{Name: "a & b", Value: 10, Low: 9, High: 11, Label: "10.0", Role: Ours},
			{Name: "floor", Value: 5, Low: 5, High: 5, Label: "5.00", Role: Floor},
			{Name: "slow", Value: 1000, Low: 900, High: 2000, Label: "1000", Role: Other},
		}},
		{Title: "nothing ran", Unit: "µs"},
		{Title: "zero and less", Unit: "B", Bars: []Bar{{Name: "a", Label: "0"}, {Name: "b", Value: -3, Label: "-3"}}},
	},
}

// elements parses an SVG and returns the attributes of all elements of one name.
func elements(t *testing.T, svg []byte, name string) (list []map[string]string) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			attributes := make(map[string]string)
			for _, a := range e.Attr {
				attributes[a.Name.Local] = a.Value
			}
			list = append(list, attributes)
		}
	}
}

func float(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBars(t *testing.T) {
	rects := elements(t, sample.SVG(), "rect")
	want := []struct {
		class string
		width float64
	}{
		{"ours", barRoom / 4.0}, // of four times the median, where bars are cut
		{"floor", barRoom / 8.0},
		{"other", barRoom},
		{"other", 0},
		{"other", 0},
	}
	if len(rects) != len(want)+1 {
		t.Fatalf("%d rectangles, want the page and %d bars", len(rects), len(want))
	}
	for i, w := range want {
		got := rects[i+1]
		if width := float(t, got["width"]); got["class"] != w.class || width < w.width-0.1 || width > w.width+0.1 {
			t.Errorf("bar %d is %v, want class %s and width %v", i, got, w.class, w.width)
		}
	}
}

// TestInside has everything within the picture.
func TestInside(t *testing.T) {
	svg := sample.SVG()
	size := elements(t, svg, "svg")[0]
	width, height := float(t, size["width"]), float(t, size["height"])
	for _, name := range []string{"rect", "text", "line"} {
		for _, e := range elements(t, svg, name) {
			for attribute, value := range e {
				limit := width
				switch attribute {
				case "y", "y1", "y2", "height":
					limit = height
				case "x", "x1", "x2", "width":
				default:
					continue
				}
				if f := float(t, value); f < 0 || f > limit {
					t.Errorf("%s=%q of a %s is outside of %v", attribute, value, name, limit)
				}
			}
			if name == "rect" && e["x"] != "" &&
				(float(t, e["x"])+float(t, e["width"]) > width || float(t, e["y"])+float(t, e["height"]) > height) {
				t.Errorf("%v reaches out of the picture", e)
			}
		}
	}
}

func TestText(t *testing.T) {
	svg := string(sample.SVG())
	for _, want := range []string{"Cost &lt;&amp;&gt;", "a &amp; b", ">… 1000<", "prefers-color-scheme: dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart does not contain %q", want)
		}
	}
}
