// An echo server made of Node's ws, to be judged by the conformance kit: node echo-server.js [PORT]
'use strict';

const { WebSocketServer } = require('ws');

const server = new WebSocketServer({
  host: '127.0.0.1', port: Number(process.argv[2] ?? 0), perMessageDeflate: true, maxPayload: 64 << 20,
});
server.on('connection', (socket) => {
  socket.on('error', () => {}); // what a peer does wrong is for the kit to judge
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on('listening', () => console.log(`listening on ws://127.0.0.1:${server.address().port}/`));
