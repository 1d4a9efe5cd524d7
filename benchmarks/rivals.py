"""Servers as they are usually written, which ours are compared with. They read the same feed.

    python benchmarks/rivals.py aiohttp | websockets | picows FEED_PORT     over a lifeline

- `aiohttp`: an application with a router. `/ticks` answers at once with the last tick in a batch, encoded by
  the application for each request; `/wait` answers with the first tick
  after `after`, once it is there.
- `websockets`: `broadcast` to all connections, at each tick.
- `picows`: a loop of `send` over all connections, at each tick.

None of them resumes, refuses, limits or counts anything.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

import uvloop

from bench.lifeline import Lifeline

HOST = "127.0.0.1"
BACKLOG = 4096
HELLO = b'{"cursor":"e1:0","more":false,"ticks":[]}'


class Feed:
    """The lines of the feed, each handed to `on_tick`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.on_tick = [lambda line: None]

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(b"after -\n")
        await reader.readline()
        while line := await reader.readline():
            for each in self.on_tick:
                each(line[:-1])


async def aiohttp_application(feed: Feed, sock: socket.socket) -> None:
    from aiohttp import web

    last, waiting = [b'{"seq":0}'], []

    def take(line: bytes) -> None:
        last[0] = line
        parked, waiting[:] = waiting[:], []
        for future in parked:
            if not future.done():
                future.set_result(None)

    def response() -> web.Response:
        tick = json.loads(last[0])
        batch = {"cursor": f"e1:{tick['seq']}", "more": False, "ticks": [tick]}
        return web.json_response(batch)

    async def ticks(request: web.Request) -> web.Response:
        return response()

    async def wait(request: web.Request) -> web.Response:
        if json.loads(last[0])["seq"] <= int(request.query["after"]):
            future = asyncio.get_running_loop().create_future()
            waiting.append(future)
            await future
        return response()

    feed.on_tick.append(take)
    application = web.Application()
    application.router.add_get("/ticks", ticks)
    application.router.add_get("/wait", wait)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, sock, backlog=BACKLOG).start()


async def websockets_broadcast(feed: Feed, sock: socket.socket) -> None:
    from websockets.asyncio.server import broadcast, serve

    connections = set()

    async def attend(connection: object) -> None:
        await connection.send(HELLO.decode())   # type: ignore[attr-defined]
        connections.add(connection)
        try:
            await connection.wait_closed()      # type: ignore[attr-defined]
        finally:
            connections.discard(connection)

    feed.on_tick.append(lambda line: broadcast(connections, line.decode()))   # type: ignore[arg-type]
    await serve(attend, sock=sock, compression=None, ping_interval=None, backlog=BACKLOG).__aenter__()


async def picows_loop(feed: Feed, sock: socket.socket) -> None:
    from picows import WSListener, WSMsgType, ws_create_server

    connections = set()

    class Client(WSListener):
        def on_ws_connected(self, transport: object) -> None:
            transport.send(WSMsgType.TEXT, HELLO)   # type: ignore[attr-defined]
            connections.add(transport)

        def on_ws_disconnected(self, transport: object) -> None:
            connections.discard(transport)

    def push(line: bytes) -> None:
        for transport in connections:
            transport.send(WSMsgType.TEXT, line)

    feed.on_tick.append(push)
    await ws_create_server(lambda request: Client(), sock=sock, backlog=BACKLOG)


RIVALS = {"aiohttp": aiohttp_application, "websockets": websockets_broadcast, "picows": picows_loop}


async def main(name: str, port: int) -> None:
    """Serve until the lifeline ends."""
    line = Lifeline.from_environment()
    feed = Feed(port)
    sock = socket.create_server((HOST, 0), backlog=BACKLOG)
    sock.setblocking(False)
    await RIVALS[name](feed, sock)
    line.send({"ready": {"port": sock.getsockname()[1]}})
    reading = asyncio.create_task(feed.run())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(line.fileno(), stop.set)
    await stop.wait()
    reading.cancel()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
