// Mutate proves that the rules of the protocol are tested: it breaks them one by one, a line each, and runs the test
// that is there to notice. A mutation that no test notices is a survivor, and a failure.
//
//	go run ./internal/mutate              # all of the table
//	go run ./internal/mutate masked 5.5   # rules whose text contains one of these
//	go run ./internal/mutate -part 2/3    # the second of three parts of the table
//
// It runs in the root of the module and changes no file: the compiler gets the broken copy as an overlay. A new rule
// gets a row in table.go.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

func main() {
	part := flag.String("part", "1/1", "`K/N`: every Nth rule, from the Kth on")
	flag.Parse()
	chosen, err := partOf(choose(table, flag.Args()), *part)
	if err == nil && len(chosen) == 0 {
		err = errors.New("no rule contains that, or the part of those that do is empty")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
	survivors := runAll(dir, chosen)
	os.RemoveAll(dir)
	fmt.Printf("%d mutations, %d not noticed\n", len(chosen), survivors)
	if survivors > 0 {
		os.Exit(1)
	}
}

// choose returns the mutations whose rule contains one of words, all if there are none.
func choose(all []mutation, words []string) (chosen []mutation) {
	for _, m := range all {
		keep := len(words) == 0
		for _, w := range words {
			keep = keep || strings.Contains(m.rule, w)
		}
		if keep {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

// partOf returns a part of mutations, which K/N names.
func partOf(mutations []mutation, part string) (chosen []mutation, err error) {
	var k, n int
	if _, err := fmt.Sscanf(part, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		return nil, fmt.Errorf("-part %q is not K/N, with K from 1 to N", part)
	}
	for i := k - 1; i < len(mutations); i += n {
		chosen = append(chosen, mutations[i])
	}
	return chosen, nil
}

// runAll tries the mutations, as many at a time as there are processors, and reports them in their order.
func runAll(dir string, mutations []mutation) (survivors int) {
	verdicts := make([]chan error, len(mutations))
	for i := range verdicts {
		verdicts[i] = make(chan error, 1)
	}
	var next sync.Mutex
	at := 0
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for {
				next.Lock()
				i := at
				at++
				next.Unlock()
				if i >= len(mutations) {
					return
				}
				verdicts[i] <- mutations[i].try(dir, i)
			}
		}()
	}
	for i, m := range mutations {
		if err := <-verdicts[i]; err != nil {
			survivors++
			fmt.Printf("SURVIVES %s: %s\n\t%s: %s\n\t%v\n", m.section, m.rule, m.file, m.to, err)
			continue
		}
		fmt.Printf("killed   %s: %s (%s)\n", m.section, m.rule, m.test)
	}
	return survivors
}

// try breaks the rule and runs its test. The error says why the mutation does not count as noticed.
func (m mutation) try(dir string, number int) error {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return err
	}
	if n := bytes.Count(source, []byte(m.from)); n != 1 {
		return fmt.Errorf("%q stands %d times in %s, must be once", m.from, n, m.file)
	}
	broken := filepath.Join(dir, fmt.Sprintf("%d.go", number))
	if err := os.WriteFile(broken, bytes.Replace(source, []byte(m.from), []byte(m.to), 1), 0o600); err != nil {
		return err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: broken}})
	if err != nil {
		return err
	}
	overlayFile := filepath.Join(dir, fmt.Sprintf("%d.json", number))
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return err
	}
	cmd := exec.Command("go", "test", "-count=1", "-timeout=60s", "-vet=off", "-overlay="+overlayFile,
		"-run=^"+m.test+"$", "./"+filepath.Dir(m.file))
	out, err := cmd.CombinedOutput()
	return judge(string(out), err)
}

// judge reads what go test printed. Only a test that ran and failed has noticed something: a mutation that does not
// compile, or a test that is not there, has proved nothing.
func judge(out string, err error) error {
	switch {
	case strings.Contains(out, "no tests to run"):
		return fmt.Errorf("there is no such test")
	case err == nil:
		return fmt.Errorf("the test passes")
	case strings.Contains(out, "--- FAIL") || strings.Contains(out, "panic: "):
		return nil
	}
	return fmt.Errorf("the test did not run: %v\n%s", err, out)
}
