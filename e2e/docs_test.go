package e2e

import (
	"os"
	"strings"
	"testing"
)

// serverPage is where the snippets are.
const serverPage = "../docs/SERVER.md"

// snippet returns the block of a language from docs/SERVER.md, with each old text replaced by a new one. There has to
// be one such block, and all old texts have to be in it: what is tested is what users read.
func snippet(t *testing.T, language string, replace ...string) string {
	t.Helper()
	page, err := os.ReadFile(serverPage)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(page), "\n```"+language+"\n")
	block, rest, closed := strings.Cut(after, "\n```\n")
	if !found || !closed || strings.Contains(rest, "\n```"+language+"\n") {
		t.Fatalf("%s: want one block of %s", serverPage, language)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(block, replace[i]) {
			t.Fatalf("%s: there is no %q in the block of %s", serverPage, replace[i], language)
		}
		block = strings.ReplaceAll(block, replace[i], replace[i+1])
	}
	return block + "\n"
}
