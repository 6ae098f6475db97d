// Package autobahn is a conformance kit for WebSocket implementations in any language: the 517 cases of the Autobahn
// TestSuite, with its numbers, expectations and grades, for servers and for clients, and some of its own.
//
// [RunServer] tests a server: the kit is the client. A [Server] tests clients, which ask it for the cases by the paths
// of the original. Either way a case leaves a [Result], which is graded, and of which the reports are written. The
// command is "hawser conform".
//
// The kit is nobody's judge in their own cause: it has a small codec of its own, uses unicode/utf8 and compress/flate,
// and imports the package websocket in its tests alone, as one more implementation under test.
//
// What is where, in the order in which a case goes through it:
//
//	case.go, step.go      what a case is
//	cases.txt, table.go   the cases that follow a script, and what reads them
//	families.go           9, 12 and 13, which are the same exchange with other sizes
//	corpora.go            the data of 12 and 13: made up, as the original's files are not ours to ship
//	extra.*, handshakes.go   the kit's own cases
//	describe.go           a case in words, made from its steps
//	runserver.go, serve.go   the two modes
//	opening.go            the opening handshake
//	conn.go               the connection: who owns what, timers, the log
//	send.go, wire.go      steps, messages and frames on their way out
//	receive.go, utf8.go   and on their way in, with what the peer must not do
//	events.go             what a case does with what comes
//	closing.go            the closing handshake, and who ended what
//	deflate.go, inflate.go, huffman.go, sequence.go   permessage-deflate
//	grade.go              the grades
//	result.go             what a case leaves behind
//
// And what comes of results:
//
//	index.go, report*.go  the files of a report, written and read
//	html*.go, page        its page
//	verdict.go, summary*.go, baseline.go   whether a report is good enough
//	junit.go              that for CI
//
// What is run is said by run.go, the options of both modes, and by spec.go, the original's files.
//
// The tests hold the tables against facts about the original (testdata/facts.txt) and try the kit on implementations
// with one fault each: testdata/mutants.txt says which cases find which.
package autobahn
