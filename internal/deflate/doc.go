// Package deflate is DEFLATE (RFC 1951) for WebSocket messages (RFC 7692).
package deflate
