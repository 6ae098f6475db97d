package main

// connectHelp is what follows the flags in "hawser help connect".
const connectHelp = `
In a pipe lines from standard input are sent as text messages; each message that arrives is written to standard output,
followed by a newline. Standard output holds nothing else; all else goes to standard error. A message may have several
lines: a pipe cannot tell them from several messages (--json can). A line that is not UTF-8 is left out, and standard
error says so.

If input and output are a terminal there is a prompt with the keys of a shell (not on Windows, nor with TERM=dumb, where
lines are sent as they are): arrows, Home, End, word by word with Alt or Ctrl, Ctrl-A E K U W L, earlier lines with up
and down. Pasted text is part of the line, line breaks too; a line has at most 1 MiB. Control characters that arrive are
shown escaped, and of binary messages the first 64 bytes in hex. A line that begins with a slash is a command:

  /ping [TEXT]            send a Ping, and say when its Pong comes
  /pong [TEXT]            send a Pong that nobody asked for
  /close [CODE [REASON]]  close the connection, with 1000 unless CODE is given
  /bin HEX                send a binary message, such as /bin 00ff 1b
  /help                   list the commands
  //TEXT                  send "/TEXT"

After the end of the input (Ctrl-D on a terminal) it goes on reading until the server closes, until -n messages have
come, until nothing of one has come for -w, or until Ctrl-C. Then it closes the connection and awaits the server's
answer, for 5 s at most; a second Ctrl-C ends it at once. If nobody reads standard output any more (as behind head -1)
it ends without waiting for the server.

What ends --reconnect besides -n, -w, --expect, --timeout and Ctrl-C: a Close of the server with code 1000 or without a
code; and, with exit code 3, a certificate that is not trusted, and any answer that is a refusal, such as a redirect,
400, 401, 403 or 404, other than 408, 429 and 500 to 599. After all else it connects again.

The URL is ws://, wss:// or unix:/path/of/socket:/path/of/request. A proxy is taken from the environment: HTTPS_PROXY
for wss, HTTP_PROXY for ws, or ALL_PROXY for both (http, https and socks5 URLs), but for the hosts in NO_PROXY and this
machine. What is said of URLs has no passwords, no fragments, and no values of parameters named token, access_token,
jwt, key, apikey, api_key, secret, password, auth, sig or signature; what is said of header fields has none of
Authorization and Cookie.

With --json every line of standard output is an object. "time" (RFC 3339) and "event" are in each; the others by event:

  open      url, subprotocol, extension (what was agreed on; left out if nothing was)
  message   one that came: type ("text" or "binary"), text or base64, size, compressed (bytes; left out if it was not)
  sent      one that was sent: type, size, compressed
  ping pong that came: text, or base64 if it is no UTF-8; size
  rtt       with -i: rtt_ms
  frame     with -v: direction ("in" or "out"), opcode, fin, rsv ("100" is RSV1), mask, length
  close     by ("server" or "client"), code, reason
  error     error, why there is no connection or it ended without a Close

Exit code: 0 after a normal close, 1 if the connection ended otherwise or not all input could be sent, 2 for a wrong
command line, 3 if there was no connection or the handshake failed, 4 if fewer than -n messages came or none that
--expect waits for.

Examples:
  hawser connect ws://127.0.0.1:9002/                          # a prompt
  hawser connect -m hello -n 1 ws://127.0.0.1:9002/            # ask, print the answer, end
  hawser connect -m '{"subscribe":"news"}' ws://127.0.0.1:9002/   # say something first, then a prompt
  hawser connect --file request.json -n 1 --pretty ws://127.0.0.1:9002/
  seq 3 | hawser connect ws://127.0.0.1:9002/                  # every line a message
  hawser connect ws://127.0.0.1:8080/topics/news | while read -r line; do echo "got $line"; done
  : | hawser connect -w -1s ws://127.0.0.1:8080/topics/news    # only receive, in a script without input
  tar c . | hawser connect -b wss://example.com/upload         # bytes as they come, not lines
  hawser connect -b --file picture.png ws://127.0.0.1:9002/    # a file as one binary message
  hawser connect -H 'Authorization: Bearer TOKEN' --origin https://example.com -s chat wss://example.com/
  hawser connect -u user:password wss://example.com/
  hawser connect --cacert ca.pem --cert me.pem --key me.key wss://example.com/
  hawser connect -k --connect 127.0.0.1:8443 wss://example.com/   # another server than DNS says, any certificate
  hawser connect unix:/run/app.sock:/chat                      # over a Unix socket
  HTTPS_PROXY=http://proxy:3128 hawser connect wss://example.com/
  hawser connect -v --no-deflate ws://127.0.0.1:9002/          # every frame
  hawser connect -i 5s ws://127.0.0.1:9002/                    # how far away it is
  : | hawser connect --reconnect -w -1s -m '{"subscribe":"news"}' wss://example.com/ | tee news.log
  hawser connect -m ping --expect '^pong$' --timeout 5s ws://127.0.0.1:9002/   # is it well? exit code 0 or 4
  hawser connect --json ws://127.0.0.1:9002/ | jq -r 'select(.event == "message").text'`
