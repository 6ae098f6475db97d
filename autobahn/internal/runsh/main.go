// Runsh is what autobahn/run.sh would need Python or jq for:
//
//	runsh port             finds a free port
//	runsh spec FILE URL    prints the spec in FILE with the server at URL
//	runsh verdict SPEC DIR judges the report in DIR on the cases of SPEC
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // a case failed, or is missing
	exitError  = 2 // there is nothing to judge
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one of the commands and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	passed, err := dispatch(args, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "autobahn/run.sh:", err)
		return exitError
	case !passed:
		return exitFailed
	}
	return exitOK
}

func dispatch(args []string, stdout io.Writer) (passed bool, err error) {
	switch {
	case len(args) == 1 && args[0] == "port":
		return true, printPort(stdout)
	case len(args) == 3 && args[0] == "spec":
		return true, printSpec(stdout, args[1], args[2])
	case len(args) == 3 && args[0] == "verdict":
		return printVerdict(stdout, args[1], args[2])
	}
	return false, errors.New("runsh: want port, spec FILE URL, or verdict SPEC DIR")
}
