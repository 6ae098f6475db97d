package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// This file is what there is to complete, for all shells.

// isFile reports whether the flag's value is the name of a file.
func (f flagInfo) isFile() bool { return f.kind == "FILE" || f.kind == "DIR" }

// choices returns what the flag's value may be, if those are few: they stand in the help in place of its name.
func (f flagInfo) choices() []string {
	if !strings.Contains(f.kind, "|") {
		return nil
	}
	return strings.Split(f.kind, "|")
}

// summaryRoom is how long a summary may be: next to a flag there is no room for more.
const summaryRoom = 80

// clauseEnd finds the end of a clause, and what ends it.
var clauseEnd = regexp.MustCompile(`[;:,.] | \(`)

// summary is what the flag is for, in one line: as many clauses of its text as there is room for, and at least one.
func (f flagInfo) summary() string {
	text := strings.Join(strings.Fields(f.text), " ")
	if utf8.RuneCountInString(text) <= summaryRoom {
		return text
	}
	end := len(text)
	for _, at := range clauseEnd.FindAllStringIndex(text, -1) {
		if before := text[:at[0]]; strings.Count(before, "(") > strings.Count(before, ")") {
			continue // inside of parentheses
		} else if end < len(text) && utf8.RuneCountInString(before) > summaryRoom {
			break
		}
		end = at[0]
	}
	return text[:end]
}

// words returns what may stand where the verb's first argument does, with what each is for if that is known.
func (v verb) words() (words, texts []string) {
	switch {
	case v.name == helpVerb.name:
		for _, other := range verbs {
			words, texts = append(words, other.name), append(texts, other.summary)
		}
	case len(v.subs) > 0:
		for _, sub := range v.subs {
			words, texts = append(words, strings.TrimPrefix(sub.name, v.name+" ")), append(texts, sub.summary)
		}
	default:
		for _, word := range v.choices {
			words, texts = append(words, word), append(texts, "")
		}
	}
	return words, texts
}

// eachVerb calls do with every verb and what each consists of, the parts before the whole.
func eachVerb(do func(v verb)) {
	for _, v := range verbs {
		for _, sub := range v.subs {
			do(sub)
		}
		do(v)
	}
}
