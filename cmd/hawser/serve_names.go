package main

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// This file is for names of settings that are none.

// serviceVariable is what Kubernetes sets for a service whose name is hawser.
var serviceVariable = regexp.MustCompile(`^HAWSER_(SERVICE_(HOST|PORT(_.+)?)=.*|PORT(_[0-9]+_[A-Z]+(_(PROTO|PORT|ADDR))?=.*|=.*://.*))$`)

// unknownVariables says, for each variable in an environment that looks like a setting, that it is none.
func (s *settings) unknownVariables(environ []string) (warnings []string) {
	var known []string
	s.fs.VisitAll(func(f *flag.Flag) { known = append(known, envName(f.Name)) })
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		isService := serviceVariable.MatchString(variable)
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) && !isService {
			warnings = append(warnings, fmt.Sprintf("%s in the environment is no setting%s", name, s.nearest(name)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// unknownName is the mistake of a file that sets what is no setting. What does not look like one may be a key, in a
// file that was named by mistake, and is not shown.
func (s *settings) unknownName(variable string) error {
	suggestion := s.nearest(variable)
	if suggestion == "" && !strings.HasPrefix(variable, envPrefix) {
		return fmt.Errorf("this is no setting: the name of one begins with %s", envPrefix)
	}
	return fmt.Errorf("there is no setting %s%s", variable, suggestion)
}

// nearest suggests the setting that a wrong name was meant to be, if there is one that differs in a letter or two at
// most, and not in a third of them, or in how it is written. To do without keys is never suggested.
func (s *settings) nearest(variable string) (suggestion string) {
	name := strings.ToUpper(strings.ReplaceAll(variable, "-", "_"))
	if !strings.HasPrefix(name, envPrefix) {
		name = envPrefix + name
	}
	least := min(2, (len(name)-len(envPrefix))/3) + 1
	s.fs.VisitAll(func(f *flag.Flag) {
		if d := distance(name, envName(f.Name)); d < least && f.Name != "dev" {
			least, suggestion = d, "; is it "+envName(f.Name)+"?"
		}
	})
	return suggestion
}

// distance is how many letters have to be changed, added or removed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of what was looked at of a to the beginnings of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
