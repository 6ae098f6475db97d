package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// writeFile writes a file of this test and returns its name.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// loadServe loads what the command line, the environment and a file say. A nil file is none.
func loadServe(t *testing.T, args []string, environment map[string]string, file string) (*serveOptions, *settings, error) {
	t.Helper()
	fs := verb{name: "serve"}.flagSet()
	declareServe(fs)
	if file != "" {
		args = append(args, "--config", writeFile(t, "hawser.conf", file))
	}
	if rest, err := parseAnywhere(fs, args); err != nil || len(rest) > 0 {
		t.Fatal(rest, err)
	}
	from := sources{given: givenFlags(fs), lookup: func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	}}
	return from.load()
}

// TestEachFlagHasAVariable, and a line in a file; the flag is stronger than the variable, and that than the file.
func TestEachFlagHasAVariable(t *testing.T) {
	example := map[string][3]string{ // values for the file, the variable and the flag
		"addr": {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, "publish-addr": {":1", ":2", ":3"}, "admin-addr": {":1", ":2", ":3"},
		"publish-key": {"a", "b", "c"}, "auth-url": {"http://a/", "http://b/", "http://c/"},
		"public": {"a,b", "c d.>", "e"}, "origin": {"https://a", "https://b", "https://c"}, "latest": {"a", "b", ">"},
		"trusted-proxy": {"10.0.0.0/8", "::1", "127.0.0.1"}, "history-age": {"1s", "2s", "3s"}, "drain": {"1s", "2s", "3s"},
		"history-bytes": {"1KiB", "2KiB", "3"}, "history-total": {"1GiB", "1MiB", "0"}, "max-message": {"1", "2", "3"},
		"queue-bytes": {"1KiB", "2KiB", "3KiB"}, "log": {"json", "text", "json"}, "log-level": {"debug", "warn", "error"},
		"pprof": {"true", "false", "true"}, "no-deflate": {"true", "false", "true"},
		"publish-key-file": {"a", "b", "c"}, "jwt-secret-file": {"a", "b", "c"}, "jwt-public-key-file": {"a", "b", "c"},
		"tls-cert": {"a", "b", "c"}, "tls-key": {"a", "b", "c"},
	}
	base := map[string]string{
		"HAWSER_PUBLISH_KEY": "k", "HAWSER_AUTH_URL": "http://a/", "HAWSER_ADMIN_ADDR": ":0", "HAWSER_TLS_CERT": "c", "HAWSER_TLS_KEY": "k",
	}
	fs := verb{name: "serve"}.flagSet()
	declareServe(fs)
	fs.VisitAll(func(f *flag.Flag) {
		switch f.Name {
		case "config", "print-config", "dev":
			return
		}
		values, ok := example[f.Name]
		if !ok {
			values = [3]string{"11", "12", "13"}
		}
		for strongest, want := range values {
			environment := make(map[string]string)
			file := ""
			for name, value := range base {
				if name != envName(f.Name) {
					file += name + "=" + value + "\n"
				}
			}
			file += envName(f.Name) + "=" + values[0] + "\n"
			var args []string
			from := ", line "
			if strongest > 0 {
				environment[envName(f.Name)] = values[1]
				from = fromEnvironment
			}
			if strongest > 1 {
				args = []string{"--" + f.Name + "=" + values[2]}
				from = fromFlag
			}
			_, set, err := loadServe(t, args, environment, file)
			if err != nil {
				t.Errorf("--%s: %v", f.Name, err)
				continue
			}
			got := set.fs.Lookup(f.Name).Value.String()
			if got != strings.ReplaceAll(want, " ", ",") || !strings.Contains(set.from[f.Name], from) {
				t.Errorf("--%s is %q, from %s; want %q, from %s", f.Name, got, set.from[f.Name], want, from)
			}
		}
	})
}

func TestListsAndEmptyVariables(t *testing.T) {
	args := []string{"--publish-key", "k", "--origin", "https://a", "--origin", "https://b"}
	opt, _, err := loadServe(t, args, map[string]string{"HAWSER_ORIGIN": "https://c", "HAWSER_LATEST": "a, b\tc.>,", "HAWSER_DRAIN": ""}, "")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(opt.origins, []string{"https://a", "https://b"}) || !slices.Equal(opt.latest, []string{"a", "b", "c.>"}) {
		t.Errorf("origins %q, latest %q", opt.origins, opt.latest)
	}
	if opt.drain.String() != "5s" {
		t.Errorf("drain %v", opt.drain)
	}
}

// TestConfigFileMistakes: each is refused, with the file and the line.
func TestConfigFileMistakes(t *testing.T) {
	for _, row := range []struct{ name, file, says string }{
		{"an unknown name", "HAWSER_PUBLISH_KEY=k\n\nHAWSER_ADR=:1\n", `hawser\.conf, line 3: there is no setting HAWSER_ADR; is it HAWSER_ADDR\?`},
		{"a name like no other", "HAWSER_PORT=1", `line 1: there is no setting HAWSER_PORT$`},
		{"a file of keys", "c2VjcmV0IGtleQ==", `line 1: this is no setting: the name of one begins with HAWSER_$`},
		{"a name in small letters", "hawser_addr=:1", `line 1: there is no setting hawser_addr; is it HAWSER_ADDR\?`},
		{"without the prefix", "ADDR=:1", `line 1: there is no setting ADDR; is it HAWSER_ADDR\?`},
		{"a dash", "HAWSER_PUBLISH-KEY=k", `line 1: there is no setting HAWSER_PUBLISH-KEY; is it HAWSER_PUBLISH_KEY\?`},
		{"export", "export HAWSER_ADDR=:1", `line 1: this is not of the form NAME=VALUE`},
		{"no value", "# a\nHAWSER_ADDR\n", `line 2: this is not of the form NAME=VALUE`},
		{"twice", "HAWSER_ADDR=:1\nHAWSER_ADDR=:2\n", `line 2: HAWSER_ADDR is set already, in line 1`},
		{"a file in the file", "HAWSER_CONFIG=x", `line 1: HAWSER_CONFIG cannot be set in a file`},
		{"a number that is none", "HAWSER_MAX_TOPICS=many", `line 1: HAWSER_MAX_TOPICS: invalid value "many": it has to be a whole number`},
		{"a duration that is none", "HAWSER_DRAIN=5", `line 1: HAWSER_DRAIN: invalid value "5": it has to be a duration`},
		{"a truth that is none", "HAWSER_PPROF=on", `line 1: HAWSER_PPROF: invalid value "on": it has to be true or false`},
		{"a size that is none", "HAWSER_MAX_MESSAGE=1MB", `line 1: HAWSER_MAX_MESSAGE: invalid value "1MB": it has to be a size`},
		{"an open quote", `HAWSER_ADDR="x`, `line 1: the closing quote is missing`},
		{"an open single quote", `HAWSER_ADDR='x`, `line 1: the quotes do not fit`},
		{"behind the quote", `HAWSER_ADDR="x"y`, `line 1: there is something behind the closing quote`},
		{"a word that is not one of them", "HAWSER_LOG=xml", `hawser\.conf, line 1, HAWSER_LOG: --log "xml": it has to be text or json$`},
		{"a number that is too small", "\nHAWSER_MAX_TOPICS=0", `hawser\.conf, line 2, HAWSER_MAX_TOPICS: --max-topics 0: it has to be at least 1$`},
		{"one address twice", "HAWSER_ADDR=:8080\nHAWSER_ADMIN_ADDR=:8080", `line 2, HAWSER_ADMIN_ADDR: --admin-addr :8080 is that of --addr`},
		{"a backslash", `HAWSER_ADDR=a\b`, `line 1: a value with a \\ in it has to stand in quotes`},
	} {
		_, _, err := loadServe(t, []string{"--publish-key", "k"}, nil, row.file)
		if err == nil || !regexp.MustCompile(row.says).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %q", row.name, err, row.says)
		}
	}
	if _, _, err := loadServe(t, nil, map[string]string{"HAWSER_DRAIN": "5"}, ""); err == nil ||
		!strings.Contains(err.Error(), `HAWSER_DRAIN in the environment: invalid value "5"`) {
		t.Errorf("a mistake in the environment: %v", err)
	}
	if _, _, err := loadServe(t, []string{"--config", "/does/not/exist"}, nil, ""); err == nil || !strings.Contains(err.Error(), "--config: open /does/not/exist") {
		t.Errorf("no file: %v", err)
	}
}

func TestParseSetting(t *testing.T) {
	for line, want := range map[string]string{
		"A=b": "b", " A = b c ": "b c", "A=": "", "A=b # c": "b # c", `A="b c"`: "b c", `A="a\"b\\c\$d\e"`: `a"b\c$d\e`,
		"A='b \"c'": `b "c`, "A=b=c": "b=c", `A=b"c`: `b"c`, "A=b\r\n": "b", `A=""`: "",
	} {
		name, value, err := parseSetting(line)
		if name != "A" || value != want || err != nil {
			t.Errorf("%q: %q, %q, %v", line, name, value, err)
		}
	}
	for _, line := range []string{"", "  ", "# A=b", "; A=b", "\n"} {
		if name, _, err := parseSetting(line); name != "" || err != nil {
			t.Errorf("%q: %q, %v", line, name, err)
		}
	}
}

// FuzzQuoteSetting: what is printed is what is read.
func FuzzQuoteSetting(f *testing.F) {
	for _, s := range []string{"", "a b", ` "a" `, `a\b`, "'a'", "$a`b`", "#", "ä"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsAny(value, "\n\r") {
			return // refused where it comes from
		}
		_, got, err := parseSetting("A=" + quoteSetting(value))
		if err != nil || got != value {
			t.Errorf("%q is printed as %s and read as %q, %v", value, quoteSetting(value), got, err)
		}
	})
}

func TestSizes(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "1": 1, "1024": 1024, "1KiB": 1024, "3MiB": 3 << 20, "2GiB": 2 << 30, "2047GiB": 2047 << 30} {
		var n sizeFlag
		if err := n.Set(s); err != nil || int64(n) != want {
			t.Errorf("%s: %d, %v", s, n, err)
		}
		var again sizeFlag
		if err := again.Set(n.String()); err != nil || again != n {
			t.Errorf("%s is written as %s", s, &n)
		}
	}
	for _, s := range []string{"", "-1", "1.5MiB", "1MB", "1 MiB", "9223372036854775807", "9000000000GiB", "MiB", "x"} {
		if err := new(sizeFlag).Set(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

// TestPrintConfig: it shows where each value comes from and no key, and is a file that gives the same values again.
func TestPrintConfig(t *testing.T) {
	file := writeFile(t, "hawser.conf", "HAWSER_MAX_TOPICS=7\nHAWSER_ORIGIN=https://a https://b\n")
	cmd := command(t, "serve", "--config", file, "--drain", "2s", "--print-config", "--publish-key", "very secret")
	cmd.Env = append(cmd.Env, "HAWSER_ADDR=127.0.0.1:7", "HAWSER_LATEST=a,b")
	p := startCommand(t, cmd)
	if code := p.wait(); code != exitOK || p.err.String() != "" {
		t.Fatalf("exit code %d, said %q", code, p.err)
	}
	printed := p.out.String()
	for _, want := range []string{
		"\n# command line\nHAWSER_DRAIN=2s\n", "\n# environment\nHAWSER_ADDR=127.0.0.1:7\n", "\n# default\nHAWSER_MAX_MESSAGE=1MiB\n",
		"\n# " + file + ", line 1\nHAWSER_MAX_TOPICS=7\n", "\n# " + file + ", line 2\nHAWSER_ORIGIN=https://a,https://b\n",
		"\n# default\nHAWSER_TLS_CERT=\n", "\n#HAWSER_PUBLISH_KEY=***\n", "\nHAWSER_LATEST=a,b\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in\n%s", want, printed)
		}
	}
	if strings.Contains(printed, "very secret") {
		t.Errorf("the key is shown:\n%s", printed)
	}
	_, set, err := loadServe(t, []string{"--publish-key", "very secret"}, nil, printed)
	if err != nil {
		t.Fatal(err)
	}
	set.fs.VisitAll(func(f *flag.Flag) {
		line := "\n" + envName(f.Name) + "=" + f.Value.String() + "\n"
		if f.Name != "config" && f.Name != "print-config" && f.Name != "publish-key" && !strings.Contains(printed, line) {
			t.Errorf("%q is not in\n%s", line, printed)
		}
	})
	again := command(t, "serve", "--config", writeFile(t, "again.conf", printed), "--print-config", "--publish-key", "***")
	q := startCommand(t, again)
	if code := q.wait(); code != exitUsage || !strings.Contains(q.err.String(), "what --print-config shows in place of the key") {
		t.Errorf("the stars as a key: exit code %d, said %q", code, q.err)
	}
}

// TestServeRefusesAConfiguration: mistakes that need more than one setting, or a file, are told before anything listens.
func TestServeRefusesAConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	empty, short, spaces := file("empty", "# nothing\n"), file("short", "secret\n"), file("spaces", "a\n b\n")
	for _, row := range []struct{ flags, says string }{
		{"--publish-key k --pprof", `--pprof needs --admin-addr`},
		{"--publish-key k --public a", `--public has no effect`},
		{"--publish-key k --auth-url x", `--auth-url: it is not a URL`},
		{"--publish-key k --auth-url http://u:p@h/", `--auth-url: it has a user in it`},
		{"--auth-url http://h/ --public a/b", `--public: "a/b" is neither a topic `},
		{"--publish-key k --latest *", `--latest: "\*" is neither a topic`},
		{"--publish-key k --trusted-proxy 10.0.0.0/33", `--trusted-proxy: "10.0.0.0/33" is neither a network`},
		{"--publish-key k --tls-cert x", `--tls-cert and --tls-key go together`},
		{"--publish-key k --tls-cert /no/cert --tls-key /no/key", `--tls-cert: open /no/cert`},
		{"--publish-key k --log xml", `--log "xml": it has to be text or json`},
		{"--publish-key k --log-level loud", `--log-level "loud": it has to be debug, info, warn or error`},
		{"--publish-key k --drain -1s", `--drain -1s: it cannot be negative`},
		{"--publish-key k --max-topics -1", `--max-topics -1: it has to be at least 1`},
		{"--publish-key k --max-connections -1", `--max-connections -1: it has to be at least 0`},
		{"--publish-key k --max-message 0", `--max-message 0: it has to be at least 1`},
		{"--publish-key k --max-message 3GiB", `--max-message 3GiB: it has to be less than 2GiB`},
		{"--publish-key k --publish-addr x", `--publish-addr: "x" is not of the form HOST:PORT`},
		{"--publish-key-file /no/file", `--publish-key-file: open /no/file`},
		{"--publish-key-file " + empty, `--publish-key-file: .*empty: there is no key in it`},
		{"--publish-key-file " + spaces, `--publish-key-file: .*spaces: line 2: the publish key has a space`},
		{"--jwt-secret-file " + short, `--jwt-secret-file: .*short: line 1: the secret has 6 bytes; HS256 needs 32`},
		{"--jwt-public-key-file " + short, `--jwt-public-key-file: .*short: it is not PEM`},
		{"--dev --jwt-secret-file x", `--dev and --jwt-secret-file exclude each other`},
		{"--publish-key k --tls-cert /nope --tls-key /nope --print-config", `--tls-cert: .*/nope`},
		{"--dev --publish-addr 127.0.0.1:0", `--dev and --publish-addr exclude each other`},
		{"--config /no/file", `--config: open /no/file`},
	} {
		args := append([]string{"serve", "--addr", "127.0.0.1:0"}, strings.Fields(row.flags)...)
		code, stdout, stderr := hawser(t, args...)
		if code != exitUsage || stdout != "" || !regexp.MustCompile(`^hawser serve: `+row.says).MatchString(stderr) {
			t.Errorf("%s: exit code %d, printed %q, said %q; want %q", row.flags, code, stdout, stderr, row.says)
		}
	}
}

// TestServeWarnsOfUnknownVariables: a variable that looks like a setting and is none is not passed over in silence.
func TestServeWarnsOfUnknownVariables(t *testing.T) {
	for _, row := range []struct{ format, says string }{
		{"text", `^hawser serve: warning: HAWSER_MAX_CONECTIONS in the environment is no setting; is it HAWSER_MAX_CONNECTIONS\?
hawser serve: warning: HAWSER_PORT_X in the environment is no setting
hawser serve: warning: HAWSER_REV in the environment is no setting
$`},
		{"json", `^\{.*"WARN","msg":"HAWSER_MAX_CONECTIONS in .*\n\{.*HAWSER_PORT_X in .*\n\{.*HAWSER_REV in .*\n$`},
	} {
		cmd := command(t, "serve", "--publish-key", "k", "--log", row.format, "--print-config")
		cmd.Env = append(cmd.Env, "HAWSER_MAX_CONECTIONS=secret", "HAWSER_REV=1", "HAWSER_PORT_X=1", "HAWSER_MAX_TOPICS=3", "HAWSERS=1",
			"HAWSER_PORT=tcp://10.0.0.1:80", "HAWSER_SERVICE_HOST=10.0.0.1") // of Kubernetes
		p := startCommand(t, cmd)
		if code := p.wait(); code != exitOK || !regexp.MustCompile(row.says).MatchString(p.err.String()) {
			t.Errorf("exit code %d, said %q; want %q", code, p.err, row.says)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"abc", "xabc", 1},
		{"kitten", "sitting", 3}, {"ab", "ba", 2},
	} {
		if got := distance(row.a, row.b); got != row.want {
			t.Errorf("%q to %q: %d, want %d", row.a, row.b, got, row.want)
		}
	}
}
