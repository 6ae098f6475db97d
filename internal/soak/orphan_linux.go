package main

import (
	"os/exec"
	"syscall"
)

// dieWithUs sees to it that a command does not outlive a soak that is killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
