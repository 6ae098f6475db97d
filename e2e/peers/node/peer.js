// A WebSocket peer made of Node's ws, driven over stdin and stdout.
//
//   node peer.js [--deflate=JSON] client URL [SUBPROTOCOL...]
//   node peer.js [--deflate=JSON] server [SUBPROTOCOL...]
//
// The commands and events are described in ../README.md.
'use strict';

const http = require('node:http');
const readline = require('node:readline');
const { WebSocket, WebSocketServer } = require('ws');

function report(event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
}

const base64 = (data) => Buffer.from(data).toString('base64');

// watch reports everything the socket does, from its opening to its end, but messages that are to be echoed.
function watch(socket) {
  let messages = 0;
  socket.on('message', (data, isBinary) => {
    if (socket.echo) echo(socket, data, isBinary, ++messages);
    else report('message', { type: isBinary ? 'binary' : 'text', data: base64(data) });
  });
  socket.on('ping', (data) => report('ping', { data: base64(data) }));
  socket.on('pong', (data) => report('pong', { data: base64(data) }));
  socket.on('error', (err) => report('error', { text: String(err) }));
  socket.on('close', (code, reason) => {
    report('close', { code, reason: reason.toString('utf8') });
    process.stdin.destroy();
  });
}

// echo sends a message back, every seventh in three frames.
function echo(socket, data, binary, number) {
  const [a, b] = number % 7 ? [0, 0] : [Math.floor(data.length / 3), Math.floor((2 * data.length) / 3)];
  if (b > a) {
    socket.send(data.subarray(0, a), { binary, fin: false });
    socket.send(data.subarray(a, b), { binary, fin: false });
  }
  socket.send(data.subarray(b), { binary, fin: true });
}

const commands = {
  // send writes one message: a frame for each part, the last one with FIN.
  send(socket, { type, parts }) {
    parts.forEach((part, i) =>
      socket.send(Buffer.from(part, 'base64'), { binary: type === 'binary', fin: i === parts.length - 1 }));
  },
  echo(socket) {
    socket.echo = true;
    report('echoing');
  },
  ping(socket, { data }) {
    socket.ping(Buffer.from(data, 'base64'));
  },
  close(socket, { code, reason }) {
    if (code === 0) socket.close();
    else socket.close(code, reason);
  },
};

function obey(socket) {
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line);
    commands[command.do](socket, command);
  });
}

// deflateOptions are those of --deflate as ws has them; undefined without: then each role has ws's own default.
function deflateOptions(json) {
  if (!json) return undefined;
  const options = { threshold: 64 };
  const { serverNoTakeover, clientNoTakeover, serverBits, clientBits } = JSON.parse(json);
  if (serverNoTakeover) options.serverNoContextTakeover = true;
  if (clientNoTakeover) options.clientNoContextTakeover = true;
  if (serverBits) options.serverMaxWindowBits = serverBits;
  if (clientBits) options.clientMaxWindowBits = clientBits;
  return options;
}

const opened = (socket) => report('open', { protocol: socket.protocol, extension: socket.extensions });

function client(url, subprotocols, perMessageDeflate) {
  const socket = new WebSocket(url, subprotocols, { perMessageDeflate });
  watch(socket);
  socket.on('open', () => {
    opened(socket);
    obey(socket);
  });
}

// server takes one connection on a free port, then stops listening.
function server(subprotocols, perMessageDeflate) {
  const listener = http.createServer();
  const handleProtocols = (offered) => [...offered].find((name) => subprotocols.includes(name)) || false;
  const sockets = new WebSocketServer({ server: listener, handleProtocols, perMessageDeflate });
  sockets.on('connection', (socket) => {
    listener.close();
    watch(socket);
    opened(socket);
    obey(socket);
  });
  listener.listen(0, '127.0.0.1', () =>
    report('listening', { url: `ws://127.0.0.1:${listener.address().port}/` }));
}

const flag = '--deflate=';
const args = process.argv.slice(2);
const deflate = deflateOptions(args[0]?.startsWith(flag) && args.shift().slice(flag.length));
const [role, ...rest] = args;
if (role === 'client') client(rest[0], rest.slice(1), deflate);
else if (role === 'server') server(rest, deflate);
else {
  process.stderr.write('usage: peer.js [--deflate=JSON] client URL [SUBPROTOCOL...] | server [SUBPROTOCOL...]\n');
  process.exit(2);
}
