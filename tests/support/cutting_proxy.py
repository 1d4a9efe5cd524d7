"""A proxy between clients and one server that cuts each connection in mid stream, at a drawn byte of the answer."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
from contextlib import suppress

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: a close sends a reset."""
BYTES_MOST = 2000


class CuttingProxy:
    """Hands on all bytes until `begin` is called; then ends each connection, old and new, after some bytes of answers.

    One half of the connections is ended in order, in the middle of whatever is being sent, the other half is reset.
    After `cuts_most` cuts it hands on everything again. A connection that comes while its server is gone is ended at
    once.
    """

    def __init__(self, host: str, port: int, seed: int, cuts_most: int) -> None:
        self.cuts = 0
        self._server = (host, port)
        self._draw = random.Random(seed)
        self._cuts_most = cuts_most
        self._cutting = False
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self) -> None:
        """Begin to cut."""
        self._cutting = True

    def lead_to(self, host: str, port: int) -> None:
        """Lead new connections to another server."""
        self._server = (host, port)

    def close(self) -> None:
        """End all connections, and accept no more."""
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):   # of a listener that was closed
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._server)
                except ConnectionRefusedError:
                    client.close()
                    continue
                self._open += [client, server]
                left, resets = self._draw.randint(1, BYTES_MOST), self._draw.random() < 0.5
                threading.Thread(target=self._serve, args=(client, server, left, resets), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket, left: int, resets: bool) -> None:
        """Hand on what both send, up to the byte of the answer, `left` from when cuts begin, at which it is cut."""
        with suppress(OSError, ValueError):   # of sockets that either side, or `close`, has closed
            ended = False
            while left and not ended:
                for sock in select.select([client, server], [], [])[0]:
                    data = sock.recv(65536)
                    ended = ended or not data
                    if sock is client or not self._cutting or (len(data) >= left and not self._takes_a_cut()):
                        (server if sock is client else client).sendall(data)
                    else:
                        client.sendall(data[:left])
                        left = max(0, left - len(data))
            if not left and resets:   # a close of the connection is a reset
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        server.close()

    def _takes_a_cut(self) -> bool:
        """Take one of the cuts that are left, and return whether there was one: each connection has its own thread."""
        with self._lock:
            taken = self.cuts < self._cuts_most
            self.cuts += taken
        return taken
