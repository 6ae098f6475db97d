package autobahn

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

var update = flag.Bool("update-mutants", false, "write testdata/mutants.txt anew")

// A mutant is a peer with a fault, and what it is tried with: scripted is everything but 9, 12 and 13.
type mutant struct {
	fault string
	roles role
	cases []string
}

var (
	scripted   = []string{"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"}
	messages   = []string{"1.*", "7.1.1", "9.1.1", "9.1.2", "9.1.3", "9.3.3", "9.5.6", "10.*"}
	some       = []string{"1.1.*", "2.*", "7.1.*"}
	compressed = []string{"12.*", "13.*"}
	little     = []string{"13.1.1", "13.2.1", "13.3.3", "13.4.1", "13.5.3", "13.6.1", "13.7.3"}
	everything = []string{"*"}
	extra      = []string{"X.*", "H.*"}
)

const bothRoles = server | client

var mutants = []mutant{
	// Of what comes back.
	{"is silent", bothRoles, some},
	{"swaps the types", bothRoles, everything},
	{"cuts the last byte off", bothRoles, append(slices.Clone(compressed), scripted...)},
	{"drops empty messages", bothRoles, append([]string{"6.1.*", "9.7.1", "9.8.1"}, some...)},
	{"cuts messages at 65535 bytes", bothRoles, messages},
	{"changes the last byte of long messages", bothRoles, messages},
	{"sends every message twice", bothRoles, append([]string{"9.7.2"}, some...)},
	{"loses the 500th message", bothRoles, []string{"9.7.2", "9.8.2", "12.1.1", "13.1.1"}},
	{"changes the 1000th message", bothRoles, []string{"9.7.2", "9.8.2", "12.1.1", "13.1.1"}},
	{"takes no message of 1 MiB", bothRoles, messages},
	{"takes no 1000 fragments", bothRoles, messages},
	{"pings before every echo", bothRoles, some},
	{"closes in the place of an echo", bothRoles, some},
	{"echoes each fragment", bothRoles, scripted},
	// Of its frames.
	{"masks the wrong way round", bothRoles, scripted},
	{"sends lengths in 8 bytes", bothRoles, scripted},
	{"sets RSV2", bothRoles, scripted},
	{"sends echoes without FIN", bothRoles, some},
	{"sends echoes as continuations", bothRoles, some},
	// Of Pings and Pongs.
	{"sends no Pong", bothRoles, scripted},
	{"pongs without payload", bothRoles, scripted},
	{"pongs with the payload as text", bothRoles, scripted},
	{"pongs twice", bothRoles, scripted},
	{"pings back", bothRoles, scripted},
	{"pongs the last Ping only", bothRoles, scripted},
	{"pongs after the message", bothRoles, scripted},
	{"pongs a Pong", bothRoles, scripted},
	{"closes on a Pong that it did not ask for", bothRoles, scripted},
	// Of what it lets pass.
	{"takes long Pings", bothRoles, scripted},
	{"takes reserved bits", bothRoles, scripted},
	{"takes RSV 4", bothRoles, scripted},
	{"takes RSV 1", bothRoles, scripted},
	{"takes reserved data opcodes", bothRoles, scripted},
	{"takes reserved control opcodes", bothRoles, scripted},
	{"takes control frames in fragments", bothRoles, scripted},
	{"takes continuations of nothing", bothRoles, scripted},
	{"takes a message inside another", bothRoles, scripted},
	{"never fails", bothRoles, scripted},
	{"fails with 1000", bothRoles, scripted},
	{"fails with 1011", bothRoles, scripted},
	// Of text.
	{"takes any text", bothRoles, scripted},
	{"says 1002 of bad text", bothRoles, scripted},
	{"sees bad text at the end of a message", bothRoles, scripted},
	{"sees bad text at the end of a frame", bothRoles, scripted},
	{"checks each fragment as if it were whole", bothRoles, scripted},
	{"takes surrogates", bothRoles, scripted},
	{"takes too many bytes for a character", bothRoles, scripted},
	{"takes characters beyond U+10FFFF", bothRoles, scripted},
	{"takes text that ends inside a character", bothRoles, scripted},
	{"refuses noncharacters", bothRoles, scripted},
	{"refuses U+FFFD", bothRoles, scripted},
	{"refuses NUL", bothRoles, scripted},
	{"refuses characters of 4 bytes", bothRoles, scripted},
	// Of the closing handshake.
	{"answers no Close", bothRoles, scripted},
	{"ends TCP on a Close", bothRoles, scripted},
	{"never ends TCP", server, scripted},
	{"answers 1001", bothRoles, scripted},
	{"answers 1000", bothRoles, scripted},
	{"answers half a code", bothRoles, scripted},
	{"gives a reason that is no UTF-8", bothRoles, scripted},
	{"takes any code", bothRoles, scripted},
	{"takes any reason", bothRoles, scripted},
	{"takes half a code", bothRoles, scripted},
	{"takes long Closes", bothRoles, scripted},
	{"refuses codes of applications", bothRoles, scripted},
	{"refuses the codes of errors", bothRoles, scripted},
	{"refuses a Close without a code", bothRoles, scripted},
	{"echoes after the Close", server, scripted},
	{"pongs after the Close", server, scripted},
	{"reads on before it answers a Close", bothRoles, scripted},
	// Of compression.
	{"declines permessage-deflate", bothRoles, compressed},
	{"uses more window than agreed", bothRoles, little},
	{"ignores a window that is asked for", server, little},
	{"answers with the largest window", server, little},
	{"ignores that no takeover is asked for", server, little},
	{"keeps its window where it must not", bothRoles, little},
	{"inflates without what came before", bothRoles, little},
	{"sends compressed data without RSV1", bothRoles, little},
	{"sends plain data with RSV1", bothRoles, little},
	{"leaves the tail on", bothRoles, little},
	{"damages compressed data", bothRoles, little},
	{"sets RSV1 on continuations", bothRoles, little},
	// Of the opening handshake.
	{"gives a wrong Accept", server, everything},
	{"answers 200", server, everything},
	{"answers without Upgrade", server, some},
	{"answers without Connection", server, some},
	{"never answers", server, some},
	{"agrees to an extension that was not offered", server, append([]string{"H.1.*"}, some...)},
	{"answers with a parameter that is unknown", server, append(some, little...)},
	{"names a subprotocol that was not offered", server, some},
	{"asks for version 8", client, some},
	{"sends a short key", client, everything},
	{"posts", client, some},
	{"sends no Host", client, some},
	// Of what only the kit's own cases look at.
	{"takes long lengths", bothRoles, extra},
	{"takes the wrong mask", bothRoles, extra},
	{"waits for any length", bothRoles, extra},
	{"takes damaged data", bothRoles, extra},
	{"says 1002 of bad text", bothRoles, extra},
	{"fails with 1011", bothRoles, extra},
	{"upgrades whatever is asked", server, extra},
	{"agrees to any permessage-deflate", server, extra},
	{"waits for whole Closes", bothRoles, extra},
	{"takes any answer", client, extra},
	{"closes what it has refused", client, extra},
	{"sends a byte to what it has refused", client, extra},
	{"takes any reason", bothRoles, extra},
	{"takes any code", bothRoles, extra},
	{"takes reserved bits", bothRoles, extra},
	{"pongs the last Ping only", bothRoles, extra},
	{"uses more window than agreed", bothRoles, extra},
	{"sends no Pong", bothRoles, extra},
	{"pongs a Ping when the next one comes", bothRoles, extra},
	{"never fails", bothRoles, extra},
	{"is silent", bothRoles, extra},
	{"names a subprotocol that was not offered", server, extra},
	{"names a subprotocol twice", server, extra},
	{"loses what comes with the answer", client, extra},
}

// mutantRun plays cases with a peer in one role, over a pipe and with a clock that does not wait.
func mutantRun(t *testing.T, fault string, r role, all []*Case) (results []*Result) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{}
		cases := ForServers(all)
		if r == client {
			cases = ForClients(all)
		}
		s.Cases = cases
		run := &serverRun{addr: &address{}}
		run.addr, _ = parseAddress("ws://peer/")
		run.dial = func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go (&peer{nc: theirs, server: true, fault: fault}).serve()
			return ours, nil
		}
		for i, c := range cases {
			if r == server {
				results = append(results, run.one(t.Context(), c))
				continue
			}
			ours, theirs := net.Pipe()
			var conns sync.WaitGroup
			conns.Go(func() { (&peer{nc: theirs, fault: fault}).dial(fmt.Sprintf("/runCase?case=%d&agent=mutant", i+1)) })
			s.client(t.Context(), func(error) {}, ours, &conns)
			conns.Wait()
		}
		run.linger.Wait()
		if r == client {
			results = s.Results("mutant")
		}
		synctest.Wait()
	})
	return results
}

func roleName(r role) string { return map[role]string{server: "server", client: "client"}[r] }

// TestSoundPeer is what the mutants are measured by.
func TestSoundPeer(t *testing.T) {
	for _, r := range []role{server, client} {
		cases, err := Select(slices.Concat(scripted, little, extra), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range mutantRun(t, "", r, cases) {
			if v := verdict(res); v != "" && v != "INFORMATIONAL/INFORMATIONAL" {
				t.Errorf("%s, %s: %s: %s %s %v", roleName(r), res.ID, v, res.Reason, res.ReasonClose, res.Own)
			}
		}
	}
}

// TestOtherSoundPeers: what an RFC leaves open is no fault.
func TestOtherSoundPeers(t *testing.T) {
	for _, tt := range []struct {
		habit string
		roles role
		cases []string
		want  string // the verdict
	}{
		{"speaks any subprotocol", server, []string{"H.*"}, ""},
		{"says 1002 of damaged data", bothRoles, []string{"X.5.*"}, ""},
		{"declines permessage-deflate", bothRoles, []string{"X.5.*", "X.6.*", "X.10.*", "X.11.*"}, "UNIMPLEMENTED/OK"},
		{"echoes when all is read", bothRoles, []string{"X.8.*", "X.9.*"}, ""},
		{"pongs the last Ping only", bothRoles, []string{"X.9.*"}, "NON-STRICT/OK"},
		{"pongs after the message", bothRoles, []string{"X.9.*"}, "NON-STRICT/OK"},
		{"pongs every other Ping", bothRoles, []string{"X.9.*"}, "NON-STRICT/OK"},
	} {
		cases, err := Select(tt.cases, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []role{server, client} {
			if tt.roles&r == 0 {
				continue
			}
			for _, res := range mutantRun(t, tt.habit, r, cases) {
				if v := verdict(res); v != tt.want {
					t.Errorf("a %s that %s, %s: %q, want %q: %s %s", roleName(r), tt.habit, res.ID, v, tt.want, res.Reason,
						res.ReasonClose)
				}
			}
		}
	}
}

// TestTrafficStatistics: they count all that was sent, in fragments and in one, and all that came back.
func TestTrafficStatistics(t *testing.T) {
	cases, err := Select([]string{"12.1.1", "12.1.11", "12.2.11"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if RaceEnabled {
		cases = cases[:1]
	}
	dataFrames := func(n map[string]int) int64 { return int64(n["0"] + n["1"] + n["2"]) }
	for i, r := range mutantRun(t, "", server, cases) {
		rounds, got := cases[i].Rounds, *r.Traffic
		want := Traffic{
			IncomingMessages: int64(rounds.Count), OutgoingMessages: int64(rounds.Count),
			IncomingOctetsApp: int64(rounds.Count * rounds.Size), OutgoingOctetsApp: int64(rounds.Count * rounds.Size),
			IncomingFrames: dataFrames(r.RxFrames), OutgoingFrames: dataFrames(r.TxFrames),
			IncomingOctetsWire: got.IncomingOctetsWire, OutgoingOctetsWire: got.OutgoingOctetsWire,
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", r.ID, got, want)
		}
	}
}

// TestTimeoutsAreTold: a result says which of the kit's waits was in vain.
func TestTimeoutsAreTold(t *testing.T) {
	cases, err := Select([]string{"1.1.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fault             string
		roles             role
		open, close, drop bool
	}{
		{"", bothRoles, false, false, false},
		{"never answers", server, true, false, false},
		{"answers no Close", bothRoles, false, true, false},
		{"never ends TCP", server, false, false, true},
	} {
		for _, r := range []role{server, client} {
			if tt.roles&r == 0 {
				continue
			}
			res := mutantRun(t, tt.fault, r, cases)[0]
			if res.OpenHandshakeTimeout != tt.open || res.CloseHandshakeTimeout != tt.close || res.DropTimeout != tt.drop {
				t.Errorf("a %s that %q: open %t, close %t, drop %t", roleName(r), tt.fault, res.OpenHandshakeTimeout,
					res.CloseHandshakeTimeout, res.DropTimeout)
			}
		}
	}
}

// verdict is what is wrong with a result; "" is nothing.
func verdict(r *Result) string {
	v := string(r.Behavior) + "/" + string(r.BehaviorClose)
	if v == "OK/OK" {
		v = ""
	}
	if len(r.Own) > 0 {
		v += "+own"
	}
	return v
}

// TestMutants breaks one rule at a time, and wants the kit to find just the cases that show it.
func TestMutants(t *testing.T) {
	var out bytes.Buffer
	out.WriteString(mutantsHead)
	found := map[string]bool{}
	var mu sync.Mutex
	type key struct {
		i int
		r role
	}
	lines := map[key]string{}
	t.Run("all", func(t *testing.T) {
		for i, m := range mutants {
			if RaceEnabled && i%4 != 0 {
				continue // what the others break is the peer's, not the kit's
			}
			cases, err := Select(m.cases, nil)
			if err != nil {
				t.Fatal(err)
			}
			if RaceEnabled {
				cases = lighter(cases)
			}
			for _, r := range []role{server, client} {
				if m.roles&r == 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s", m.fault, roleName(r)), func(t *testing.T) {
					t.Parallel()
					line, failed := mutantLine(cases, mutantRun(t, m.fault, r, cases))
					if len(failed) == 0 && !RaceEnabled {
						t.Error("no case has found it")
					}
					mu.Lock()
					defer mu.Unlock()
					lines[key{i, r}] = line
					for _, id := range failed {
						found[roleName(r)+id] = true
					}
				})
			}
		}
	})
	if RaceEnabled {
		return // some of them ran, with some cases
	}
	for i, m := range mutants {
		s, c, who := lines[key{i, server}], lines[key{i, client}], "server"
		if s == c {
			c, who = "", "both"
		}
		for _, l := range []struct{ who, text string }{{who, s}, {"client", c}} {
			if l.text != "" {
				fmt.Fprintf(&out, "%s: %s, tried with %s\n%s", l.who, m.fault, strings.Join(m.cases, " "), l.text)
			}
		}
	}
	for _, c := range Cases() {
		if !found["server"+c.ID] || !found["client"+c.ID] {
			t.Errorf("no mutant fails %s: server %t, client %t", c.ID, found["server"+c.ID], found["client"+c.ID])
		}
	}
	const file = "testdata/mutants.txt"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		t.Errorf("not what %s says:\n%s", file, lineDiff(string(want), out.String()))
	}
}

// lighter leaves the large cases out of a long list, or all but a few of them if there are no others.
func lighter(cases []*Case) []*Case {
	const few = 8
	if len(cases) <= few {
		return cases
	}
	light := slices.DeleteFunc(slices.Clone(cases), func(c *Case) bool {
		return strings.HasPrefix(c.ID, "9.") || strings.HasPrefix(c.ID, "12.") || strings.HasPrefix(c.ID, "13.")
	})
	if len(light) == 0 {
		return cases[:few]
	}
	return light
}

const mutantsHead = `# What each mutant of peer_test.go fails, as a server and as a client, and how: behavior/close, "+own" with a
# finding of the kit's. TestMutants compares it, and writes it anew with -update-mutants. "1.*" is every case of that
# kind that was tried.

`

func mutantLine(cases []*Case, results []*Result) (line string, failed []string) {
	by := map[string][]string{}
	for _, res := range results {
		v := verdict(res)
		if v == "" || v == "INFORMATIONAL/INFORMATIONAL" {
			continue
		}
		by[v] = append(by[v], res.ID)
		failed = append(failed, res.ID)
	}
	for _, v := range slices.Sorted(maps.Keys(by)) {
		line += wrap("  "+v+":", asPatterns(by[v], cases))
	}
	return line, failed
}

// asPatterns writes all cases of a category, or of a part of one, as a pattern.
func asPatterns(ids []string, cases []*Case) []string {
	var list []string
	for len(ids) > 0 {
		id, n := ids[0], 1
		parts := strings.Split(id, ".")
		for depth := 1; depth < len(parts); depth++ {
			prefix := strings.Join(parts[:depth], ".") + "."
			var all []string
			for _, c := range cases {
				if strings.HasPrefix(c.ID, prefix) {
					all = append(all, c.ID)
				}
			}
			if len(all) > 1 && len(all) <= len(ids) && slices.Equal(all, ids[:len(all)]) {
				id, n = prefix+"*", len(all)
				break
			}
		}
		list = append(list, id)
		ids = ids[n:]
	}
	return list
}

func wrap(head string, words []string) string {
	s, line := "", head
	for _, w := range words {
		if len(line)+1+len(w) > 118 {
			s += line + "\n"
			line = "   "
		}
		line += " " + w
	}
	return s + line + "\n"
}

func lineDiff(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range w {
		if !slices.Contains(g, l) {
			fmt.Fprintln(&b, "-", l)
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			fmt.Fprintln(&b, "+", l)
		}
	}
	return b.String()
}
