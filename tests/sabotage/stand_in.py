"""A stand-in for a server: the real one behind a proxy that does something wrong to what it sends.

    python stand_in.py MODE COMMAND…

The runner takes it for the server: it speaks over the lifeline, passes on what is said, and names its own
port. COMMAND is the real server's. MODE is what happens to the ticks that the server pushes (each a frame
of its own), or to the counts that it ends with:

    drop      every tenth tick vanishes                     delay   each tick waits `DELAY_S`
    repeat    every fifth tick comes twice                  drift   each waits longer than the one before
    reorder   every tenth tick waits, and is overtaken      reset   each connection is cut once
    foreign   every tenth tick has an index of its own      forget  counts no skips

Of several modes, with commas between them, each connection has one, in turn.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench import lifeline
from bench.lifeline import Lifeline

DELAY_S = 0.7
OVERTAKEN_S = 0.05
DRIFT = 0.1
"""Seconds by which a tick waits longer, for each second that has passed."""
CUT_AFTER = 30
"""Frames after which `reset` cuts a connection."""


def frames(buffer: bytearray) -> Iterator[bytes]:
    """Yield the whole frames at the front of the buffer, taken out of it."""
    while len(buffer) >= 2:
        length, at = buffer[1] & 127, 2
        if length >= 126:
            at = 4 if length == 126 else 10
            length = int.from_bytes(buffer[2:at], "big")
        if len(buffer) < at + length:
            return
        yield bytes(buffer[: at + length])
        del buffer[: at + length]


def with_index(frame: bytes, index: int) -> bytes:
    """Return a short frame whose tick has another index."""
    text = re.sub(rb'"index":\d+', b'"index":%d' % index, frame[2 if frame[1] < 126 else 4:])
    length = bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")
    return frame[:1] + length + text


class Spoiler:
    """The changes that are made to the ticks of one connection."""

    def __init__(self, mode: str, cuts: list[bool]) -> None:
        self.mode = mode
        self.cuts = cuts
        self.count = 0
        self.began_s = time.monotonic()

    def wait_s(self) -> float:
        """Return how long the tick that was spoilt last is kept back."""
        if self.mode == "reorder" and self.count % 10 == 0:
            return OVERTAKEN_S
        if self.mode == "drift":
            return DRIFT * (time.monotonic() - self.began_s)
        return DELAY_S if self.mode == "delay" else 0.0

    def spoil(self, frame: bytes) -> bytes:
        """Return what is sent on in the frame's place."""
        if b'"seq"' not in frame or b'"ticks"' in frame:
            return frame
        self.count += 1
        tenth = self.count % 10 == 0
        if self.mode == "drop" and tenth:
            return b""
        if self.mode == "repeat" and self.count % 5 == 0:
            return frame + frame
        if self.mode == "foreign" and tenth:
            return with_index(frame, 4_000_000 + self.count)
        return frame

    @property
    def cut(self) -> bool:
        """True if the connection is to be cut now: ten of them are, once each."""
        if self.mode == "reset" and self.count == CUT_AFTER and len(self.cuts) < 10:
            self.cuts.append(True)
            return True
        return False


class StandIn:
    """The proxy, between clients and server, and between server and runner."""

    def __init__(self, mode: str, command: list[str]) -> None:
        self.modes = mode.split(",")
        self.connections = 0
        self.runner = Lifeline.from_environment()
        ours, theirs = socket.socketpair()
        environment = {**os.environ, lifeline.VARIABLE: str(theirs.fileno())}
        self.process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()
        self.server = Lifeline(ours)
        self.cuts: list[bool] = []
        self.done = asyncio.Event()
        self.address: tuple[str, int] = ("", 0)

    async def run(self) -> None:
        """Relay between clients and server until the server has sent its last message, or the runner is gone."""
        assert self.runner is not None
        loop = asyncio.get_running_loop()
        said = self.server.receive()
        assert said is not None
        ready = said["ready"]
        self.address = (ready["host"], ready["port"])
        own = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.runner.send({"ready": {**ready, "port": own.sockets[0].getsockname()[1]}})
        loop.add_reader(self.runner.fileno(), self.pass_on, self.runner, self.server)
        loop.add_reader(self.server.fileno(), self.pass_on, self.server, self.runner)
        await self.done.wait()

    def pass_on(self, one: Lifeline, other: Lifeline) -> None:
        """Tell the one what the other said."""
        messages = one.receive_ready()
        if messages is None:
            asyncio.get_running_loop().remove_reader(one.fileno())
            self.done.set()
        for message in messages or []:
            other.send(self.changed(message))

    def changed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message, with other counts where the mode says so."""
        if "forget" in self.modes and "done" in message:
            message["done"]["counts"] |= {"conflated": 0, "dropped": 0}
        return message

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        up_reader, up_writer = await asyncio.open_connection(*self.address)
        up = asyncio.create_task(copy(reader, up_writer))
        try:
            await (copy(up_reader, writer) if "forget" in self.modes else self.spoil(up_reader, writer))
        finally:
            up.cancel()
            for each in (writer, up_writer):
                each.close()

    async def spoil(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what the server pushes, spoilt."""
        loop = asyncio.get_running_loop()
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        spoiler, buffer = Spoiler(self.modes[self.connections % len(self.modes)], self.cuts), bytearray()
        self.connections += 1
        while data := await reader.read(65536):
            buffer += data
            for frame in frames(buffer):
                sent = spoiler.spoil(frame)
                if wait_s := spoiler.wait_s():
                    loop.call_later(wait_s, writer.write, sent)
                else:
                    writer.write(sent)
            if spoiler.cut:
                writer.transport.abort()
                return


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes as they are, until there are no more."""
    while data := await reader.read(65536):
        writer.write(data)
    if writer.can_write_eof():
        writer.write_eof()


if __name__ == "__main__":
    stand_in = StandIn(sys.argv[1], sys.argv[2:])
    try:
        asyncio.run(stand_in.run())
    finally:
        stand_in.process.wait()
