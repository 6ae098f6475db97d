package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests of this package run the real binary: the test binary starts itself again, and is hawser then.

const (
	// beHawser is the environment variable that makes the test binary hawser.
	beHawser = "TEST_BE_HAWSER"
	// bePanicking is the one that makes it a hawser which panics at its prompt.
	bePanicking = "TEST_BE_PANICKING"
	// patience bounds one wait for something that happens at once when all is well: on a slow machine, under load and
	// the race detector, that may be minutes.
	patience = 5 * time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(bePanicking) != "" {
		panicAtThePrompt()
	}
	if os.Getenv(beHawser) != "" {
		main()
	}
	if signal.Ignored(syscall.SIGHUP) { // as under nohup; what is ignored stays so in a program that is started
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(m.Run())
}

// A process is hawser, started by a test. It is killed when the test ends.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	out, err *output
	exited   chan struct{} // closed when it has ended
}

// command prepares "hawser ARGS" without the variables of this environment that hawser reads.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HAWSER_") })
	// Under the race detector a program sleeps for a second before it exits, if it is not told otherwise.
	cmd.Env = append(cmd.Env, beHawser+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// start runs "hawser ARGS".
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, command(t, args...))
}

// startCommand runs what command has prepared.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, out: newOutput(), err: newOutput(), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.err
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		<-p.exited // the end of t.Context() has killed it
		if t.Failed() {
			t.Logf("%s\nprinted %q\nand said %q", strings.Join(cmd.Args[1:], " "), p.out, p.err)
		}
	})
	return p
}

// signal sends the process a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end of the process and returns its exit code, -1 if a signal ended it.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("hawser still runs after %v", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// says waits until standard error matches pattern, and returns the match and its groups.
func (p *process) says(pattern string) []string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	match, err := p.err.await(ctx, regexp.MustCompile(pattern), p.exited)
	if err != nil {
		p.t.Fatal(err)
	}
	return match
}

// address waits for the line that says where the server listens, and returns HOST:PORT.
func (p *process) address() string {
	p.t.Helper()
	return p.says(`(?m)^hawser \w+: (?:open|listening on) \w+://(127\.0\.0\.1:\d+)/`)[1]
}

// hawser runs "hawser ARGS" to its end, with nothing to read.
func hawser(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return hawserReads(t, "", args...)
}

// hawserReads runs "hawser ARGS" to its end, with input to read.
func hawserReads(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, args...)
	go func() { // what is not read is lost when the process has ended
		io.WriteString(p.stdin, input)
		p.stdin.Close()
	}()
	code = p.wait()
	return code, p.out.String(), p.err.String()
}

// An output collects what a process prints.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed, and replaced, when there is more
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	text, _ := o.look()
	return text
}

func (o *output) look() (text string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

// await waits until the text matches re; when there will be no more, or ctx ends, it gives up.
func (o *output) await(ctx context.Context, re *regexp.Regexp, noMore <-chan struct{}) ([]string, error) {
	var why error
	for {
		text, changed := o.look()
		if match := re.FindStringSubmatch(text); match != nil {
			return match, nil
		}
		if why != nil {
			return nil, fmt.Errorf("no %q: %w", re, why)
		}
		select {
		case <-changed:
		case <-noMore:
			why = errors.New("the process has ended")
		case <-ctx.Done():
			why = ctx.Err()
		}
	}
}

// TestUsage: a command line that makes no sense is told so on standard error, with exit code 2.
func TestUsage(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no verb":                   {nil, `^hawser: .*\n\nUsage: hawser VERB`},
		"unknown verb":              {[]string{"sevre"}, `^hawser: there is no verb "sevre"`},
		"flag in place of a verb":   {[]string{"--addr", "127.0.0.1:0", "serve"}, `^hawser: there is no verb "--addr"`},
		"verb with dashes":          {[]string{"--echo", "--addr", "127.0.0.1:0"}, `^hawser: there is no verb "--echo"`},
		"help for an unknown verb":  {[]string{"help", "sevre"}, `^hawser help: there is no verb "sevre"`},
		"surplus argument, help":    {[]string{"help", "serve", "echo"}, `^hawser help: unexpected argument "echo"`},
		"surplus argument, version": {[]string{"version", "all"}, `^hawser version: unexpected argument "all"`},
		"surplus argument, serve":   {[]string{"serve", "--dev", "8080"}, `^hawser serve: unexpected argument "8080"`},
		"surplus argument, echo":    {[]string{"echo", "8080"}, `^hawser echo: unexpected argument "8080"`},
		"surplus argument, testee":  {[]string{"testee", "ws://h"}, `^hawser testee: unexpected argument "ws://h"`},
		"unknown verb, conform":     {[]string{"conform", "sevrer", "--out", "x"}, `^hawser conform: there is no verb "sevrer"; "hawser help conform"`},
		"no verb, conform":          {[]string{"conform"}, `^conform: .*\n\nUsage: hawser conform VERB`},
		"unknown flag, conform":     {[]string{"conform", "--out"}, `^hawser conform: .*-out\b`},
		"help too deep":             {[]string{"help", "conform", "sevrer"}, `^hawser help: unexpected argument "sevrer"`},
		"surplus argument, conform": {[]string{"conform", "server", "ws://h", "ws://i"}, `^hawser conform server: unexpected argument "ws://i"`},
		"a broken number":           {[]string{"conform", "server", "--timeout-scale", "x"}, `"x".* --timeout-scale: .*a number`},
		"behind --, serve":          {[]string{"serve", "--dev", "--", "--x"}, `^hawser serve: unexpected argument "--x"`},
		"unknown flag, help":        {[]string{"help", "--all"}, `^hawser help: .*-all\b`},
		"unknown flag, serve":       {[]string{"serve", "--dve"}, `^hawser serve: .*-dve\b`},
		"unknown flag, echo":        {[]string{"echo", "--adr", "x"}, `^hawser echo: .*-adr\b`},
		"unknown flag, testee":      {[]string{"testee", "--uri", "x"}, `^hawser testee: .*-uri\b`},
		"flag without its value":    {[]string{"echo", "--addr"}, `^hawser echo: .*-addr\b`},
		"unknown flag is spelled":   {[]string{"echo", "-adr", "x"}, `^hawser echo: .* --adr\n`},
		"a number":                  {[]string{"echo", "--read-limit", "much"}, `^hawser echo: .*"much".* --read-limit: .*a whole number`},
		"a duration":                {[]string{"connect", "-w", "5", "ws://h"}, `^hawser connect: .*"5".* -w: .*such as 500ms, 5s`},
		"a truth":                   {[]string{"serve", "--dev=maybe"}, `^hawser serve: .*"maybe".* --dev: .*true or false`},
		"address without a host":    {[]string{"echo", "--addr", "8080"}, `^hawser echo: --addr: "8080" is not of the form HOST:PORT, such as`},
		"address with no port":      {[]string{"echo", "--pprof", "h"}, `^hawser echo: --pprof: "h" is not`},
		"port too large":            {[]string{"serve", "--publish-key", "k", "--addr", "127.0.0.1:99999"}, `^hawser serve: --addr: "127.0.0.1:99999" is not`},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := hawser(t, row.args...)
			if code != exitUsage || stdout != "" || !regexp.MustCompile(row.says).MatchString(stderr) {
				t.Errorf("exit code %d, printed %q, said %q; want 2, nothing, %q", code, stdout, stderr, row.says)
			}
		})
	}
}

// TestUsageNamesTheHelp: whoever mistypes a flag is told where the flags are explained.
func TestUsageNamesTheHelp(t *testing.T) {
	for _, v := range allVerbs() {
		_, _, stderr := hawser(t, append(strings.Fields(v.name), "--no-such-flag")...)
		has := "shows the flags"
		if len(v.flags()) == 0 {
			has = "says more"
		}
		if want := fmt.Sprintf("\n(\"hawser help %s\" %s)\n", v.name, has); !strings.Contains(stderr, want) {
			t.Errorf("hawser %s --no-such-flag says %q; want %s in it", v.name, stderr, want)
		}
	}
}
