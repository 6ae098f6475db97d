package cdp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// startTimeout bounds the time from starting Chromium to its printing the DevTools address. A cold start on a busy
// machine with two cores takes some seconds.
const startTimeout = 60 * time.Second

// chromiumFlags let Chromium run headless, as root, and without talking to any host but the ones a page names.
var chromiumFlags = []string{
	"--headless",
	"--no-sandbox", // it refuses to run as root otherwise
	"--disable-gpu",
	"--disable-dev-shm-usage", // /dev/shm is small in containers
	"--disable-quic",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
	"--disable-breakpad",
	"--no-first-run",
	"--no-default-browser-check",
	"--remote-debugging-port=0",
}

// chromium is the running process and the profile it may write to.
type chromium struct {
	cmd     *exec.Cmd
	profile string
	url     string        // the browser's DevTools endpoint
	exited  chan struct{} // closed when the process has ended
}

// startChromium runs the browser and returns once it has printed its DevTools address.
func startChromium(ctx context.Context) (*chromium, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("cdp: no chromium on PATH (run e2e/install.sh): %w", err)
	}
	profile, err := os.MkdirTemp("", "hawser-chromium-")
	if err != nil {
		return nil, err
	}
	c := &chromium{profile: profile, exited: make(chan struct{})}
	c.cmd = exec.Command(path, append(chromiumFlags, "--user-data-dir="+profile, "about:blank")...)
	c.cmd.Env = append(os.Environ(), "TMPDIR="+profile) // it leaves files there when it is killed
	// A group of its own, so that stop reaches the helper processes too; and no orphan if the test is killed.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := c.cmd.StderrPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		os.RemoveAll(profile)
		return nil, fmt.Errorf("cdp: start chromium: %w", err)
	}
	if err := c.await(ctx, stderr); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// await reads stderr until the DevTools address shows up, and goes on emptying it until the process ends.
func (c *chromium) await(ctx context.Context, stderr io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	found := make(chan string, 1)
	var lines strings.Builder
	go func() {
		defer close(c.exited)
		defer close(found)
		scan := bufio.NewScanner(stderr)
		for url := ""; scan.Scan(); {
			if url != "" {
				continue
			}
			line := scan.Text()
			if _, after, ok := strings.Cut(line, "DevTools listening on "); ok {
				url = strings.TrimSpace(after)
				found <- url
				continue
			}
			lines.WriteString(line + "\n")
		}
		io.Copy(io.Discard, stderr) // a line too long for the scanner must not block the browser
		c.cmd.Wait()
	}()
	select {
	case url, ok := <-found:
		if !ok {
			return errors.New("cdp: chromium ended before it listened; it said:\n" + lines.String())
		}
		c.url = url
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cdp: chromium printed no DevTools address: %w", context.Cause(ctx))
	}
}

// stop ends the process group and removes the profile.
func (c *chromium) stop() error {
	syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.exited
	return os.RemoveAll(c.profile)
}
