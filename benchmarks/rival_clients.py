"""Clients that the load generator is compared with. Each opens WebSocket connections and reads what is pushed.

    python benchmarks/rival_clients.py loop | picows PORT CONNECTIONS ORIGIN_NS     over a lifeline

- `loop`: epoll and `recvmsg` over the same sockets as the generator's (segment size, arrival stamps), and nothing
  else: it neither looks at the bytes nor keeps anything. This is the floor for a generator in Python.
- `picows`: parses each message and records it with the generator's own recorder. Its reads have no kernel stamp.

`ready` is sent once each connection has had its first message. `stop` asks for `done`: the numbers of reads and of
recorded updates.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import time
from functools import partial

import orjson
import uvloop

from bench.clock import NO_STAMP
from bench.lifeline import Lifeline
from bench.measure import tcp
from bench.measure.recording import Recorder

HOST = "127.0.0.1"
READ_SIZE = 65_536
UPGRADE = (b"GET /ticks HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def connection(port: int) -> socket.socket:
    """Return a connection that is upgraded and has had its first message."""
    sock = socket.socket()
    tcp.prepare(sock)
    sock.connect((HOST, port))
    sock.sendall(UPGRADE)
    data = b""
    while b'"ticks"' not in data:
        data += sock.recv(READ_SIZE)
    sock.setblocking(False)
    return sock


def loop(lifeline: Lifeline, port: int, connections: int) -> None:
    """Read all connections until `stop` arrives."""
    stamped = tcp.hold_stamped_socket()
    socks = {sock.fileno(): sock for sock in (connection(port) for _ in range(connections))}
    poll = select.epoll()
    for descriptor in socks:
        poll.register(descriptor, select.EPOLLIN)
    poll.register(lifeline.fileno(), select.EPOLLIN)
    lifeline.send({"ready": {}})
    reads, going = 0, True
    while going:
        for descriptor, _ in poll.poll():
            if descriptor == lifeline.fileno():
                going = False
                continue
            data, _, _, _ = socks[descriptor].recvmsg(READ_SIZE, tcp.ANCILLARY_SPACE)
            assert data, "the server hung up"
            reads += 1
    stamped.close()
    lifeline.receive()
    lifeline.send({"done": {"reads": reads, "recorded": None}})
    lifeline.receive()


async def picows_clients(lifeline: Lifeline, port: int, connections: int, origin_ns: int) -> None:
    """Parse and record what comes on all connections until `stop` arrives."""
    from picows import WSListener, ws_connect

    recorder, started = Recorder(), set()

    class Client(WSListener):
        number = -1

        def on_ws_frame(self, transport: object, frame: object) -> None:
            app_ns = time.monotonic_ns() - origin_ns
            fields = orjson.loads(frame.get_payload_as_memoryview())   # type: ignore[attr-defined]
            if "seq" in fields:
                recorder.deliver(self.number, fields["index"], fields["due_ns"], NO_STAMP, app_ns)
            else:
                started.add(self.number)

    def client_of(number: int) -> Client:
        client = Client()
        client.number = number
        return client

    for number in range(connections):
        await ws_connect(partial(client_of, number), f"ws://{HOST}:{port}/ticks")
    while len(started) < connections:
        await asyncio.sleep(0.01)
    lifeline.send({"ready": {}})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(lifeline.fileno(), stop.set)
    await stop.wait()
    lifeline.receive()
    lifeline.send({"done": {"reads": None, "recorded": recorder.delivered}})
    lifeline.receive()


def main() -> None:
    """Run the clients that the command line names."""
    lifeline = Lifeline.from_environment()
    assert lifeline is not None, "the benchmarks start this"
    kind, port, connections, origin_ns = sys.argv[1], *map(int, sys.argv[2:])
    if kind == "loop":
        loop(lifeline, port, connections)
    else:
        uvloop.run(picows_clients(lifeline, port, connections, origin_ns))


if __name__ == "__main__":
    main()
