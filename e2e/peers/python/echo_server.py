"""An echo server made of Python's websockets, to be judged by the conformance kit: python3 echo_server.py [PORT]"""

import asyncio
import logging
import sys

import websockets

logging.getLogger("websockets").setLevel(logging.CRITICAL)  # what a peer does wrong is for the kit to judge


async def echo(socket, path=None):
    async for message in socket:
        await socket.send(message)


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    async with websockets.serve(echo, "127.0.0.1", port, max_size=64 << 20, ping_interval=None) as server:
        print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await asyncio.Future()


asyncio.run(main())
