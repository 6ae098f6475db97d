// Package lineedit edits one line of text on a terminal. It does no I/O and knows no clock: bytes that were typed go
// in, bytes that a terminal understands come out, and everything between is plain state that a test can look at.
//
//	bytes ──► [Parser] ──► [Key] ──► [Editor] ──► AppendRow ──► bytes for the terminal
//
// Parser (key.go) makes keys of bytes; it keeps what is not complete until the rest comes. Editor (editor.go) holds the
// line, the cursor and the lines before it (history.go). What is seen of a line is always one row (row.go): a line that
// is longer than the terminal is wide scrolls sideways. So whoever prints something above the line has one row to erase
// and one to draw anew, whatever the width of the terminal has become meanwhile.
//
// Whoever owns the terminal puts it into raw mode, reads from it, writes to it and tells its width.
package lineedit
