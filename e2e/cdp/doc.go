// Package cdp drives a headless Chromium over its DevTools protocol.
//
// The DevTools endpoint is a WebSocket server that this project did not write, so every run of these tests is also a
// run of hawser's client against a foreign server: large messages, many small ones, and a close at the end.
//
//	[Start] runs Chromium and dials its endpoint          chromium.go, browser.go
//	[Browser.NewPage] opens a tab                         page.go
//	[Page.Eval], [Page.WaitFor] look at what it shows
//	[Page.Problems] lists what went wrong inside it       problems.go
package cdp
