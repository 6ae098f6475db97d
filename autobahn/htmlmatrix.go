package autobahn

import (
	"slices"
	"strings"
)

// matrix writes the cases, by category, with a column for each agent.
func (p *page) matrix() {
	class := verbatim("one")
	switch n := len(p.agents); {
	case n > maxColumns:
		class = "several many"
	case n > 1:
		class = "several"
	}
	p.printf("<main class=\"%s\" style=\"--agents:%d\">\n", class, len(p.agents))
	if len(p.agents) > 1 {
		p.printf(`<div class="names row" aria-hidden="true"><span></span><span></span>`)
		for _, agent := range p.agents {
			p.printf(`<span title="%s">%s</span>`, agent, agent)
		}
		p.printf("</div>\n")
	}
	for _, part := range byCategory(p.ids()) {
		passed, all := 0, 0
		for _, agent := range p.agents {
			n, of := p.passed(agent, part.cases)
			passed, all = passed+n, all+of
		}
		p.printf("<section data-category=\"%s\">\n<h2>%s %s <small>%d of %d passed</small></h2>\n",
			part.id, part.id, part.title, passed, all)
		for _, id := range part.cases {
			p.row(id)
		}
		p.printf("</section>\n")
	}
	p.printf("</main>\n")
}

// maxColumns is how many agents have columns of their own side by side.
const maxColumns = 7

// row writes a case.
func (p *page) row(id string) {
	f := p.anyFile(id)
	mark := verbatim(" data-same") // all agents have run it, and well
	for _, agent := range p.agents {
		e, ok := p.index[agent][id]
		own := p.files[agent][id] != nil && len(p.files[agent][id].Own) > 0
		if ok && (!isBest(e.Behavior) || !isBest(e.BehaviorClose) || own) {
			mark = " data-bad"
		} else if !ok && mark != " data-bad" {
			mark = ""
		}
	}
	p.printf("<details id=\"case-%s\"%s><summary class=\"row\"><b>%s</b><span class=\"what\">%s</span>",
		id, mark, id, f.Description)
	for _, agent := range p.agents {
		p.cell(agent, id)
	}
	p.printf("</summary>\n<div class=\"more\"><p class=\"full\">%s</p><p><b>Expected:</b> %s</p>", f.Description,
		f.Expectation)
	for n, agent := range p.agents {
		p.reasons(n, agent, id)
	}
	p.printf("</div></details>\n")
}

// anyFile returns the file of a case from whichever agent has one.
func (p *page) anyFile(id string) *caseFile {
	for _, agent := range p.agents {
		if f := p.files[agent][id]; f != nil {
			return f
		}
	}
	return new(caseFile)
}

// cell writes the grades of an agent in a row.
func (p *page) cell(agent, id string) {
	e, ok := p.index[agent][id]
	if !ok {
		p.printf(`<span class="cell"><i>%s</i><em class="none">not run</em></span>`, agent)
		return
	}
	p.printf(`<span class="cell"><i>%s</i><em class="%s">%s</em>`, agent, gradeClass(e.Behavior), gradeName(e.Behavior))
	if !isBest(e.BehaviorClose) {
		p.printf(`<em class="%s">close: %s</em>`, gradeClass(e.BehaviorClose), strings.ToLower(string(e.BehaviorClose)))
	}
	if f := p.files[agent][id]; f != nil && len(f.Own) > 0 {
		p.printf(`<em class="own">finding</em>`)
	}
	p.printf("</span>")
}

// reasons writes what was decided about an agent, and why. The script adds the rest.
func (p *page) reasons(n int, agent, id string) {
	e, ok := p.index[agent][id]
	if !ok {
		return
	}
	p.printf("<section data-agent=\"%d\"><h3>%s</h3><dl>", n, agent)
	f := p.files[agent][id]
	if f == nil {
		f = new(caseFile)
	}
	p.printf(`<dt><em class="%s">%s</em></dt><dd>%s</dd>`, gradeClass(e.Behavior), gradeName(e.Behavior), f.Reason)
	p.printf(`<dt><em class="%s">close: %s</em></dt><dd>%s</dd>`,
		gradeClass(e.BehaviorClose), gradeName(e.BehaviorClose), f.ReasonClose)
	for _, own := range f.Own {
		p.printf(`<dt><em class="own">finding: %s</em></dt><dd>%s (%s)</dd>`, gradeName(own.Grade), own.Reason, own.Rule)
	}
	p.printf("</dl></section>")
}

// gradeClass is how the style sheet knows a grade.
func gradeClass(g Grade) verbatim {
	switch g {
	case OK:
		return "ok"
	case Informational:
		return "info"
	case NonStrict:
		return "nonstrict"
	case Unimplemented:
		return "unimplemented"
	}
	return "failed"
}

// gradeName is a grade as the page shows it: those of the original, but for the case of letters.
func gradeName(g Grade) string {
	if slices.Contains([]Grade{OK, ""}, g) {
		return string(g)
	}
	return strings.ToLower(string(g))
}
