package autobahn

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"strings"
)

// The page is one file: the style, the script and all data are in it, and nothing is loaded from elsewhere. All but the
// details of a case is there without the script.
var (
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
)

// A page is a page being written.
type page struct {
	bytes.Buffer
	index  Index
	files  map[string]map[string]*caseFile
	agents []string
}

// encodePage returns the page of a report. Everything that comes from a peer or from a file passes through
// html.EscapeString or, on its way to the script, through package json, which escapes what could end a script.
func encodePage(x Index, files map[string]map[string]*caseFile) []byte {
	p := &page{index: x, files: files, agents: x.Agents()}
	p.printf(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>WebSocket conformance: %s</title>
<link rel="icon" href="data:,">
<style>
%s</style>
`, strings.Join(p.agents, ", "), verbatim(pageStyle))
	p.head()
	p.filter()
	p.matrix()
	p.data()
	p.printf("<script>\n%s</script>\n", verbatim(pageScript))
	return p.Bytes()
}

// verbatim text is ours: it is not escaped.
type verbatim string

// printf writes text in which every string is escaped, unless it is verbatim.
func (p *page) printf(format string, args ...any) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = html.EscapeString(arg)
		case Grade:
			args[i] = html.EscapeString(string(arg))
		}
	}
	fmt.Fprintf(p, format, args...)
}

// head writes a card for each agent, and what each has passed of each category.
func (p *page) head() {
	ids := p.ids()
	p.printf("<header>\n<h1>WebSocket conformance</h1>\n<p>%d cases", len(ids))
	if when := p.started(); when != "" {
		p.printf(`, <time datetime="%s">%s</time>`, when, strings.Replace(strings.TrimSuffix(when, "Z"), "T", " ", 1))
	}
	p.printf("</p>\n</header>\n<section class=\"cards\">\n")
	for _, agent := range p.agents {
		p.card(agent)
	}
	p.printf("</section>\n")
	if len(p.agents) > 1 {
		p.categories(ids)
	}
}

// card shows the grades of an agent as a bar and in numbers.
func (p *page) card(agent string) {
	counts, short := map[Grade]int{}, 0
	for _, e := range p.index[agent] {
		g := cardGrade(e)
		counts[g]++
		if !UsualRules.Pass(e.Behavior, e.BehaviorClose) {
			short++
		}
	}
	word, class := "passed", "ok"
	if short > 0 {
		word, class = fmt.Sprintf("%d fell short", short), "failed"
	}
	p.printf("<article class=\"card\">\n<h2>%s</h2> <b class=\"%s\">%s</b>\n<div class=\"bar\">", agent, class, word)
	for _, g := range sortedGrades(counts) {
		p.printf(`<i class="%s" style="flex-grow:%d"></i>`, gradeClass(g), counts[g])
	}
	p.printf("</div>\n<p>")
	for _, g := range sortedGrades(counts) {
		p.printf(`<span><i class="%s"></i>%d %s</span> `, gradeClass(g), counts[g], gradeName(g))
	}
	p.printf("</p>\n</article>\n")
}

// cardGrade is the grade that a case counts as: that of its end where only that is bad.
func cardGrade(e IndexEntry) Grade {
	if isBest(e.Behavior) && !isBest(e.BehaviorClose) {
		return e.BehaviorClose
	}
	return e.Behavior
}

// categories writes a table of what each agent has passed of each category.
func (p *page) categories(ids []string) {
	p.printf("<details class=\"sums\"><summary>By category</summary>\n<div class=\"wide\"><table>\n<tr><th>Category</th>")
	for _, agent := range p.agents {
		p.printf("<th>%s</th>", agent)
	}
	p.printf("</tr>\n")
	for _, part := range byCategory(ids) {
		p.printf("<tr><th>%s %s</th>", part.id, part.title)
		for _, agent := range p.agents {
			passed, all := p.passed(agent, part.cases)
			class := "ok"
			if passed < all {
				class = "failed"
			}
			if all == 0 {
				p.printf("<td></td>")
				continue
			}
			p.printf(`<td class="%s">%d/%d</td>`, class, passed, all)
		}
		p.printf("</tr>\n")
	}
	p.printf("</table></div>\n</details>\n")
}

// passed counts the cases that an agent has a result of, and those that pass by the usual rules.
func (p *page) passed(agent string, ids []string) (passed, all int) {
	for _, id := range ids {
		e, ok := p.index[agent][id]
		if ok {
			all++
		}
		if ok && UsualRules.Pass(e.Behavior, e.BehaviorClose) {
			passed++
		}
	}
	return passed, all
}

// filter writes the controls, which need the script and are hidden without it.
func (p *page) filter() {
	p.printf(`<form id="filter" hidden>
<input id="text" type="search" placeholder="Filter: 6.4, UTF-8, 1002 …" autocomplete="off"
 aria-label="Filter cases by text">
<select id="category" aria-label="Category"><option value="">all categories</option>`)
	for _, part := range byCategory(p.ids()) {
		p.printf(`<option value="%s">%s %s</option>`, part.id, part.id, part.title)
	}
	p.printf(`</select>
<label><input id="bad" type="checkbox"> only what is not OK</label>
<output id="shown" for="text category bad"></output>
</form>
`)
}

// data writes what the script shows of a case when it is opened.
func (p *page) data() {
	details := map[string][]*caseDetail{}
	for _, id := range p.ids() {
		for _, agent := range p.agents {
			details[id] = append(details[id], newDetail(p.files[agent][id], p.index[agent][id]))
		}
	}
	encoded, err := json.Marshal(details) // with <, > and & escaped
	if err != nil {
		panic(err) // a caseDetail has a JSON form
	}
	p.printf("<script id=\"data\" type=\"application/json\">%s</script>\n", verbatim(encoded))
}

// ids returns all cases of the report, in their order.
func (p *page) ids() []string {
	all := Index{"": {}}
	for _, cases := range p.index {
		for id, e := range cases {
			all[""][id] = e
		}
	}
	return all.IDs("")
}

// started returns when the first case began, "" if that is not known.
func (p *page) started() string {
	first := ""
	for _, files := range p.files {
		for _, f := range files {
			if f.Started != "" && (first == "" || f.Started < first) {
				first = f.Started
			}
		}
	}
	if at, _, ok := strings.Cut(first, "."); ok { // no fraction of a second
		return at + "Z"
	}
	return first
}

// A category is a part of a report.
type category struct {
	id, title string
	cases     []string
}

// byCategory splits ids, which are in their order, by their first parts.
func byCategory(ids []string) (parts []category) {
	for _, id := range ids {
		name, _, _ := strings.Cut(id, ".")
		if n := len(parts); n == 0 || parts[n-1].id != name {
			parts = append(parts, category{id: name, title: categoryTitle(name)})
		}
		last := &parts[len(parts)-1]
		last.cases = append(last.cases, id)
	}
	return parts
}

// categoryTitle names a category of the cases.
func categoryTitle(id string) string {
	for _, g := range Groups() {
		if g.ID == id {
			return g.Title
		}
	}
	return ""
}
