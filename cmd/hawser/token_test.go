package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hawser.example/websocket"
	"hawser.example/websocket/internal/token"
)

// TestTokenAndServe: what hawser token makes hawser serve takes, for what it says and no more.
func TestTokenAndServe(t *testing.T) {
	dir := t.TempDir()
	secret, key := filepath.Join(dir, "secret"), filepath.Join(dir, "key")
	for flag, file := range map[string]string{"--new-secret": secret, "--new-key": key} {
		if code, stdout, stderr := hawser(t, "token", flag, file); code != exitOK || stdout != "" || !strings.Contains(stderr, file) {
			t.Fatalf("%s: exit code %d, printed %q, said %q", flag, code, stdout, stderr)
		}
	}
	for file, want := range map[string]os.FileMode{secret: 0o600, key: 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	p := start(t, "serve", "--addr", "127.0.0.1:0", "--jwt-secret-file", secret, "--jwt-public-key-file", key+".pub")
	addr := p.address()
	for _, with := range [][]string{{"--secret-file", secret}, {"--private-key-file", key}} {
		args := append([]string{"token", "--sub", "news", "--sub", "user.7.>", "--pub", "news"}, with...)
		code, made, stderr := hawser(t, args...)
		made, isLine := strings.CutSuffix(made, "\n")
		if code != exitOK || stderr != "" || !isLine || strings.Count(made, ".") != 2 {
			t.Fatalf("exit code %d, printed %q, said %q", code, made, stderr)
		}
		subscriber := dial(t, "ws://"+addr+"/topics/news", bearerOf(made))
		dial(t, "ws://"+addr+"/topics/user.7.mail?token="+made, nil)
		wantRefused(t, "ws://"+addr+"/topics/user.8", bearerOf(made), 403)
		wantRefused(t, "ws://"+addr+"/topics/news", nil, 401)
		if status := post(t, addr, "news", made, "hello"); status != 200 {
			t.Errorf("publishing: %d", status)
		}
		subscriber.wantMessage(websocket.TextMessage, "hello")
		if status := post(t, addr, "user.7.mail", made, "hello"); status != 403 {
			t.Errorf("publishing elsewhere: %d", status)
		}
	}
}

// TestTokenTimes: --ttl is what exp says, and 0 leaves it out.
func TestTokenTimes(t *testing.T) {
	secret := writeFile(t, "secret", strings.Repeat("s", token.MinSecret)+"\n")
	now := time.Now().Truncate(time.Second)
	v := &token.Verifier{Secrets: [][]byte{[]byte(strings.Repeat("s", token.MinSecret))}}
	for ttl, want := range map[time.Duration]time.Time{time.Minute: now.Add(time.Minute), 0: {}} {
		o := tokenOptions{secretFile: secret, sub: listFlag{"a"}, ttl: ttl, name: "alice"}
		signed, err := o.sign(now)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := v.Verify(signed, now)
		if err != nil || !claims.Expires.Equal(want) || !claims.IssuedAt.Equal(now) || claims.Name != "alice" {
			t.Errorf("ttl %v: %+v, %v", ttl, claims, err)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	there := writeFile(t, "there", "x\n")
	pub := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(pub+".pub", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args string
		code int
		says string
	}{
		{"", exitUsage, `give one of --secret-file, --private-key-file, --new-secret and --new-key`},
		{"--secret-file a --private-key-file b --sub a", exitUsage, `give one of`},
		{"--secret-file a", exitUsage, `--sub and --pub are missing`},
		{"--new-key a --sub a", exitUsage, `make no token`},
		{"--secret-file a --sub a/b", exitUsage, `--sub: "a/b" is neither a topic`},
		{"--secret-file a --pub a.*", exitUsage, `--pub: "a\.\*" is neither a topic`},
		{"--secret-file a --sub a --ttl -1s", exitUsage, `--ttl is negative`},
		{"--secret-file a --sub a --ttl 1h b", exitUsage, `unexpected argument "b"`},
		{"--secret-file /no/file --sub a", exitFailed, `open /no/file`},
		{"--secret-file " + there + " --sub a", exitFailed, `line 1: the secret has 1 bytes`},
		{"--private-key-file " + there + " --sub a", exitFailed, `it is not PEM`},
		{"--new-secret " + there, exitFailed, `file exists`},
		{"--new-key " + pub, exitFailed, `key.pub is there already`},
	} {
		code, stdout, stderr := hawser(t, append([]string{"token"}, strings.Fields(row.args)...)...)
		if code != row.code || stdout != "" || !regexp.MustCompile(`^hawser token: .*`+row.says).MatchString(stderr) {
			t.Errorf("%s: exit code %d, printed %q, said %q; want %d, %q", row.args, code, stdout, stderr, row.code, row.says)
		}
	}
	if p, err := os.ReadFile(there); err != nil || string(p) != "x\n" {
		t.Errorf("the file that was there is now %q, %v", p, err)
	}
	if _, err := os.Stat(pub); err == nil {
		t.Error("a private key without its public one is left")
	}
}
