package main

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// The port can be listened on, and is none that an outgoing connection could take meanwhile.
func TestPortIsFree(t *testing.T) {
	var out strings.Builder
	if err := printPort(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(out.String(), "\n")
	port, err := strconv.Atoi(text)
	if err != nil || port < firstPort || port > lastPort || lastPort >= 32768 {
		t.Errorf("port %q", out.String())
	}
	ln, err := net.Listen("tcp", ":"+text)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}
