"""A WebSocket peer made of Python's websockets, driven over stdin and stdout.

    peer.py [--deflate=JSON] client URL [SUBPROTOCOL...]
    peer.py [--deflate=JSON] server [SUBPROTOCOL...]

The commands and events are described in ../README.md.
"""

import asyncio
import base64
import json
import sys
import threading

import websockets
from websockets.extensions import permessage_deflate


def report(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def encode(data):
    return base64.b64encode(data).decode("ascii")


class ReportsPings:
    """The library answers pings by itself; this makes them visible too."""

    async def pong(self, data=b""):
        report("ping", data=encode(data))
        await super().pong(data)


class Echoes:
    echo = False


class Client(Echoes, ReportsPings, websockets.WebSocketClientProtocol):
    pass


class Server(Echoes, ReportsPings, websockets.WebSocketServerProtocol):
    pass


async def send(socket, command):
    """Sends one message; several parts make it a fragmented one."""
    parts = [base64.b64decode(part) for part in command["parts"]]
    if command["type"] == "text":
        parts = [part.decode("utf-8") for part in parts]
    await socket.send(parts[0] if len(parts) == 1 else parts)


async def echo(socket, command):
    """From now on messages are sent back instead of being reported."""
    socket.echo = True
    report("echoing")


async def send_back(socket, message, number):
    """Sends a message back, every seventh in three frames."""
    if number % 7 or len(message) < 3:
        await socket.send(message)
        return
    a, b = len(message) // 3, 2 * len(message) // 3
    await socket.send([message[:a], message[a:b], message[b:]])


async def ping(socket, command):
    data = base64.b64decode(command["data"])
    pong = await socket.ping(data)

    async def report_pong():
        await pong
        report("pong", data=encode(data))

    asyncio.create_task(report_pong())


async def close(socket, command):
    if command["code"]:
        await socket.close(command["code"], command["reason"])
    else:
        await socket.close()


COMMANDS = {"send": send, "echo": echo, "ping": ping, "close": close}


def read_commands(loop, queue):
    for line in sys.stdin:
        loop.call_soon_threadsafe(queue.put_nowait, json.loads(line))


async def obey(socket):
    """Carries out the commands of stdin, one after the other."""
    queue = asyncio.Queue()
    loop = asyncio.get_running_loop()
    threading.Thread(target=read_commands, args=(loop, queue), daemon=True).start()
    while True:
        command = await queue.get()
        try:
            await COMMANDS[command["do"]](socket, command)
        except Exception as error:  # whatever it is, the test has to see it
            report("error", text=repr(error))


async def run(socket):
    """Reports everything that arrives, until the connection has ended."""
    extensions = ", ".join(extension.name for extension in socket.extensions)
    report("open", protocol=socket.subprotocol or "", extension=extensions)
    commands = asyncio.create_task(obey(socket))
    messages = 0
    try:
        async for message in socket:
            if socket.echo:
                messages += 1
                await send_back(socket, message, messages)
            elif isinstance(message, str):
                report("message", type="text", data=encode(message.encode("utf-8")))
            else:
                report("message", type="binary", data=encode(message))
    except websockets.ConnectionClosedError:
        pass  # the close code says it: the loop above ends quietly on 1000 and 1001 only
    await socket.wait_closed()
    commands.cancel()
    report("close", code=socket.close_code, reason=socket.close_reason)


# No pings of its own while a test runs, and no limit below what the tests send.
OPTIONS = {"ping_interval": None, "max_size": None}


def deflate_options(factory, options):
    """The options of --deflate as the library has them; those of the library's own default without."""
    if options is None:
        return {}
    parameters = {
        "server_no_context_takeover": options.get("serverNoTakeover", False),
        "client_no_context_takeover": options.get("clientNoTakeover", False),
    }
    if "serverBits" in options:
        parameters["server_max_window_bits"] = options["serverBits"]
    if "clientBits" in options:
        parameters["client_max_window_bits"] = options["clientBits"]
    return {"compression": None, "extensions": [factory(**parameters)]}


async def client(deflate, url, subprotocols):
    options = OPTIONS | deflate_options(permessage_deflate.ClientPerMessageDeflateFactory, deflate)
    async with websockets.connect(url, subprotocols=subprotocols or None, create_protocol=Client, **options) as socket:
        await run(socket)


async def server(deflate, subprotocols):
    """Takes one connection on a free port, then stops listening."""
    options = OPTIONS | deflate_options(permessage_deflate.ServerPerMessageDeflateFactory, deflate)
    ended = asyncio.Event()

    async def handle(socket):
        await run(socket)
        ended.set()

    listener = await websockets.serve(
        handle, "127.0.0.1", 0, subprotocols=subprotocols or None, create_protocol=Server, **options
    )
    report("listening", url="ws://127.0.0.1:%d/" % listener.sockets[0].getsockname()[1])
    await ended.wait()
    listener.close()


def main(args):
    flag, deflate = "--deflate=", None
    if args and args[0].startswith(flag):
        deflate = json.loads(args.pop(0)[len(flag) :])
    if args[:1] == ["client"] and len(args) > 1:
        asyncio.run(client(deflate, args[1], args[2:]))
    elif args[:1] == ["server"]:
        asyncio.run(server(deflate, args[1:]))
    else:
        sys.exit("usage: peer.py [--deflate=JSON] client URL [SUBPROTOCOL...] | server [SUBPROTOCOL...]")


if __name__ == "__main__":
    main(sys.argv[1:])
