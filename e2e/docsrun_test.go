package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// How docs/SERVER.md runs the server: systemd and Docker.

// TestDocumentedUnit has systemd check the unit, and runs what it starts, with its environment.
func TestDocumentedUnit(t *testing.T) {
	binary, err := builds["hawser"]()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	environment := filepath.Join(dir, "environment")
	writeFile(t, environment, []byte("HAWSER_PUBLISH_KEY="+publishKey+"\n"))
	unit := snippet(t, "ini", "/usr/local/bin/hawser", binary, "/etc/hawser/environment", environment)
	path := filepath.Join(dir, "hawser.service")
	writeFile(t, path, []byte(unit))
	verify := exec.CommandContext(within(t), lookPath(t, "systemd-analyze"), "verify", path)
	if output, err := verify.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%s: %v\n%s", verify, err, output)
	}

	command := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(unit)
	if command == nil {
		t.Fatal("no ExecStart")
	}
	args := strings.Fields(freePorts(t, command[1]))
	p := start(t, "env", append([]string{"HAWSER_PUBLISH_KEY=" + publishKey}, args...)...)
	addr := p.says(`listening on http://(127\.0\.0\.1:\d+)/`)[1]
	if status, answer := publish(t, addr, "news", "text/plain", []byte("x")); status != 200 {
		t.Errorf("publish: %d %s", status, answer)
	}
	reload := regexp.MustCompile(`(?m)^ExecReload=/bin/kill -HUP \$MAINPID$`)
	if !reload.MatchString(unit) {
		t.Error("no ExecReload by SIGHUP")
	}
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.says(`was read again`)
	if code := p.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// freePorts puts other ports in place of those of a command line, which may be taken.
func freePorts(t *testing.T, command string) string {
	return regexp.MustCompile(`:(8080|9090)\b`).ReplaceAllStringFunc(command, func(string) string {
		_, port, _ := strings.Cut(freeAddr(t), ":")
		return ":" + port
	})
}

// TestDocumentedDockerfile does what the Dockerfile says, as far as that goes without Docker: it builds with the
// command of the first stage, copies what the second copies into an empty directory, and runs the entry point there, as
// the user that it names, with nothing else in sight.
func TestDocumentedDockerfile(t *testing.T) {
	file := snippet(t, "dockerfile")
	root := t.TempDir()
	build := regexp.MustCompile(`(?m)^RUN (.*)$`).FindStringSubmatch(file)
	if build == nil {
		t.Fatal("no RUN")
	}
	binary := filepath.Join(root, "hawser")
	command := strings.Replace(build[1], "-o /hawser ", "-o "+binary+" ", 1)
	cmd := exec.CommandContext(within(t), "sh", "-c", command)
	cmd.Dir = ".."
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	stages := regexp.MustCompile(`(?m)^FROM (.*)$`).FindAllStringSubmatch(file, -1)
	if len(stages) != 2 || stages[1][1] != "scratch" || !strings.HasPrefix(stages[0][1], "golang:1.26 ") {
		t.Errorf("the stages are %v", stages)
	}
	for _, c := range regexp.MustCompile(`(?m)^COPY --from=build (\S+) (\S+)$`).FindAllStringSubmatch(file, -1) {
		if c[1] == "/hawser" {
			continue
		}
		content, err := os.ReadFile(c[1])
		if err != nil {
			t.Fatalf("what is copied from the first stage, which is a Debian as well: %v", err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, c[2])), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(root, c[2]), content)
	}
	if err := os.Chmod(root, 0o755); err != nil { // for the user that is nobody
		t.Fatal(err)
	}
	if !strings.Contains(file, "\nUSER 65534:65534\n") || !strings.Contains(file, "\nSTOPSIGNAL SIGTERM\n") {
		t.Error("no USER, or no STOPSIGNAL")
	}
	p := startIn(t, root, freePorts(t, strings.Join(append(list(t, file, "ENTRYPOINT"), list(t, file, "CMD")...), " ")))
	_, port, _ := strings.Cut(p.says(`listening on http://(\S+:\d+)/`)[1], "]:")
	if status, answer := publish(t, "127.0.0.1:"+port, "news", "text/plain", []byte("x")); status != 200 {
		t.Errorf("publish: %d %s", status, answer)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// list returns the words of an instruction in its JSON form.
func list(t *testing.T, file, instruction string) []string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + instruction + ` \[(.*)\]$`).FindStringSubmatch(file)
	if line == nil {
		t.Fatalf("no %s", instruction)
	}
	var words []string
	for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(line[1], -1) {
		words = append(words, quoted[1])
	}
	return words
}

// startIn runs a command in a root directory of its own, as nobody, with the publish key as its whole environment.
func startIn(t *testing.T, root, command string) *process {
	t.Helper()
	args := strings.Fields(command)
	return startCommand(t, &exec.Cmd{
		Path: args[0], Args: args, Dir: "/", Env: []string{"HAWSER_PUBLISH_KEY=" + publishKey},
		SysProcAttr: &syscall.SysProcAttr{
			Setpgid: true, Pdeathsig: syscall.SIGKILL,
			Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
		},
	})
}
