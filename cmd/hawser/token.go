package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"hawser.example/websocket/internal/token"
	"hawser.example/websocket/internal/topic"
)

var tokenVerb = verb{
	name:    "token",
	summary: "make a token for hawser serve, or the keys for them",
	help: `
A token says which topics its owner may subscribe to and publish on, and until when. It is a JSON Web Token: a backend
can make its own with any library, with the claims "sub" and "pub" (a PATTERN or a list of them) and "exp". A PATTERN is
a topic, or a topic and ".>" for all below it, or ">" for all. The token is printed on standard output.

There are two kinds of keys. A secret (HS256) makes and checks tokens: whoever has the file can do both. Of a pair of
keys (EdDSA) the private one makes them, and "hawser serve" has the public one only. Neither is written over a file that
is there already.

Exit code: 0 if there is a token or a key, 1 if a file cannot be read or written, 2 for a wrong command line.

Examples:
  hawser token --new-secret secret
  hawser token --secret-file secret --sub news --sub 'user.17.>' --ttl 15m
  hawser token --new-key key
  hawser token --private-key-file key --pub news
  hawser serve --jwt-public-key-file key.pub`,
	setup: func(fs *flag.FlagSet) func([]string, streams) int {
		var t tokenOptions
		fs.StringVar(&t.secretFile, "secret-file", "", "sign with the first secret in `FILE` (HS256)")
		fs.StringVar(&t.privateFile, "private-key-file", "", "sign with the private key in `FILE` (EdDSA)")
		fs.Var(&t.sub, "sub", "allow to subscribe to topics of this `PATTERN`; may be given several times")
		fs.Var(&t.pub, "pub", "allow to publish on topics of this `PATTERN`; may be given several times")
		fs.DurationVar(&t.ttl, "ttl", time.Hour, "for how much `TIME` it is good; 0: for ever")
		fs.StringVar(&t.name, "name", "", "whose it is, in `WORDS`; the server's log has it")
		fs.StringVar(&t.newSecret, "new-secret", "", "make no token but a secret, in `FILE`, which only its owner may read")
		fs.StringVar(&t.newKey, "new-key", "", "make no token but a pair of keys, in `FILE`, which only its owner may read, and\n"+
			"FILE.pub")
		return func(_ []string, std streams) int {
			if err := t.check(); err != nil {
				return usageError(std, "token", "%v", err)
			}
			if err := t.run(std); err != nil {
				fmt.Fprintln(std.err, "hawser token:", err)
				return exitFailed
			}
			return exitOK
		}
	},
}

// tokenOptions are the values of the flags of hawser token.
type tokenOptions struct {
	secretFile, privateFile string
	sub, pub                listFlag
	ttl                     time.Duration
	name                    string
	newSecret, newKey       string
}

// check says what is wrong with the command line.
func (t *tokenOptions) check() error {
	ways := 0
	for _, way := range []string{t.secretFile, t.privateFile, t.newSecret, t.newKey} {
		if way != "" {
			ways++
		}
	}
	makesKey := t.newSecret != "" || t.newKey != ""
	switch {
	case ways != 1:
		return errors.New("give one of --secret-file, --private-key-file, --new-secret and --new-key")
	case makesKey && (len(t.sub) > 0 || len(t.pub) > 0):
		return errors.New("--new-secret and --new-key make no token, and need neither --sub nor --pub")
	case !makesKey && len(t.sub) == 0 && len(t.pub) == 0:
		return errors.New("--sub and --pub are missing: the token would be good for nothing")
	case t.ttl < 0:
		return errors.New("--ttl is negative: the token would have expired already")
	}
	for _, list := range []struct {
		flag     string
		patterns listFlag
	}{{"sub", t.sub}, {"pub", t.pub}} {
		for _, p := range list.patterns {
			if err := topic.CheckPattern(p); err != nil {
				return fmt.Errorf("--%s: %w", list.flag, err)
			}
		}
	}
	return nil
}

// run makes what was asked for.
func (t *tokenOptions) run(std streams) error {
	switch {
	case t.newSecret != "":
		return t.makeSecret(std)
	case t.newKey != "":
		return t.makeKey(std)
	}
	signed, err := t.sign(time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, signed)
	return err
}

// sign makes a token at time now.
func (t *tokenOptions) sign(now time.Time) (string, error) {
	claims := token.Claims{Sub: t.sub, Pub: t.pub, Name: t.name, IssuedAt: now}
	if t.ttl > 0 {
		claims.Expires = now.Add(t.ttl)
	}
	if t.secretFile != "" {
		file, err := os.ReadFile(t.secretFile)
		if err != nil {
			return "", err
		}
		secrets, err := token.ReadSecrets(file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.secretFile, err)
		}
		return token.SignHS256(secrets[0], claims)
	}
	file, err := os.ReadFile(t.privateFile)
	if err != nil {
		return "", err
	}
	key, err := token.ReadPrivateKey(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", t.privateFile, err)
	}
	return token.SignEdDSA(key, claims)
}

func (t *tokenOptions) makeSecret(std streams) error {
	if err := writeNew(t.newSecret, []byte(token.NewSecret()+"\n"), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "hawser token: a new secret is in %s; hawser serve --jwt-secret-file %[1]s\n", t.newSecret)
	return nil
}

func (t *tokenOptions) makeKey(std streams) error {
	private, public, err := token.NewKey()
	if err != nil {
		return err
	}
	publicFile := t.newKey + ".pub"
	if _, err := os.Lstat(publicFile); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already", publicFile)
	}
	if err := writeNew(t.newKey, private, 0o600); err != nil {
		return err
	}
	if err := writeNew(publicFile, public, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "hawser token: a new private key is in %s, its public key in %s; "+
		"hawser serve --jwt-public-key-file %[2]s\n", t.newKey, publicFile)
	return nil
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, p []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(p)
	return errors.Join(err, f.Close())
}
