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
		fmt.Fprintf(w, "  %-9s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, `
First try, in two terminals:

  hawser serve --dev                                    # and open http://127.0.0.1:8080/
  curl -d 'hello' http://127.0.0.1:8080/topics/news

"hawser help VERB" shows the flags of a verb, with examples.
`)
}

// print shows the verb with its flags and examples.
func (v verb) print(w io.Writer) {
	fs := v.flagSet()
	v.setup(fs)
	usage := "hawser " + v.name
	hasFlags := false
	fs.VisitAll(func(*flag.Flag) { hasFlags = true })
	if hasFlags {
		usage += " [flags]"
	}
	if v.args != "" {
		usage += " " + v.args
	}
	fmt.Fprintf(w, "%s: %s\n\nUsage: %s\n", v.name, v.summary, usage)
	if len(v.subs) > 0 {
		fmt.Fprintln(w)
	}
	for _, sub := range v.subs {
		fmt.Fprintf(w, "  %-15s %s\n", sub.name, sub.summary)
	}
	if hasFlags {
		fmt.Fprint(w, "\nFlags:\n")
	}
	fs.VisitAll(func(f *flag.Flag) {
		kind, text := flag.UnquoteUsage(f)
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		text = strings.ReplaceAll(text, "\n", "\n      ")
		fmt.Fprintf(w, "  %s\n      %s", strings.TrimSpace(dashes+f.Name+" "+kind), text)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
			fmt.Fprintf(w, " (default %s)", f.DefValue)
		}
		fmt.Fprintln(w)
	})
	if v.help != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(v.help))
	}
}
