package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The scripts of "hawser completion" are tried in the shells that they are for, and the manual page by the programs that
// show it.

// scriptFor writes the script for a shell to a file.
func scriptFor(t *testing.T, shell string) string {
	t.Helper()
	return writeOutput(t, "hawser."+shell, "completion", shell)
}

// writeOutput runs hawser and writes what it prints to a file.
func writeOutput(t *testing.T, name string, args ...string) string {
	t.Helper()
	binary, err := builds["hawser"]()
	if err != nil {
		t.Fatal(err)
	}
	printed, err := exec.CommandContext(within(t), binary, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, printed, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// completions are what has to be offered behind a command line; a file is one in the directory the shell is in.
var completions = []struct {
	line string
	want string // in the order of the alphabet
}{
	{"hawser li", "listen"},
	{"hawser co", "completion conform connect"},
	{"hawser listen --b", "--broadcast"},
	{"hawser listen -n 1 --ec", "--echo"},
	{"hawser listen --cert a.p", "a.pem"},
	{"hawser listen --max ", ""},
	{"hawser help ver", "version"},
	{"hawser completion ", "bash fish zsh"},
	{"hawser conform s", "server"},
	{"hawser conform server --rep", "--repeat"},
	{"hawser load --he", "--help"},
	{"hawser serve --log ", "json text"},
	{"hawser serve --log-level wa", "warn"},
	{"hawser conform client --fail-on non", "nonstrict"},
}

func TestBashCompletes(t *testing.T) {
	script := scriptFor(t, "bash")
	dir := t.TempDir()
	writeEmpty(t, dir, "a.pem")
	rows := append(completions, struct{ line, want string }{"hawser listen --cert = a.p", "a.pem"}) // as bash divides --cert=a.p
	for _, row := range rows {
		words := strings.Split(row.line, " ")
		cmd := exec.CommandContext(within(t), lookPath(t, "bash"), append([]string{"--norc", "-c",
			`source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hawser; printf '%s\n' "${COMPREPLY[@]}"`, script}, words...)...)
		cmd.Dir = dir
		wantCompletions(t, cmd, row.line, row.want)
	}
}

func TestFishCompletes(t *testing.T) {
	script := scriptFor(t, "fish")
	dir := t.TempDir()
	writeEmpty(t, dir, "a.pem")
	for _, row := range completions {
		cmd := exec.CommandContext(within(t), lookPath(t, "fish"), "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`,
			script, row.line)
		cmd.Dir = dir
		wantCompletions(t, cmd, row.line, row.want)
	}
}

// zshProbe types a line and Tab into an interactive zsh, and prints what the line is then.
const zshProbe = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; cd ${(q)2}; autoload -Uz compinit; compinit -u -d ${(q)2}/dump; source ${(q)1}"
zpty -w z "show() { print -r -- \$BUFFER >result; mv result line }; zle -N show; bindkey '^X' show"
zpty -w z "touch ready"
repeat 300 { [[ -e $2/ready ]] && break; sleep 0.1 }
zpty -w -n z "$3"$'\t\x18'
repeat 300 { [[ -e $2/line ]] && break; sleep 0.1 }
cat $2/line
zpty -d z
`

// TestZshCompletes: zsh tells what it offers only to who looks at the screen, so it is seen what it makes of a line with
// one answer.
func TestZshCompletes(t *testing.T) {
	script := scriptFor(t, "zsh")
	for _, row := range append(completions, struct{ line, want string }{"hawser listen --cert=a.p", "a.pem"}) {
		if row.want == "" || strings.Contains(row.want, " ") {
			continue
		}
		dir := t.TempDir()
		writeEmpty(t, dir, "a.pem")
		cmd := exec.CommandContext(within(t), lookPath(t, "zsh"), "-f", "-c", zshProbe, "zsh", script, dir, row.line)
		printed, err := cmd.CombinedOutput()
		got := strings.TrimSpace(string(printed))
		i := strings.LastIndexAny(row.line, " =") + 1
		if err != nil || strings.TrimSuffix(got, "=") != row.line[:i]+row.want {
			t.Errorf("%q becomes %q, %v; want %q at its end", row.line, got, err, row.want)
		}
	}
}

func writeEmpty(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// wantCompletions runs a command that prints completions, one in a line, maybe with a text behind a tab.
func wantCompletions(t *testing.T, cmd *exec.Cmd, line, want string) {
	t.Helper()
	printed, err := cmd.CombinedOutput()
	var got []string
	for offer := range strings.Lines(string(printed)) {
		word, _, _ := strings.Cut(strings.TrimSpace(offer), "\t")
		if word != "" {
			got = append(got, word)
		}
	}
	slices.Sort(got)
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q is completed with %q, %v; want %q", line, got, err, want)
	}
}

var noDate = regexp.MustCompile(`mandoc: \S+: WARNING: missing date, using "": TH\n`)

// TestManualPage: the programs that show it find nothing to warn of.
func TestManualPage(t *testing.T) {
	page := writeOutput(t, "hawser.1", "man")
	for _, command := range [][]string{
		{"man", "--warnings", "-E", "UTF-8", "-l", page},
		{"groff", "-man", "-ww", "-z", page},
		{"mandoc", "-T", "lint", "-W", "warning", page},
	} {
		cmd := exec.CommandContext(within(t), lookPath(t, command[0]), command[1:]...)
		cmd.Env = append(os.Environ(), "MANPAGER=cat", "MANWIDTH=100", "LC_ALL=C.UTF-8")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		shown, err := cmd.Output()
		text := string(shown)
		if command[0] == "man" {
			for _, part := range []string{"hawser - WebSocket (RFC 6455)", "hawser listen [flags] ADDR", "--connections N", "seq 3 | hawser connect ws://"} {
				if !strings.Contains(text, part) {
					t.Errorf("man does not show %q", part)
				}
			}
			text = ""
		}
		// It has no date, so that the same source makes the same page.
		text = noDate.ReplaceAllString(text, "")
		if command[0] == "mandoc" && text == "" {
			err = nil
		}
		if err != nil || stderr.String()+text != "" {
			t.Errorf("%s: %v\n%s%s", command[0], err, stderr.String(), text)
		}
	}
}
