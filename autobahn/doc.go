// Package autobahn is about the conformance suite that WebSocket implementations are measured with, the Autobahn
// TestSuite.
//
// So far it runs the original, in Docker, against this project: run.sh in this directory has it test "hawser echo" as
// a server and "hawser testee" as a client, with the specs in config, and README.md says how to use it and how to read
// what comes of it.
//
// A conformance kit in Go will live here: the same cases in both modes, with the same specs and reports, for an
// implementation in any language, and without Docker. It will have a small codec of its own, so that the code under
// test is never its own judge, and will use the root package in its tests alone.
package autobahn
