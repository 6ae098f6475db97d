package autobahn_test

import (
	"context"
	"testing"

	"hawser.example/websocket/autobahn"
)

func TestExtraServerOfThisProject(t *testing.T) {
	cases := autobahn.Extra()
	results, err := autobahn.RunServer(context.Background(), echoServer(t), autobahn.Options{Cases: cases, TimeoutScale: patient})
	if err != nil {
		t.Fatal(err)
	}
	checkAll(t, autobahn.ForServers(cases), results)
}

func TestExtraClientOfThisProject(t *testing.T) {
	cases := autobahn.Extra()
	results := serverResults(t, autobahn.Options{Cases: cases, TimeoutScale: patient}, "hawser", func(url string) { testee(t, url, "hawser", 8) })
	checkAll(t, autobahn.ForClients(cases), results)
}
