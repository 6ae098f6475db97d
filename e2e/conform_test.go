package e2e

import (
	"flag"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var updateGrades = flag.Bool("update-grades", false, "record the grades of foreign implementations in testdata/conform")

// foreignCases are all but the large messages of 9, and a few of the many of 12 and 13.
const foreignCases = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*,12.1.1,12.1.3,12.2.1," +
	"13.1.1,13.2.1,13.3.1,13.4.1,13.5.1,13.6.1,13.7.1"

// conformPatience bounds what the kit may take: on two busy cores it needs some of the seconds that timed cases wait.
const conformPatience = 5 * time.Minute

// conform runs a verb of the kit to its end and returns its exit code and what it printed and said.
func conform(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	p := start(t, "hawser", append([]string{"conform"}, args...)...)
	select {
	case <-p.exited:
	case <-time.After(conformPatience):
		t.Fatalf("the kit still runs after %v", conformPatience)
	}
	return p.cmd.ProcessState.ExitCode(), p.output.String()
}

// compareGrades runs the kit against an implementation, and compares its grades with those on record.
func compareGrades(t *testing.T, name string, args ...string) {
	t.Helper()
	args = append(args, "--cases", foreignCases, "--baseline", filepath.Join("testdata", "conform", name+".json"))
	if *updateGrades {
		args = append(args, "--update-baseline")
	}
	code, text := conform(t, args...)
	if code != 0 || betterForAReason(text) {
		t.Errorf("exit code %d; the grades are not those on record (-update-grades records them):\n%s", code, text)
	}
}

var betterLine = regexp.MustCompile(`better than the baseline: ([^(]*) \(`)

// betterForAReason reports whether the kit found grades that are better than those on record, and not by luck: in 3.*
// and 4.* it depends on how fast the application is whether its echo of what came before the fault leaves before the
// connection fails.
func betterForAReason(text string) bool {
	found := betterLine.FindStringSubmatch(text)
	return found != nil && slices.ContainsFunc(strings.Fields(found[1]), func(id string) bool {
		return !strings.HasPrefix(id, "3.") && !strings.HasPrefix(id, "4.")
	})
}

// foreignServers are echo servers of others.
var foreignServers = map[string][]string{
	"node-server":    {"node", "peers/node/echo-server.js"},
	"python-server":  {"/usr/bin/python3", "peers/python/echo_server.py"},
	"gorilla-server": {"foreign", "gorilla", "server"},
	"coder-server":   {"foreign", "coder", "server"},
	"gobwas-server":  {"foreign", "gobwas", "server"},
	"gws-server":     {"foreign", "gws", "server"},
}

// TestKitAgainstForeignServers: the kit sees in servers of others what is known of them, and the same every time.
func TestKitAgainstForeignServers(t *testing.T) {
	for name, command := range foreignServers {
		t.Run(name, func(t *testing.T) {
			server := start(t, command[0], command[1:]...)
			compareGrades(t, name, "server", "--agent", name, server.says(`ws://\S+`)[0])
		})
	}
}

// foreignClients are echo clients of others that speak the paths of the original.
var foreignClients = map[string]string{
	"python-client":  "/usr/bin/python3 peers/python/echo_client.py {url}",
	"gorilla-client": "FOREIGN gorilla client {url}",
	"coder-client":   "FOREIGN coder client {url}",
}

// TestKitAgainstForeignClients is the same with the kit as server.
func TestKitAgainstForeignClients(t *testing.T) {
	foreign, err := builds["foreign"]()
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range foreignClients {
		t.Run(name, func(t *testing.T) {
			compareGrades(t, name, "client", "--listen", "127.0.0.1:0", "--exec", strings.ReplaceAll(command, "FOREIGN",
				"'"+foreign+"'"))
		})
	}
}
