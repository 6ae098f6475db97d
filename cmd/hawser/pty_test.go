//go:build linux

package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"hawser.example/websocket/internal/lineedit/vt"
)

// A pty is a terminal whose user is a test.
type pty struct {
	t      *testing.T
	user   *os.File // what is written here is typed, what is read is shown
	end    *os.File // what a program has for a terminal
	screen *output  // all that was shown, byte by byte
	glass  *vt.Screen
	before syscall.Termios // its settings when it was opened
	hungUp chan struct{}
}

// openPTY opens a terminal of 160 columns that is closed with the test.
func openPTY(t *testing.T) *pty {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var unlock, number int32
	ptyControl(t, user, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ptyControl(t, user, syscall.TIOCGPTN, unsafe.Pointer(&number))
	end, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		user.Close()
		t.Fatal(err)
	}
	p := &pty{t: t, user: user, end: end, screen: newOutput(), glass: vt.New(160), hungUp: make(chan struct{})}
	p.before = p.settings()
	p.resize(160)
	go p.watch()
	t.Cleanup(func() {
		end.Close()
		<-p.hungUp // when the program has closed it too
		user.Close()
		if t.Failed() {
			t.Logf("the terminal got %q\nand shows\n%s", p.screen, p.glass)
		}
	})
	return p
}

// ptyControl calls ioctl(2) with the address of a value.
func ptyControl(t *testing.T, f *os.File, request uintptr, value unsafe.Pointer) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(value))
	})
	if err != nil || errno != 0 {
		t.Fatalf("ioctl %#x: %v, %v", request, err, errno)
	}
}

// settings returns what the terminal is set to.
func (p *pty) settings() (s syscall.Termios) {
	p.t.Helper()
	ptyControl(p.t, p.end, syscall.TCGETS, unsafe.Pointer(&s))
	return s
}

// wantSettings wants the terminal to be set as it was at first.
func (p *pty) wantSettings() {
	p.t.Helper()
	if now := p.settings(); now != p.before {
		p.t.Errorf("the terminal is left with the settings %+v; it had %+v", now, p.before)
	}
}

// resize makes the terminal wider or narrower.
func (p *pty) resize(columns int) {
	p.t.Helper()
	p.glass.Resize(columns)
	size := [4]uint16{24, uint16(columns)}
	ptyControl(p.t, p.user, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// watch notes what is shown, until no program has the terminal any more, which is an error of the read.
func (p *pty) watch() {
	defer close(p.hungUp)
	buf := make([]byte, 4096)
	for {
		n, err := p.user.Read(buf)
		p.glass.Write(buf[:n])
		p.screen.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

// run starts "hawser connect ARGS" with the terminal in place of the standard files that redirect does not name.
func (p *pty) run(redirect func(*exec.Cmd), args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := command(p.t, append([]string{"connect"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.end, p.end, p.end
	redirect(cmd)
	p.start(cmd)
	return cmd
}

// start starts cmd as the program in the foreground, to which the terminal sends the signals of its keys.
func (p *pty) start(cmd *exec.Cmd) {
	p.t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	cmd.ExtraFiles = []*os.File{p.end}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func asItIs(*exec.Cmd) {}

// atPrompt starts "hawser connect ARGS" with a terminal in place of all standard files, and waits for its prompt.
func atPrompt(t *testing.T, args ...string) (p *pty, cmd *exec.Cmd) {
	t.Helper()
	p = openPTY(t)
	cmd = p.run(asItIs, args...)
	p.row(">", 2)
	return p, cmd
}

// leave presses Ctrl-C, and wants cmd to end well.
func (p *pty) leave(cmd *exec.Cmd) {
	p.t.Helper()
	p.types(ctrlC)
	p.ends(cmd, exitOK)
}

// types presses keys.
func (p *pty) types(keys string) {
	p.t.Helper()
	if _, err := p.user.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// shows waits until what was written to the terminal matches pattern.
func (p *pty) shows(pattern string) {
	p.t.Helper()
	timeout := make(chan struct{})
	defer time.AfterFunc(patience, func() { close(timeout) }).Stop()
	if _, err := p.screen.await(p.t.Context(), regexp.MustCompile(pattern), timeout); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until what is seen on the terminal matches pattern.
func (p *pty) sees(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	p.until("to see "+pattern, func() bool { return re.MatchString(p.glass.String()) })
}

// row waits until the cursor is in this column of this row.
func (p *pty) row(row string, column int) {
	p.t.Helper()
	p.until("the row "+strconv.Quote(row), func() bool { return p.glass.Row() == row && p.glass.Column() == column })
}

// until waits for something to be seen.
func (p *pty) until(what string, seen func() bool) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		_, changed := p.screen.look()
		if seen() {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			p.t.Fatalf("want %s; the cursor is in column %d of %q", what, p.glass.Column(), p.glass.Row())
		}
	}
}

// ends waits for the end of cmd, and wants this exit code and the terminal as it was.
func (p *pty) ends(cmd *exec.Cmd, code int) {
	p.t.Helper()
	if got := waitCommand(p.t, cmd); got != code {
		p.t.Errorf("exit code %d; want %d", got, code)
	}
	p.wantSettings()
	p.until("pasted text no longer marked", func() bool { return !p.glass.MarksPaste() })
	if unknown := p.glass.Unknown(); unknown != nil {
		p.t.Errorf("the terminal was sent %q", unknown)
	}
}
