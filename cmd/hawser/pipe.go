package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"hawser.example/websocket"
)

// This file is "hawser pipe", and how lines are read, which "hawser serve --pipe" does too. pipepublish.go is how they
// reach a server.

// maxPipeLine is how long a line may be: as long as the message that a server takes if it is not told otherwise.
const maxPipeLine = 1 << 20

var pipeVerb = verb{
	name:    "pipe",
	args:    "TOPIC",
	maxArgs: 1,
	summary: "publish each line of standard input to a topic of a notification server",
	help: `
Each line, without its end, becomes a message, in the order of the input. A line that is UTF-8 is sent as text, any
other as a binary message, so that its bytes arrive as they are.

One line is under way at a time: so they keep their order, and of one line at most nobody knows whether it was published
when something fails. That costs a round trip for each: with a server that is 20 ms away it is 50 lines a second, and
whoever writes faster waits.

While the server restarts, is busy or cannot be reached, hawser pipe tries again, less and less often, and reads no
further: whoever writes to it waits. A line whose answer got lost is sent again, so that it may arrive twice. A line
that is longer than 1 MiB, or that the server finds too large, is left out, and standard error says so. An attempt that
gets no answer ends after 30 seconds, or when --retry is over; one that is not the first has a second at least.

A proxy is taken from the environment: HTTPS_PROXY for https, HTTP_PROXY for http, but for the hosts in NO_PROXY and
this machine.

The key may also come from the environment variable HAWSER_PUBLISH_KEY, where other users of the machine do not see
it.

Exit code: 0 when all lines were published, 1 if some were not, 2 for a wrong command line, 3 if the server refused one
for another reason than its size, has a certificate that cannot be verified, or took none for as long as --retry says.

Examples:
  hawser pipe news
  vmstat 1 | hawser pipe stats
  hawser pipe --url https://127.0.0.1:8443 --cacert ca.pem news
  tail -F access.log | hawser pipe --url https://push.example.com --key "$KEY" log.access`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		base := fs.String("url", "http://127.0.0.1:8080", "the server, `http(s)://HOST:PORT`")
		key := fs.String("key", "", "the `KEY` that publishing needs")
		retry := fs.Duration("retry", time.Minute, "give up when a line was not taken for `DUR`, such as 5m; -1s: never")
		var trust trust
		trust.declare(fs)
		verbose := fs.Bool("v", false, "say on standard error at the end how many lines were published")
		return func(args []string, std streams) int {
			if len(args) == 0 {
				return usageError(std, "pipe", "the topic is missing, such as in: vmstat 1 | hawser pipe stats")
			}
			if !isSet(fs, "key") {
				*key = os.Getenv("HAWSER_PUBLISH_KEY")
			}
			p, err := newLinePublisher(*base, args[0], *key, *retry, trust)
			if err != nil {
				return usageError(std, "pipe", "%v", err)
			}
			p.say = func(err error) { fmt.Fprintln(std.err, "hawser pipe:", conceal(err.Error())) }
			return p.run(std, *verbose)
		}
	},
}

// run publishes standard input until its end or a signal, and returns the exit code.
func (p *linePublisher) run(std streams, verbose bool) int {
	stop, undo := stopSignals(func() {})
	defer undo()
	published, skipped, err := servePipe(stop, std.in, func(line []byte) error { return p.publish(stop, line) }, p.say)
	if err != nil {
		p.say(err)
	}
	if verbose {
		fmt.Fprintf(std.err, "hawser pipe: %d published, %d left out\n", published, skipped)
	}
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		return exitConnect
	case err != nil || skipped > 0:
		return exitFailed
	}
	return exitOK
}

// errLeftOut marks why a line cannot be published, which is no reason not to go on with the next.
var errLeftOut = errors.New("left out")

// errLineTooLong is what is wrong with a line of more than maxPipeLine bytes.
var errLineTooLong = fmt.Errorf("it is longer than %d bytes: %w", maxPipeLine, errLeftOut)

// servePipe hands the lines of in to publish, in their order, and reads no further meanwhile. It ends well at the end
// of in, or when ctx does while it waits for a line; otherwise it returns the error of reading, or the first of
// publish. A line that is too long, or for which publish returns errLeftOut, is skipped, and said.
func servePipe(ctx context.Context, in io.Reader, publish func(line []byte) error, say func(error)) (published,
	skipped int, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lines := make(chan inputLine)
	go readLines(ctx, in, lines)
	for n := 1; ; n++ {
		var line inputLine
		select {
		case line = <-lines:
		case <-ctx.Done():
			return published, skipped, nil
		}
		err := line.err
		switch {
		case err == io.EOF:
			return published, skipped, nil
		case err == nil:
			err = publish(line.text)
		case err != errLineTooLong:
			return published, skipped, fmt.Errorf("%w: %w", errInput, err)
		}
		switch {
		case err == nil:
			published++
		case errors.Is(err, errLeftOut):
			skipped++
			say(fmt.Errorf("line %d: %w", n, err))
		default:
			return published, skipped, fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// An inputLine is a line, or why there is none: errLineTooLong, or what ended the input.
type inputLine struct {
	text []byte
	err  error
}

// readLines sends the lines of in to lines until its end or that of ctx. Reading itself ctx cannot end.
func readLines(ctx context.Context, in io.Reader, lines chan<- inputLine) {
	for r := newLineReader(in, maxPipeLine, errLineTooLong); ; {
		text, err := r.next()
		select {
		case lines <- inputLine{bytes.Clone(text), err}: // whoever gets it keeps it while the next one is read
		case <-ctx.Done():
			return
		}
		if err != nil && err != errLineTooLong {
			return
		}
	}
}

// lineType returns what a line is sent as.
func lineType(line []byte) websocket.MessageType {
	if utf8.Valid(line) {
		return websocket.TextMessage
	}
	return websocket.BinaryMessage
}
