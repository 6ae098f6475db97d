package autobahn_test

import (
	"context"
	"testing"

	"hawser.example/websocket/autobahn"
)

// uncompressedExtra is what an implementation without permessage-deflate can pass.
func uncompressedExtra() (cases []*autobahn.Case) {
	for _, c := range autobahn.Extra() {
		if c.Deflate == nil {
			cases = append(cases, c)
		}
	}
	return cases
}

func TestExtraServerOfThisProject(t *testing.T) {
	cases := uncompressedExtra()
	results, err := autobahn.RunServer(context.Background(), echoServer(t), autobahn.Options{Cases: cases})
	if err != nil {
		t.Fatal(err)
	}
	checkAll(t, autobahn.ForServers(cases), results)
}

func TestExtraClientOfThisProject(t *testing.T) {
	cases := uncompressedExtra()
	results := serverResults(t, autobahn.Options{Cases: cases}, "hawser", func(url string) { testee(t, url, "hawser", 8) })
	checkAll(t, autobahn.ForClients(cases), results)
}
