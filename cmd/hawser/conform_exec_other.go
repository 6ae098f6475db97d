//go:build !unix

package main

import (
	"context"
	"os/exec"
)

// runClient runs a command through the shell until it ends or ctx does. What it prints goes to standard error, since
// standard output is for the verdict.
func runClient(ctx context.Context, command string, std streams) error {
	cmd := exec.CommandContext(ctx, "cmd", "/C", command)
	cmd.Stdout, cmd.Stderr = std.err, std.err
	if err := cmd.Run(); ctx.Err() == nil {
		return err
	}
	return nil // we have ended it
}
