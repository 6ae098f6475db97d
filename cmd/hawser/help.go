package main

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

var helpVerb = verb{
	name:    "help",
	args:    "[VERB]",
	maxArgs: 2,
	summary: "list the verbs, or show one with its flags and examples",
	help: `
Examples:
  hawser help
  hawser help connect
  hawser help conform server`,
	setup: func(*flag.FlagSet) func([]string, streams) int {
		return help
	},
}

var versionVerb = verb{
	name:    "version",
	summary: "print the version",
	setup: func(*flag.FlagSet) func([]string, streams) int {
		return func(_ []string, std streams) int {
			fmt.Fprintln(std.out, "hawser", version(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
			return exitOK
		}
	},
}

// version returns what the build knows about itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}

// help prints the overview or one verb.
func help(args []string, std streams) int {
	if len(args) == 0 {
		printOverview(std.out)
		return exitOK
	}
	v, ok := findVerb(args[0])
	if !ok {
		fmt.Fprintf(std.err, "hawser help: there is no verb %q; \"hawser help\" lists them\n", args[0])
		return exitUsage
	}
	v, rest := v.descend(args[1:])
	if len(rest) > 0 {
		return usageError(std, "help", "unexpected argument %q", rest[0])
	}
	v.print(std.out)
	return exitOK
}

// printOverview lists the verbs.
func printOverview(w io.Writer) {
	fmt.Fprint(w, "hawser: WebSocket (RFC 6455) in one binary\n\nUsage: hawser VERB [flags] [arguments]\n\n")
	for _, v := range verbs {
		fmt.Fprintf(w, "  %-10s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, `
First try, in two terminals:

  hawser serve --dev                                    # and open http://127.0.0.1:8080/
  curl -d 'hello' http://127.0.0.1:8080/topics/news

"hawser help VERB" shows the flags of a verb, with examples.
`)
}

// usage is the verb's command line.
func (v verb) usage() string {
	usage := "hawser " + v.name
	if len(v.flags()) > 0 {
		usage += " [flags]"
	}
	if v.args != "" {
		usage += " " + v.args
	}
	return usage
}

// A flagInfo is a flag as users see it: in the help, on the manual page and in completions.
type flagInfo struct {
	name string // with its dashes
	kind string // what its value is called; "" if it takes none
	text string // what it is for, maybe in several lines
	def  string // its default, if that is worth a word
}

// flags returns the verb's flags in the order of their names.
func (v verb) flags() (all []flagInfo) {
	fs := v.flagSet()
	v.setup(fs)
	fs.VisitAll(func(f *flag.Flag) {
		info := flagInfo{name: "--" + f.Name}
		if len(f.Name) == 1 {
			info.name = "-" + f.Name
		}
		info.kind, info.text = flag.UnquoteUsage(f)
		switch f.DefValue {
		case "", "false", "0", "0s":
		default:
			info.def = f.DefValue
		}
		all = append(all, info)
	})
	return all
}

// print shows the verb with its flags and examples.
func (v verb) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n\nUsage: %s\n", v.name, v.summary, v.usage())
	if len(v.subs) > 0 {
		fmt.Fprintln(w)
	}
	for _, sub := range v.subs {
		fmt.Fprintf(w, "  %-15s %s\n", sub.name, sub.summary)
	}
	flags := v.flags()
	if len(flags) > 0 {
		fmt.Fprint(w, "\nFlags:\n")
	}
	for _, f := range flags {
		fmt.Fprintf(w, "  %s\n      %s", strings.TrimSpace(f.name+" "+f.kind), strings.ReplaceAll(f.text, "\n", "\n      "))
		if f.def != "" {
			fmt.Fprintf(w, " (default %s)", f.def)
		}
		fmt.Fprintln(w)
	}
	if v.help != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(v.help))
	}
}
