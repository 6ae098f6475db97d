package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"hawser.example/websocket/e2e/peers"
)

// The tests of this file run hawser connect as people do at a terminal and in scripts, with servers of other languages.

// connectCommand prepares "hawser connect ARGS".
func connectCommand(t *testing.T, ctx context.Context, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	hawser, err := builds["hawser"]()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd = exec.CommandContext(ctx, hawser, append([]string{"connect"}, args...)...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// TestConnectPassesMuch: bytes go through the echo of another language and come back the same, lines and binary.
func TestConnectPassesMuch(t *testing.T) {
	const size = 16 << 20
	random := make([]byte, size)
	rand.NewChaCha8([32]byte{'m', 'u', 'c', 'h'}).Read(random)
	var lines bytes.Buffer
	for line := []byte("grüße, 世界 👋 "); lines.Len() < size; {
		lines.Write(line)
		lines.WriteByte('\n')
		if line = append(line, "0123456789 ü "...); len(line) > 5000 {
			line = line[:20]
		}
	}
	text := []byte(strings.ToValidUTF8(lines.String(), "?"))
	for _, language := range peers.Languages {
		for _, way := range []struct {
			name  string
			flags []string
			input []byte
		}{
			{"binary", []string{"-b"}, random},
			{"lines", nil, text},
			{"lines, not compressed", []string{"--no-deflate"}, text},
		} {
			t.Run(language.Name+", "+way.name, func(t *testing.T) {
				server, url := language.Server(t)
				cmd, stdout, stderr := connectCommand(t, within(t), append(way.flags, "-w", "3s", url)...)
				stdin, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				server.Want("open")
				server.Echo()
				go func() {
					stdin.Write(way.input)
					stdin.Close()
				}()
				server.WantClose(1000, "")
				if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
					t.Errorf("%v, said %q", err, stderr)
				}
				if !bytes.Equal(stdout.Bytes(), way.input) {
					t.Errorf("%d bytes came back of %d, or others", stdout.Len(), len(way.input))
				}
			})
		}
	}
}

// TestConnectEvents: --json has what the server did, and the exit code says how it ended.
func TestConnectEvents(t *testing.T) {
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			server, url := language.Server(t, "second")
			cmd, stdout, stderr := connectCommand(t, within(t),
				"--json", "-s", "first", "-s", "second", "-m", "grüße", "-w", "-1s", url)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if got := server.Want("open").Protocol; got != "second" {
				t.Errorf("the subprotocol is %q", got)
			}
			server.WantMessage("text", []byte("grüße"))
			server.Send("text", []byte("\x1b[31m"), []byte("世界"))
			server.Send("binary", []byte{0, 255})
			server.Ping([]byte("are you there?"))
			if got := server.Want("pong").Data; string(got) != "are you there?" {
				t.Errorf("the pong has %q", got)
			}
			server.Close(4000, "bye")
			server.WantClose(4000, "")
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, said %q; want 1", code, stderr)
			}
			var kinds []string
			pings := 0
			for line := range strings.Lines(stdout.String()) {
				var e struct{ Event, Subprotocol, Text, Base64, Reason string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if e.Event == "ping" && e.Text == "are you there?" { // seen as a frame, maybe before earlier messages are whole
					pings++
					continue
				}
				kinds = append(kinds, strings.Trim(e.Event+" "+e.Subprotocol+e.Text+e.Base64+e.Reason, " "))
			}
			want := "open second, sent, message \x1b[31m世界, message AP8=, close bye"
			if got := strings.Join(kinds, ", "); got != want || pings != 1 {
				t.Errorf("the events are %q and %d pings; want %q and 1", got, pings, want)
			}
		})
	}
}

// TestConnectExitCodes: what the server does last is the exit code.
func TestConnectExitCodes(t *testing.T) {
	for _, language := range peers.Languages {
		for _, end := range []struct {
			name string
			does func(*peers.Peer)
			code int
		}{
			{"normal", func(p *peers.Peer) { p.Close(1000, "bye") }, 0},
			{"going away", func(p *peers.Peer) { p.Close(1001, "") }, 1},
			{"killed", func(p *peers.Peer) { p.Kill() }, 1},
			{"what is expected", func(p *peers.Peer) { p.Send("text", []byte("it is expected")) }, 0},
		} {
			t.Run(language.Name+", "+end.name, func(t *testing.T) {
				server, url := language.Server(t)
				args := []string{"-w", "-1s", url}
				if strings.Contains(end.name, "expected") {
					args = append(args, "--expect", "is expected$", "--timeout", "30s")
				}
				cmd, _, stderr := connectCommand(t, within(t), args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				server.Want("open")
				end.does(server)
				cmd.Wait()
				if code := cmd.ProcessState.ExitCode(); code != end.code {
					t.Errorf("exit code %d, said %q; want %d", code, stderr, end.code)
				}
			})
		}
	}
}

// TestConnectShowsFrames: -v, with a server that compresses.
func TestConnectShowsFrames(t *testing.T) {
	text := strings.Repeat("hawser ü ", 50)
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			server, url := language.With(peers.Deflate{}).Server(t)
			cmd, _, stderr := connectCommand(t, within(t), "-v", "-m", text, "-n", "1", url)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			server.Want("open")
			server.WantMessage("text", []byte(text))
			server.Send("text", []byte(text))
			server.WantClose(1000, "")
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			for _, line := range []string{
				`> GET / HTTP/1\.1`,
				`< HTTP/1\.1 101 Switching Protocols`,
				`\* extension: permessage-deflate.*`,
				`> frame FIN=1 RSV=100 opcode=1 \(text\) MASK=1 length=\d\d`,
				`> text, 500 bytes, RSV1: \d\d bytes compressed`,
				`< frame FIN=1 RSV=100 opcode=1 \(text\) MASK=0 length=\d\d`,
				`< text, 500 bytes, RSV1: \d\d bytes compressed`,
				`> frame FIN=1 RSV=000 opcode=8 \(close\) MASK=1 length=2 code=1000`,
			} {
				if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(stderr.String()) {
					t.Errorf("no %s in\n%s", line, stderr)
				}
			}
		})
	}
}

// TestConnectMeasures: -i sends Pings and says how long their Pongs took.
func TestConnectMeasures(t *testing.T) {
	for _, language := range peers.Languages {
		t.Run(language.Name, func(t *testing.T) {
			server, url := language.Server(t)
			cmd, _, stderr := connectCommand(t, within(t), "-i", "1h", "-w", "-1s", url)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			server.Want("open")
			server.Want("ping")
			server.Close(1000, "")
			server.WantClose(1000, "")
			pong := regexp.MustCompile(`(?m)^\* pong after [0-9.]+[mµ]s$`)
			if err := cmd.Wait(); err != nil || !pong.MatchString(stderr.String()) {
				t.Errorf("%v, said %q; want how long the Pong took", err, stderr)
			}
		})
	}
}
