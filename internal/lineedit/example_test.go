package lineedit_test

import (
	"fmt"

	"hawser.example/websocket/internal/lineedit"
)

// A terminal sends "helo", the key Left, and "l".
func Example() {
	var parser lineedit.Parser
	editor := lineedit.Editor{Prompt: "> "}
	for _, key := range parser.Parse([]byte("helo\x1b[Dl")) {
		editor.Do(key)
	}
	fmt.Printf("%q, the cursor behind byte %d\n", editor.Line(), editor.Cursor())
	fmt.Printf("%q\n", editor.AppendRow(nil, 80))
	// Output:
	// "hello", the cursor behind byte 4
	// "\r\x1b[K> hello\r\x1b[6C"
}
