//go:build unix

package main

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// killDelay is how long a client has to end after SIGTERM.
const killDelay = 2 * time.Second

// runClient runs a command through the shell until it ends or ctx does. Everything that it has started in its process
// group ends with it. What it prints goes to standard error, since standard output is for the verdict.
func runClient(ctx context.Context, command string, std streams) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = std.err, std.err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	if err := cmd.Start(); err != nil {
		return err
	}
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if err := cmd.Wait(); ctx.Err() == nil {
		return err
	}
	return nil // we have ended it
}
