package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"hawser.example/websocket"
)

const (
	// unreadLimit is how long a command may leave its input unread while there is some. It holds up its connection
	// meanwhile, so that we would not notice its end.
	unreadLimit = time.Minute
	// lastLook is how long the output of a command that has ended is waited for, if somebody outside of its process
	// group keeps it open.
	lastLook = 100 * time.Millisecond
	// lastWord is how long it is read at most then, if somebody goes on writing.
	lastWord = time.Second

	// maxCommandLine is how long a line of a command may be. Each of many may have one in memory.
	maxCommandLine = maxEchoMessage

	fullHouse = "as many commands run as --max allows; try again later"
)

// Why a line of a command is no message: the reason of the Close, which has room for 123 bytes.
var (
	errCommandLine = fmt.Errorf("the command printed a line of more than %d bytes; -b sends bytes", maxCommandLine)
	errCommandText = errors.New("the command printed a line that is not UTF-8; -b sends bytes")
)

// An execution is the process of a connection. Two goroutines belong to it: run sees to its end, relay sends its output.
type execution struct {
	l       *listener
	v       *visitor
	proc    *exec.Cmd
	in, out *os.File      // our ends of its standard input and output
	gone    chan struct{} // closed when the connection has ended
	line    []byte        // scratch of the connection's reader
}

// startCommand starts the process of a connection. If it cannot it says goodbye.
func (v *visitor) startCommand(r *http.Request) {
	if !v.l.reserve() {
		go v.c.CloseWith(websocket.CloseTryAgainLater, fullHouse)
		return
	}
	k, err := newCommand(v, r)
	if err != nil {
		v.l.release()
		v.l.complain("the command: %v", err)
		go v.c.CloseWith(websocket.CloseInternalError, "the command could not be started")
		return
	}
	v.cmd = k
	go k.run()
}

// reserve reports whether there is room for another process, and takes it.
func (l *listener) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life.Err() != nil {
		return false
	}
	select {
	case l.slots <- struct{}{}:
		l.wait.Add(1)
		return true
	default:
		return false
	}
}

// ended forgets a process that has ended.
func (l *listener) ended(k *execution) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.commands, k)
}

// killCommands ends all processes, and keeps others from beginning: ours is about to end, and has no time for more.
// They are in groups of their own, so that nobody else would.
func (l *listener) killCommands() {
	l.mu.Lock() // for good
	for k := range l.commands {
		killGroup(k.proc)
	}
}

// release gives back what reserve has taken.
func (l *listener) release() {
	<-l.slots
	l.wait.Done()
}

// newCommand starts the process.
func newCommand(v *visitor, r *http.Request) (*execution, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer stdout.Close()
	proc := shellCommand(v.l.command)
	proc.Stdin, proc.Stdout, proc.Stderr = stdin, stdout, v.l.std.err
	proc.Env = commandEnv(v.c, r)
	k := &execution{l: v.l, v: v, proc: proc, in: in, out: out, gone: make(chan struct{})}
	if err := k.start(); err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return k, nil
}

// start starts the process. killCommands either knows it or comes first.
func (k *execution) start() error {
	k.l.mu.Lock()
	defer k.l.mu.Unlock()
	err := k.proc.Start()
	if err == nil {
		k.l.commands[k] = struct{}{}
	}
	return err
}

// commandEnv is the environment of a process. The names are those of CGI, RFC 3875, section 4.1.
func commandEnv(c *websocket.Conn, r *http.Request) []string {
	host, port, _ := net.SplitHostPort(r.RemoteAddr)
	return append(os.Environ(),
		"REMOTE_ADDR="+host, "REMOTE_PORT="+port,
		"PATH_INFO="+r.URL.Path, "QUERY_STRING="+r.URL.RawQuery,
		"HTTP_HOST="+r.Host, "HTTP_ORIGIN="+r.Header.Get("Origin"), "HTTP_USER_AGENT="+r.Header.Get("User-Agent"),
		"SEC_WEBSOCKET_PROTOCOL="+c.Subprotocol())
}

// run waits for the end of the process or of the connection, ends the other, and leaves nothing behind.
func (k *execution) run() {
	defer k.l.release()
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		k.relay()
	}()
	exited := make(chan error, 1)
	go func() { exited <- k.proc.Wait() }()
	// When we are told to stop, the connection's reader must not wait for the process: it has to see the goodbye.
	defer context.AfterFunc(k.l.life, func() { k.in.SetWriteDeadline(time.Now()) })()

	select {
	case <-exited:
	case <-k.gone:
		k.stop(exited)
	}
	killGroup(k.proc) // what it has left
	k.l.ended(k)
	k.out.SetReadDeadline(time.Now().Add(lastLook))
	defer time.AfterFunc(lastWord, func() { k.out.Close() }).Stop()
	<-relayed
	k.in.Close()
	code, reason := commandVerdict(k.proc.ProcessState)
	k.v.say("the command ended: %v", k.proc.ProcessState)
	k.v.c.CloseWith(code, reason)
}

// stop ends the process: with the end of its input, if there is time for that, then in earnest.
func (k *execution) stop(exited <-chan error) {
	k.in.Close()
	select {
	case <-exited:
		return
	case <-time.After(killDelay):
	case <-k.l.life.Done():
	}
	endGroup(k.proc)
	select {
	case <-exited:
		return
	case <-time.After(killDelay):
	}
	killGroup(k.proc)
	<-exited
}

// commandVerdict makes a close code of how a process ended.
func commandVerdict(s *os.ProcessState) (code websocket.CloseCode, reason string) {
	if s == nil {
		return websocket.CloseInternalError, "the command was lost"
	}
	switch n := s.ExitCode(); {
	case n == 0:
		return websocket.CloseNormal, ""
	case 0 < n && n < 1000: // RFC 6455, section 7.4.2: 4000–4999 are for private use
		return websocket.CloseCode(4000 + n), fmt.Sprintf("the command ended with exit code %d", n)
	}
	return websocket.CloseInternalError, "the command ended: " + s.String()
}

// feed writes a message to the process's input. What it does not take any more is dropped: it will end, or it has
// chosen to listen no longer.
func (k *execution) feed(p []byte) {
	if !k.l.binary {
		if cap(k.line) > maxScratch {
			k.line = nil
		}
		k.line = append(append(k.line[:0], p...), '\n')
		p = k.line
	}
	for len(p) > 0 {
		k.in.SetWriteDeadline(time.Now().Add(k.l.unread))
		if k.l.life.Err() != nil { // then that deadline was a mistake
			return
		}
		n, err := k.in.Write(p[:min(len(p), chunkSize)])
		p = p[n:]
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && k.l.life.Err() == nil:
			k.v.c.CloseWith(websocket.CloseInternalError,
				fmt.Sprintf("the command has left its input unread for %v", k.l.unread))
			return
		default:
			return
		}
	}
}

// relay sends the process's output until its end, or until it cannot be sent.
func (k *execution) relay() {
	defer k.out.Close() // so that whoever writes on is told
	var err error
	if k.l.binary {
		chunks := &chunkReader{in: lastReader{k.out}}
		err = each(chunks.next, func(p []byte) error { return k.send(websocket.BinaryMessage, p) })
	} else {
		lines := newLineReader(lastReader{k.out}, maxCommandLine, errCommandLine)
		err = each(lines.next, func(p []byte) error { return k.send(websocket.TextMessage, p) })
	}
	switch {
	case errors.Is(err, websocket.ErrInvalidUTF8):
		err = errCommandText
	case err != errCommandLine:
		return // the end, of the output or of the connection
	}
	k.l.complain("%v", err)
	k.v.c.CloseWith(websocket.CloseInternalError, err.Error())
}

// send sends a message of the process.
func (k *execution) send(t websocket.MessageType, p []byte) error {
	err := k.v.c.WriteMessage(t, p)
	if err == nil {
		k.v.sayMessage(">", t, len(p), 0)
	}
	return err
}

// A lastReader reads a pipe to its end. When a read deadline passes it looks once more for what came while nobody read,
// and if there is nothing that is the end.
type lastReader struct{ f *os.File }

// Read reads what there is.
func (r lastReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		r.f.SetReadDeadline(time.Now().Add(lastLook))
		if n, err = r.f.Read(p); errors.Is(err, os.ErrDeadlineExceeded) {
			err = io.EOF
		}
	}
	return n, err
}
