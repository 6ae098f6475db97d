// Package chart draws bars as an SVG that stands alone: no script, no font of its own, colours for light and dark.
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
)

// A Role is how a bar is coloured.
type Role int

// Other is everybody else.
const (
	Other Role = iota
	Ours
	Floor
)

var roleClass = [...]string{Other: "other", Ours: "ours", Floor: "floor"}

// A Bar is one value with its spread.
type Bar struct {
	Name             string
	Value, Low, High float64
	Label            string
	Role             Role
}

// A Panel is bars of one unit that share a scale.
type Panel struct {
	Title, Unit string
	Bars        []Bar
}

// A Chart is panels in two columns.
type Chart struct {
	Title, Note string
	Panels      []Panel
}

const (
	columns    = 2
	panelWidth = 480
	barHeight  = 16
	barGap     = 4
	nameWidth  = 124
	labelWidth = 64
	panelTop   = 44 // title and unit
	panelGap   = 22
	top        = 56
	margin     = 16
	barRoom    = panelWidth - nameWidth - labelWidth
)

const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 18px; font-weight: 600 }
  .head { font-size: 13px; font-weight: 600 }
  .note { font-size: 11px; fill: #59636e }
  .ours { fill: #0a7f5a } .other { fill: #8295a8 } .floor { fill: #cfd6dd }
  .spread { stroke: #1f2328; stroke-width: 1 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 }
    .ours { fill: #2fbf8f } .other { fill: #64778b } .floor { fill: #3a444f }
    .spread { stroke: #e6edf3 } .page { fill: #0d1117 }
  }
`

func (p Panel) height() int { return panelTop + len(p.Bars)*(barHeight+barGap) + panelGap }

// SVG draws the chart.
func (c Chart) SVG() []byte {
	var body bytes.Buffer
	y := top
	for row := range slices.Chunk(c.Panels, columns) {
		height := 0
		for i, p := range row {
			p.draw(&body, margin+i*(panelWidth+margin), y)
			height = max(height, p.height())
		}
		y += height
	}
	width := margin + columns*(panelWidth+margin)
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" role="img" `)
	fmt.Fprintf(&out, `width="%d" height="%d" viewBox="0 0 %[1]d %[2]d">`+"\n", width, y)
	fmt.Fprintf(&out, "<title>%s</title>\n<style>%s</style>\n", escape(c.Title), style)
	fmt.Fprintf(&out, `<rect class="page" width="%d" height="%d" rx="8"/>`+"\n", width, y)
	write(&out, margin, 26, "title", "start", c.Title)
	write(&out, margin, 44, "note", "start", c.Note)
	body.WriteTo(&out)
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func (p Panel) draw(w io.Writer, x, y int) {
	write(w, x, y+16, "head", "start", p.Title)
	write(w, x, y+32, "note", "start", p.Unit)
	scale := p.scale()
	for i, b := range p.Bars {
		b.draw(w, x, y+panelTop+i*(barHeight+barGap), scale)
	}
}

// scale is how many pixels one unit is. The bars are cut where the largest would make the others unreadable.
func (p Panel) scale() float64 {
	var values []float64
	for _, b := range p.Bars {
		values = append(values, b.Value)
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	most := math.Min(values[len(values)-1], 4*values[(len(values)-1)/2])
	if most <= 0 {
		return 0
	}
	return barRoom / most
}

func (b Bar) draw(w io.Writer, x, y int, scale float64) {
	place := func(v float64) float64 { return math.Max(0, math.Min(v*scale, barRoom)) }
	base, middle := x+nameWidth, y+barHeight/2
	write(w, base-8, middle+4, "", "end", b.Name)
	fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"><title>%s</title></rect>`+"\n",
		roleClass[b.Role], base, y, place(b.Value), barHeight, escape(b.Name+": "+b.Label))
	fmt.Fprintf(w, `<line class="spread" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n",
		float64(base)+place(b.Low), middle, float64(base)+place(b.High), middle)
	label := b.Label
	if b.Value*scale > barRoom+0.5 {
		label = "… " + label // the bar is cut
	}
	end := math.Max(place(b.Value), place(b.High))
	write(w, base+6+int(end), middle+4, "", "start", label)
}

func write(w io.Writer, x, y int, class, anchor, text string) {
	fmt.Fprintf(w, `<text class="%s" x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, escape(text))
}

func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // writing to a Buffer does not fail
	return b.String()
}
