// A WebSocket peer made of Node's ws, driven over stdin and stdout.
//
//   node peer.js client URL [SUBPROTOCOL...]
//   node peer.js server [SUBPROTOCOL...]
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

// watch reports everything the socket does, from its opening to its end.
function watch(socket) {
  socket.on('message', (data, isBinary) =>
    report('message', { type: isBinary ? 'binary' : 'text', data: base64(data) }));
  socket.on('ping', (data) => report('ping', { data: base64(data) }));
  socket.on('pong', (data) => report('pong', { data: base64(data) }));
  socket.on('error', (err) => report('error', { text: String(err) }));
  socket.on('close', (code, reason) => {
    report('close', { code, reason: reason.toString('utf8') });
    process.stdin.destroy();
  });
}

const commands = {
  // send writes one message: a frame for each part, the last one with FIN.
  send(socket, { type, parts }) {
    parts.forEach((part, i) =>
      socket.send(Buffer.from(part, 'base64'), { binary: type === 'binary', fin: i === parts.length - 1 }));
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

function client(url, subprotocols) {
  const socket = new WebSocket(url, subprotocols);
  watch(socket);
  socket.on('open', () => {
    report('open', { protocol: socket.protocol });
    obey(socket);
  });
}

// server takes one connection on a free port, then stops listening.
function server(subprotocols) {
  const listener = http.createServer();
  const handleProtocols = (offered) => [...offered].find((name) => subprotocols.includes(name)) || false;
  const sockets = new WebSocketServer({ server: listener, handleProtocols });
  sockets.on('connection', (socket) => {
    listener.close();
    watch(socket);
    report('open', { protocol: socket.protocol });
    obey(socket);
  });
  listener.listen(0, '127.0.0.1', () =>
    report('listening', { url: `ws://127.0.0.1:${listener.address().port}/` }));
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'client') client(rest[0], rest.slice(1));
else if (role === 'server') server(rest);
else {
  process.stderr.write('usage: peer.js client URL [SUBPROTOCOL...] | server [SUBPROTOCOL...]\n');
  process.exit(2);
}
