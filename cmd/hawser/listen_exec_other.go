//go:build !unix

package main

import (
	"os/exec"
	"time"
)

// killDelay is how long a command has to end when its input has.
const killDelay = 2 * time.Second

// shellCommand has the shell run a command line.
func shellCommand(line string) *exec.Cmd { return exec.Command("cmd", "/C", line) }

// endGroup asks a command to end, which here cannot be asked for.
func endGroup(*exec.Cmd) {}

// killGroup ends a command. What it has started is its own to end.
func killGroup(cmd *exec.Cmd) { cmd.Process.Kill() }
