package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

var manVerb = verb{
	name:    "man",
	summary: "print the manual page",
	help: `
It says what "hawser help" says of all verbs, in the language of man.

Examples:
  hawser man | man -l -
  hawser man > /usr/local/share/man/man1/hawser.1`,
	setup: func(*flag.FlagSet) func([]string, streams) int {
		return func(_ []string, std streams) int {
			printMan(std.out)
			return exitOK
		}
	},
}

// printMan prints the manual page, in the macros of man(7).
func printMan(w io.Writer) {
	p := &page{w}
	p.macro("TH", "HAWSER", "1", "", "hawser "+version(), "")
	p.macro("SH", "NAME")
	p.text("hawser - WebSocket (RFC 6455) in one binary")
	p.macro("SH", "SYNOPSIS")
	p.macro("B", "hawser")
	p.text("VERB [flags] [arguments]")
	p.macro("SH", "VERBS")
	for _, v := range verbs {
		p.item("hawser "+v.name, v.summary)
	}
	for _, v := range verbs {
		p.verb(v)
		for _, sub := range v.subs {
			p.verb(sub)
		}
	}
	p.macro("SH", "EXIT STATUS")
	for _, row := range []struct {
		code int
		text string
	}{
		{exitOK, "it went well"},
		{exitFailed, "the connection ended abnormally, or the program could not go on"},
		{exitUsage, "the command line makes no sense"},
		{exitConnect, "there was no connection, or the handshake failed"},
		{exitUnmet, "what was asked for did not come"},
	} {
		p.item(fmt.Sprint(row.code), row.text)
	}
	p.text("What a verb means by them stands with it.")
}

// A page is written in roff.
type page struct{ w io.Writer }

// verb writes a section on a verb.
func (p *page) verb(v verb) {
	p.macro("SH", strings.ToUpper(v.name))
	p.macro("B", v.usage())
	p.macro("PP")
	p.text(v.summary)
	for paragraph := range strings.SplitSeq(strings.TrimSpace(v.help), "\n\n") {
		p.paragraph(paragraph)
	}
	flags := v.flags()
	if len(flags) > 0 {
		p.macro("SS", "Flags")
	}
	for _, f := range flags {
		text := strings.Join(strings.Fields(f.text), " ")
		if f.def != "" {
			text += " (default " + f.def + ")"
		}
		p.item(strings.TrimSpace(f.name+" "+f.kind), text)
	}
}

// paragraph writes a paragraph of a help text. Lines that are indented stay as they are.
func (p *page) paragraph(s string) {
	if s == "" {
		return
	}
	p.macro("PP")
	asIs := false
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		if indented := strings.HasPrefix(line, "  "); indented != asIs {
			asIs = indented
			p.asIs(asIs)
		}
		if asIs {
			line = line[2:]
		}
		p.text(line)
	}
	if asIs {
		p.asIs(false)
	}
}

// asIs begins or ends lines that are not filled.
func (p *page) asIs(begin bool) {
	if begin {
		p.macro("RS", "4")
		p.macro("nf")
		return
	}
	p.macro("fi")
	p.macro("RE")
}

// item writes a term and what it means.
func (p *page) item(term, text string) {
	p.macro("TP")
	p.macro("B", term)
	p.text(text)
}

// macro writes a line that is a macro's. Arguments with a space in them are quoted.
func (p *page) macro(name string, args ...string) {
	line := "." + name
	for _, a := range args {
		line += ` "` + strings.ReplaceAll(roff(a), `"`, `\(dq`) + `"`
	}
	fmt.Fprintln(p.w, line)
}

// text writes a line of text.
func (p *page) text(s string) {
	s = roff(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s // it is no macro
	}
	fmt.Fprintln(p.w, s)
}

// roff writes what means something to roff, or is set as another character than it is, in its escapes.
func roff(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\':
			b.WriteString(`\e`)
		case '-':
			b.WriteString(`\-`)
		case '\'':
			b.WriteString(`\(aq`)
		case '`':
			b.WriteString(`\(ga`)
		case '^':
			b.WriteString(`\(ha`)
		case '~':
			b.WriteString(`\(ti`)
		default:
			if r > '~' {
				fmt.Fprintf(&b, `\[u%04X]`, r)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}
