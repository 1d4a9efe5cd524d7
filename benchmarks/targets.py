"""Small fast servers for the benchmarks, so that the client is the limit.

    python benchmarks/targets.py polls | closing-polls | handshakes | updates     over a lifeline

- `polls` answers every request at once with a prepared response: a batch of one tick of 120 bytes.
- `closing-polls` answers likewise, and closes the connection after each response.
- `handshakes` answers an upgrade with 101, a first batch and a close after which a client may reconnect at once.
- `updates` upgrades, sends a first batch, and pushes the ticks of a `Ramp`, paced, one send per
  connection and tick.

They read only the end of a request's head and the key of an upgrade, so they are no servers for other uses.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha1

import uvloop

from bench.lifeline import Lifeline

HOST = "127.0.0.1"
BACKLOG = 4096
SPIN_NS = 300_000
_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *([^\r\n ]+)")


@dataclass(frozen=True)
class Ramp:
    """Updates over all connections, paced, at rates that rise step by step with a rest between two."""

    connections: int
    first_per_s: float
    factor: float
    steps: int
    step_s: float = 1.0
    rest_s: float = 0.4

    @property
    def rates_per_s(self) -> list[float]:
        """The updates per second of each step."""
        return [self.first_per_s * self.factor**step for step in range(self.steps)]

    @property
    def length_s(self) -> float:
        """The time from the first tick to the end of the last rest."""
        return self.steps * (self.step_s + self.rest_s)

    def ticks(self) -> Iterator[tuple[int, int]]:
        """Yield (step, offset in ns) of each tick; a tick goes to every connection."""
        for step, rate in enumerate(self.rates_per_s):
            begin_ns = int(step * (self.step_s + self.rest_s) * 1e9)
            gap_ns = int(self.connections / rate * 1e9)
            for offset_ns in range(0, int(self.step_s * 1e9), gap_ns):
                yield step, begin_ns + offset_ns

    def to_json(self) -> str:
        """Return the ramp as JSON, for the command line."""
        return json.dumps(asdict(self))


def tick_line(index: int, due_ns: int) -> bytes:
    """Return a tick of about 120 bytes."""
    return (b'{"index":%d,"seq":%d,"due_ns":%d,"symbol":"LONG-ENOUGH-A-SYMBOL","price":1234.56,"size":1000}'
            % (index, index + 1, due_ns)).replace(b"}", b" " * 8 + b"}")


def batch(seq: int, *ticks: bytes) -> bytes:
    """Return a batch as every server encodes it."""
    return b'{"cursor":"bench:%d","more":false,"ticks":[%s]}' % (seq, b",".join(ticks))


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a WebSocket frame from a server."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + payload


def upgrade(head: bytes) -> bytes:
    """Return the response to an upgrade."""
    key = _KEY.search(head)
    assert key is not None, head
    accept = b64encode(sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def responses(more: bytes = b"") -> Iterator[bytes]:
    """Yield responses to polls without end: a thousand ticks in turn, each a hundred times."""
    heads = []
    for seq in range(1, 1001):
        body = batch(seq, tick_line(seq, 0))
        heads.append(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-cache\r\n"
            b"Server: benchmark\r\nContent-Length: %d\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n%s\r\n"
            % (len(body), more) + body
        )
    while True:
        for head in heads:
            yield from [head] * 100


class Target(asyncio.Protocol):
    """A connection that answers each request head."""

    served = 0

    def connection_made(self, transport):
        self.transport = transport
        self.head = b""

    def data_received(self, data):
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            head, self.head = self.head, b""
            Target.served += 1
            self.serve(head)


class Polls(Target):
    replies = responses()

    def serve(self, head):
        self.transport.write(next(self.replies))


class ClosingPolls(Target):
    replies = responses(b"Connection: close\r\n")

    def serve(self, head):
        self.transport.write(next(self.replies))
        self.transport.close()


class Handshakes(Target):
    messages = frame(batch(1)) + frame((4008).to_bytes(2, "big") + b"slow-client bench:1", opcode=8)
    upgraded = False

    def serve(self, head):
        self.upgraded = True
        self.transport.write(upgrade(head) + self.messages)

    def data_received(self, data):
        if self.upgraded:
            self.transport.close()   # the client's close frame
        else:
            super().data_received(data)


async def serve(kind: type[Target], lifeline: Lifeline) -> None:
    """Serve until `stop` arrives; `count` asks for the number of requests served so far."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(kind, HOST, 0, backlog=BACKLOG)
    lifeline.send({"ready": {"port": server.sockets[0].getsockname()[1]}})

    def receive() -> None:
        for message in lifeline.receive_ready() or [{"stop": {}}]:
            if "count" in message:
                lifeline.send({"count": {"served": Target.served, "at_ns": time.monotonic_ns()}})
            if "stop" in message:
                stop.set()

    loop.add_reader(lifeline.fileno(), receive)
    await stop.wait()


def push(ramp: Ramp, lifeline: Lifeline) -> None:
    """Wait for all connections, then for `start`, and push the ramp's ticks from that instant on."""
    listener = socket.create_server((HOST, 0), backlog=BACKLOG)
    lifeline.send({"ready": {"port": listener.getsockname()[1]}})
    socks = []
    for _ in range(ramp.connections):
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(4096)
        sock.sendall(upgrade(head) + frame(batch(0)))
        socks.append(sock)
    lifeline.send({"full": {}})
    start = lifeline.receive()["start"]
    descriptors = [sock.fileno() for sock in socks]   # blocking: a client that reads nothing makes this late
    late_ns = [0] * ramp.steps
    for index, (step, offset_ns) in enumerate(ramp.ticks()):
        due_ns = start["at_ns"] + offset_ns
        wait_ns = due_ns + start["origin_ns"] - time.monotonic_ns()
        if wait_ns > SPIN_NS:
            time.sleep((wait_ns - SPIN_NS) / 1e9)
        while time.monotonic_ns() < due_ns + start["origin_ns"]:
            pass
        message = frame(tick_line(index, due_ns))
        for descriptor in descriptors:
            os.write(descriptor, message)
        late_ns[step] = time.monotonic_ns() - start["origin_ns"] - due_ns
    lifeline.send({"pushed": {"late_ns": late_ns}})
    lifeline.receive()


def main() -> None:
    """Run the target that the command line names."""
    lifeline = Lifeline.from_environment()
    assert lifeline is not None, "the benchmarks start this"
    kind = sys.argv[1]
    if kind == "updates":
        push(Ramp(**json.loads(sys.argv[2])), lifeline)
    else:
        kinds = {"polls": Polls, "closing-polls": ClosingPolls, "handshakes": Handshakes}
        uvloop.run(serve(kinds[kind], lifeline))


if __name__ == "__main__":
    main()
