"""A tab's way to a server: it passes bytes on, counts them, and can be cut.

    browser ──connections──► relay ──connections──► one of a subject's servers
                              │ bytes up, bytes down, connections
                              └ cut: every connection is reset, and each new one, until the cut is over

A page can't count its own bytes: request headers, response heads and frames are hidden from scripts. The relay sees all
of them. Nor can a page cut its network; a relay can, so the client meets a cut as it does anywhere: by an error,
after which it has to come back by its own means.

A relay leads to one of several servers of a subject, which differ in an option (a flush). When it is switched, its
connections are reset, and new ones lead to the other server.

Known weakness: each byte is copied once more on its way, which adds some tenths of a millisecond to every latency
that the page shows. Bytes are those that TCP carries, without its own headers and acknowledgements. A reset is one
kind of cut: a network that just goes silent is noticed later.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

from bench.experiment.live.config import LOCALHOST

CHUNK_BYTES = 65536
AT_ONCE = struct.pack("ii", 1, 0)
"""`SO_LINGER`: closing resets the connection."""


class Relay:
    """The way of one tab to the servers that listen at `ports`; at first to the first."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self.server = 0
        """The index of the server to which new connections lead."""
        self.bytes_up = 0
        self.bytes_down = 0
        self.connections = 0
        """Connections passed on since the relay was opened; those reset at once are not among them."""
        self._cut_until_s = 0.0
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._carry, LOCALHOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Listen no more, and reset all connections."""
        self._server.close()
        self._reset()

    @property
    def cut_s(self) -> float:
        """Return the seconds until the present cut is over; 0 if there is none."""
        return max(0.0, self._cut_until_s - asyncio.get_running_loop().time())

    def cut(self, length_s: float) -> None:
        """Reset all connections, and each new one for the next `length_s` seconds."""
        self._cut_until_s = asyncio.get_running_loop().time() + length_s
        self._reset()

    def switch(self, server: int) -> None:
        """Reset all connections; new ones lead to the server of this index."""
        self.server = server
        self._reset()

    def _reset(self) -> None:
        for task, writer in self._open.items():
            _abort(writer)
            task.cancel()

    async def _carry(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """Pass on one connection, until both sides have ended or one is lost."""
        if self.cut_s:
            _abort(near_out)
            return
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = near_out
        self.connections += 1
        far_out = None
        try:
            far_in, far_out = await asyncio.open_connection(LOCALHOST, self.ports[self.server])
            await asyncio.gather(self._pass_up(near_in, far_out), self._pass_down(far_in, near_out))
        except OSError:
            pass   # one side is lost: so is the other
        finally:
            del self._open[task]
            for writer in (near_out, far_out):
                if writer is not None:
                    writer.transport.abort()

    async def _pass_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            self.bytes_up += len(data)
            await _sent(data, writer)
        writer.write_eof()

    async def _pass_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            self.bytes_down += len(data)
            await _sent(data, writer)
        writer.write_eof()


async def _sent(data: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(data)
    await writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Reset a connection: the other side gets an error, no orderly end."""
    if not writer.transport.is_closing():
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        writer.transport.abort()
