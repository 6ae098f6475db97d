// Hawser is WebSocket in one binary: a notification server, a client and a server for the terminal, a load generator,
// an echo server, a conformance kit and the client under test for it. "hawser help" lists the verbs; each has a file of
// its own here.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

// Exit codes, the same for all verbs.
const (
	exitOK      = 0
	exitFailed  = 1 // the connection ended abnormally, the server could not go on
	exitUsage   = 2 // the command line makes no sense
	exitConnect = 3 // no connection, or the handshake failed
	exitUnmet   = 4 // what was asked for did not come
)

// A streams is what a verb reads and writes.
type streams struct {
	in       *os.File
	out, err *os.File
}

// A verb is one of the things that the binary does.
type verb struct {
	name    string
	args    string // what follows the flags, in the usage line
	maxArgs int    // how many of them there may be
	summary string
	help    string   // the rest of "hawser help VERB", with examples
	subs    []verb   // what it consists of, if its first argument is a verb again; their names begin with its name
	choices []string // what its first argument may be, if those are few
	// setup declares the flags and returns what runs when they are parsed.
	setup func(fs *flag.FlagSet) func(args []string, std streams) int
}

// verbs is filled by init, since help looks at it too.
var verbs []verb

func init() {
	verbs = []verb{serveVerb, pipeVerb, tokenVerb, connectVerb, listenVerb, loadVerb, echoVerb, testeeVerb, conformVerb,
		helpVerb, manVerb, completionVerb, versionVerb}
}

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run finds the verb and runs it. It returns the exit code.
func run(args []string, std streams) int {
	if len(args) == 0 {
		printOverview(std.err)
		return exitUsage
	}
	v, ok := findVerb(verbName(args[0]))
	if !ok {
		fmt.Fprintf(std.err, "hawser: there is no verb %q; \"hawser help\" lists them\n", args[0])
		return exitUsage
	}
	v, args = v.descend(args[1:])
	if len(v.subs) > 0 && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		fmt.Fprintf(std.err, "hawser %s: there is no verb %q; \"hawser help %[1]s\" lists them\n", v.name, args[0])
		return exitUsage
	}
	return v.run(args, std)
}

// verbName returns the verb that arg names. Two have the shape of a flag as well, since many try that first.
func verbName(arg string) string {
	switch arg {
	case "-h", "-help", "--help":
		return "help"
	case "-version", "--version":
		return "version"
	}
	return arg
}

func findVerb(name string) (verb, bool) {
	for _, v := range verbs {
		if v.name == name {
			return v, true
		}
	}
	return verb{}, false
}

// descend returns the verb that args go on to name, and the arguments behind that; v itself if they name none.
func (v verb) descend(args []string) (verb, []string) {
	for _, sub := range v.subs {
		if len(args) > 0 && sub.name == v.name+" "+args[0] {
			return sub.descend(args[1:])
		}
	}
	return v, args
}

// run parses the verb's flags, which may stand before, between and behind its arguments, and runs it.
func (v verb) run(args []string, std streams) int {
	fs := v.flagSet()
	start := v.setup(fs)
	rest, err := parseAnywhere(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		v.print(std.out)
		return exitOK
	case err != nil:
		return usageError(std, v.name, "%s", flagMistake(fs, err))
	case len(rest) > v.maxArgs:
		return usageError(std, v.name, "unexpected argument %q", rest[v.maxArgs])
	}
	return start(rest, std)
}

func (v verb) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

// parseAnywhere parses args, in which flags and arguments are mixed, and returns the arguments. Behind "--" all are
// arguments. Package flag gets one flag at a time, with its value: only so is it known whether a "--" is a value.
func parseAnywhere(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		arg, n := args[0], 1
		switch {
		case arg == "--":
			return append(rest, args[1:]...), nil
		case len(arg) < 2 || arg[0] != '-':
			rest = append(rest, arg)
		default:
			if takesNext(fs, arg) {
				n = min(2, len(args))
			}
			if err := fs.Parse(args[:n]); err != nil {
				return nil, err
			}
		}
		args = args[n:]
	}
	return rest, nil
}

// takesNext reports whether the value of a flag is the argument behind it: not if it stands in arg, as in -n=1, and not
// if the flag is a truth.
func takesNext(fs *flag.FlagSet, arg string) bool {
	f := fs.Lookup(strings.TrimPrefix(arg[1:], "-"))
	if f == nil {
		return false
	}
	truth, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !truth.IsBoolFlag()
}

// flagName finds a flag in what package flag says is wrong.
var flagName = regexp.MustCompile(`( )-([a-z][a-z-]*)`)

// flagMistake says what package flag says, with the flag as our help writes it and what its value has to be.
func flagMistake(fs *flag.FlagSet, err error) string {
	text := err.Error()
	name := flagName.FindStringSubmatch(text)
	if name == nil {
		return text
	}
	if len(name[2]) > 1 {
		text = flagName.ReplaceAllString(text, "$1--$2")
	}
	if f := fs.Lookup(name[2]); f != nil {
		text = strings.Replace(text, "parse error", "it has to be "+valueForm(f), 1)
	}
	return text
}

// valueForm says what the value of a flag has to look like.
func valueForm(f *flag.Flag) string {
	getter, ok := f.Value.(flag.Getter)
	if !ok {
		return "a text"
	}
	switch getter.Get().(type) {
	case bool:
		return "true or false"
	case time.Duration:
		return "a duration with its unit, such as 500ms, 5s or 1m"
	case int, int64:
		return "a whole number"
	case float64:
		return "a number"
	}
	return "a text"
}

// usageError says what is wrong with the command line.
func usageError(std streams, verb, format string, args ...any) int {
	fmt.Fprintf(std.err, "hawser %s: %s\n(\"hawser help %s\" %s)\n", verb, conceal(fmt.Sprintf(format, args...)), verb,
		helpHas(verb))
	return exitUsage
}

// helpHas says what the help of a verb has to offer.
func helpHas(name string) string {
	words := strings.Fields(name)
	v, _ := findVerb(words[0])
	if v, _ = v.descend(words[1:]); len(v.flags()) == 0 {
		return "says more"
	}
	return "shows the flags"
}

// A stringList is a flag that may be given several times.
type stringList []string

// String joins the values.
func (l *stringList) String() string { return strings.Join(*l, ",") }

// Set adds a value.
func (l *stringList) Set(s string) error {
	*l = append(*l, s)
	return nil
}
