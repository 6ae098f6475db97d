package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// This file is where the values of the flags of hawser serve come from: the command line, the environment, a file, and
// last what is built in.

// envPrefix is what the environment variables of flags begin with.
const envPrefix = "HAWSER_"

// envName returns the environment variable of a flag.
func envName(flagName string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// A listFlag is a flag that may be given several times, and whose values may be separated by commas or white space.
type listFlag []string

// String joins the values.
func (l *listFlag) String() string { return strings.Join(*l, ",") }

// Set adds values. One that is empty is one, too: it is judged where it is used.
func (l *listFlag) Set(s string) error {
	values := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(values) == 0 {
		values = []string{s}
	}
	*l = append(*l, values...)
	return nil
}

// A sizeFlag is a flag that is a number of bytes.
type sizeFlag int64

// sizeUnits are what a size may end in.
var sizeUnits = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes the size in the largest unit of which it is a whole number.
func (n *sizeFlag) String() string {
	for _, u := range sizeUnits {
		if *n != 0 && int64(*n)%u.size == 0 {
			return strconv.FormatInt(int64(*n)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*n), 10)
}

// Set reads a size.
func (n *sizeFlag) Set(s string) error {
	factor := int64(1)
	number := s
	for _, u := range sizeUnits {
		if before, ok := strings.CutSuffix(s, u.name); ok {
			number, factor = before, u.size
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v < 0 || v > math.MaxInt32*int64(1<<10)/factor {
		return errors.New("it has to be a size of at most 2TiB, such as 65536, 64KiB or 1MiB")
	}
	*n = sizeFlag(v * factor)
	return nil
}

// sources is where values come from besides the file, which one of them names. It says the same whenever it is asked.
type sources struct {
	given  map[string][]string              // what the command line says, by flag
	lookup func(name string) (string, bool) // the environment
}

// givenFlags returns the flags that were set on the command line, with their values.
func givenFlags(fs *flag.FlagSet) map[string][]string {
	given := make(map[string][]string)
	fs.Visit(func(f *flag.Flag) {
		given[f.Name] = []string{f.Value.String()}
		if list, ok := f.Value.(*listFlag); ok {
			given[f.Name] = slices.Clone(*list)
		}
	})
	return given
}

// settings are all flags, with where their values come from.
type settings struct {
	fs   *flag.FlagSet
	from map[string]string // by flag; not there: it is the default
}

const (
	fromFlag        = "command line"
	fromEnvironment = "environment"
)

// load collects the values, the strongest first, and judges them.
func (s sources) load() (*serveOptions, *settings, error) {
	set := &settings{fs: verb{name: "serve"}.flagSet(), from: make(map[string]string)}
	opt := declareServe(set.fs)
	for _, name := range slices.Sorted(maps.Keys(s.given)) {
		for _, value := range s.given[name] {
			if err := set.set(name, value, fromFlag); err != nil {
				return nil, nil, fmt.Errorf("--%s: %w", name, err)
			}
		}
	}
	if err := set.setFromEnvironment(s.lookup); err != nil {
		return nil, nil, err
	}
	if opt.configFile != "" {
		if err := set.setFromFile(opt.configFile); err != nil {
			return nil, nil, err
		}
	}
	if err := opt.check(set); err != nil {
		return nil, nil, set.whence(err)
	}
	return opt, set, nil
}

// flagInError finds the flag that an error is about.
var flagInError = regexp.MustCompile(`^--([a-z-]+)`)

// whence adds to an error about a flag where its value comes from, if the flag was not given.
func (s *settings) whence(err error) error {
	name := flagInError.FindStringSubmatch(err.Error())
	if name == nil {
		return err
	}
	switch from := s.from[name[1]]; from {
	case "", fromFlag:
		return err
	case fromEnvironment:
		return fmt.Errorf("%s in the %s: %w", envName(name[1]), from, err)
	default:
		return fmt.Errorf("%s, %s: %w", from, envName(name[1]), err)
	}
}

// set gives a flag a value, or adds one if it is a list.
func (s *settings) set(name, value, from string) error {
	_, isList := s.fs.Lookup(name).Value.(*listFlag)                                  // whose elements are judged one by one
	if strings.ContainsFunc(value, unicode.IsControl) && !isList && !isSecret(name) { // whose own check says more
		return errors.New("there is a control character in it")
	}
	if err := s.fs.Set(name, value); err != nil {
		why := err.Error()
		if why == "parse error" {
			why = "it has to be " + valueForm(s.fs.Lookup(name))
		}
		if isSecret(name) {
			return errors.New(why)
		}
		return fmt.Errorf("invalid value %q: %s", value, why)
	}
	s.from[name] = from
	return nil
}

// setFromEnvironment sets what the command line has not. A variable that is empty is as good as none.
func (s *settings) setFromEnvironment(lookup func(string) (string, bool)) (err error) {
	s.fs.VisitAll(func(f *flag.Flag) {
		value, ok := lookup(envName(f.Name))
		if _, stronger := s.from[f.Name]; !ok || value == "" || stronger || err != nil {
			return
		}
		if e := s.set(f.Name, value, fromEnvironment); e != nil {
			err = fmt.Errorf("%s in the environment: %w", envName(f.Name), e)
		}
	})
	return err
}

// setFromFile sets what neither the command line nor the environment has.
func (s *settings) setFromFile(name string) error {
	file, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	flags := make(map[string]string) // by variable
	s.fs.VisitAll(func(f *flag.Flag) { flags[envName(f.Name)] = f.Name })
	seen := make(map[string]int)
	number := 0
	for line := range bytes.Lines(file) {
		number++
		mistake := func(format string, args ...any) error {
			return fmt.Errorf("%s, line %d: %w", name, number, fmt.Errorf(format, args...))
		}
		variable, value, err := parseSetting(string(line))
		flagName := flags[variable]
		switch {
		case err != nil:
			return mistake("%w", err)
		case variable == "":
			continue
		case flagName == "":
			return mistake("%w", s.unknownName(variable))
		case flagName == "config" || flagName == "print-config":
			return mistake("%s cannot be set in a file", variable)
		case seen[variable] > 0:
			return mistake("%s is set already, in line %d", variable, seen[variable])
		}
		seen[variable] = number
		if _, stronger := s.from[flagName]; stronger || value == "" {
			continue
		}
		if err := s.set(flagName, value, fmt.Sprintf("%s, line %d", name, number)); err != nil {
			return mistake("%s: %w", variable, err)
		}
	}
	return nil
}

// parseSetting reads a line NAME=VALUE as systemd does those of an EnvironmentFile. The name is empty for an empty line
// and a comment.
func parseSetting(line string) (name, value string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", nil
	}
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "" || strings.ContainsFunc(name, unicode.IsSpace):
		return "", "", errors.New("this is not of the form NAME=VALUE")
	case value == "":
		return name, "", nil
	case value[0] == '\'':
		if value, ok = strings.CutSuffix(value[1:], "'"); !ok || strings.Contains(value, "'") {
			return "", "", errors.New("the quotes do not fit: 'VALUE' with no ' in it, and nothing behind it")
		}
		return name, value, nil
	case value[0] == '"':
		value, err = unquote(value[1:])
		return name, value, err
	case strings.Contains(value, `\`):
		return "", "", errors.New(`a value with a \ in it has to stand in quotes`)
	}
	return name, value, nil
}

// escapable are the characters in front of which a \ has a meaning in double quotes.
const escapable = "\"\\$`"

// unquote reads what follows a double quote.
func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && i == len(s)-1:
			return b.String(), nil
		case s[i] == '"':
			return "", errors.New("there is something behind the closing quote")
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(escapable, s[i+1]) >= 0:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", errors.New("the closing quote is missing")
}

// quoteSetting writes a value so that parseSetting reads it. It has quotes only if it has to: Docker's env files know
// none.
func quoteSetting(value string) string {
	plain := value == strings.TrimSpace(value) && !strings.ContainsAny(value, `\`) && !strings.HasPrefix(value, `"`) &&
		!strings.HasPrefix(value, "'")
	if plain {
		return value
	}
	var b strings.Builder
	for i := range len(value) {
		if strings.IndexByte(escapable, value[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(value[i])
	}
	return `"` + b.String() + `"`
}

// notShown stands for a secret.
const notShown = "***"

// isSecret reports whether the value of a flag is not for other eyes.
func isSecret(flagName string) bool { return flagName == "publish-key" }

// print writes all settings as a file that setFromFile reads.
func (s *settings) print(to io.Writer) {
	w := bufio.NewWriter(to)
	defer w.Flush()
	fmt.Fprint(w, "# What hawser serve goes by, in the form of a file for --config and for systemd's EnvironmentFile=.\n"+
		"# Above each setting stands where its value comes from.\n")
	s.fs.VisitAll(func(f *flag.Flag) {
		if f.Name == "config" || f.Name == "print-config" {
			return
		}
		from := s.from[f.Name]
		if from == "" {
			from = "default"
		}
		value := f.Value.String()
		switch {
		case isSecret(f.Name) && value != "":
			fmt.Fprintf(w, "\n# %s. It is a secret and not shown: put it here in place of the stars, or into\n"+
				"# the file that HAWSER_PUBLISH_KEY_FILE names.\n#%s=%s\n", from, envName(f.Name), notShown)
		default:
			fmt.Fprintf(w, "\n# %s\n%s=%s\n", from, envName(f.Name), quoteSetting(value))
		}
	})
}
