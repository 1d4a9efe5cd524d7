"""A long-polling server that gives each request a thread of a small pool, as many application servers do.

    selector ─ a request has come ─► pool of threads ─ waits for a tick, up to the hold time ─► answer
        ▲                                                                                       │
        └────────────────────────── the connection, idle again ◄────────────────────────────────┘

A parked request holds its thread, so with more clients than threads the others wait until a thread is free. It follows
docs/contract.md as far as a scenario of claims needs: `mode=every`, no entity tags, no compression, no counts.

    python3 thread_per_request.py PORT FEED_PORT THREADS HOLD_S

Known weakness: it serves one life of the feed, and ends with it.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

LOCALHOST = "127.0.0.1"
BATCH_MAX = 1000


class Tape:
    """The ticks of the feed, and the threads that wait for the next one."""

    def __init__(self, feed_port: int) -> None:
        self.changed = threading.Condition()
        self.ticks: list[tuple[int, str, bytes]] = []
        """Of each tick its number in the epoch, its symbol and its line."""
        self.lines = socket.create_connection((LOCALHOST, feed_port)).makefile("rwb")
        self.lines.write(b"after -\n")
        self.lines.flush()
        header = json.loads(self.lines.readline())
        self.epoch, self.first, self.head = header["epoch"], header["after"] + 1, header["head"]

    def follow(self) -> None:
        """Take each tick when it comes; end the process with the feed."""
        for line in self.lines:
            self.take(line)
        os._exit(0)

    def take(self, line: bytes) -> None:
        """Append a tick, and wake all threads that wait."""
        tick = json.loads(line)
        with self.changed:
            self.ticks.append((tick["seq"], tick["symbol"], line.rstrip(b"\n")))
            self.changed.notify_all()

    @property
    def newest(self) -> int:
        """Return the number of the newest tick."""
        return self.first + len(self.ticks) - 1

    def after(self, seq: int, symbols: frozenset[str] | None) -> list[tuple[int, str, bytes]]:
        """Return the ticks after a number that a client subscribes to."""
        later = self.ticks[max(seq + 1 - self.first, 0):]
        return later if symbols is None else [each for each in later if each[1] in symbols]

    def wait(self, seq: int, symbols: frozenset[str] | None, hold_s: float) -> bytes:
        """Wait for a tick after a number for up to `hold_s`; return the batch."""
        until_s = time.monotonic() + hold_s
        with self.changed:
            while not (found := self.after(seq, symbols)) and (left_s := until_s - time.monotonic()) > 0:
                self.changed.wait(left_s)
            more = len(found) > BATCH_MAX
            found = found[:BATCH_MAX]
            cursor = found[-1][0] if more else max(self.newest, seq)
        head = f'{{"cursor":"{self.epoch}:{cursor}","more":{str(more).lower()},"ticks":['
        return head.encode() + b",".join(each[2] for each in found) + b"]}"


class Server:
    """Accepts connections, and gives each request to a thread."""

    def __init__(self, port: int, tape: Tape, threads: int, hold_s: float) -> None:
        self.tape, self.hold_s = tape, hold_s
        self.pool = ThreadPoolExecutor(threads)
        self.idle: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        """Connections whose request was answered."""
        self.selector = selectors.DefaultSelector()
        self.bell, self.ringer = socket.socketpair()
        self.listening = socket.create_server((LOCALHOST, port), backlog=1024)
        for each in (self.bell, self.listening):
            self.selector.register(each, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the process ends."""
        while True:
            for key, _ in self.selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock is self.listening:
                    self.selector.register(sock.accept()[0], selectors.EVENT_READ)
                elif sock is self.bell:
                    for _ in self.bell.recv(4096):
                        self.selector.register(self.idle.get(), selectors.EVENT_READ)
                else:
                    self.selector.unregister(sock)
                    self.pool.submit(self.serve, sock)

    def serve(self, sock: socket.socket) -> None:
        """Answer one request; the connection is idle again afterwards, or closed where there was none."""
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                read = sock.recv(65536)
                if not read:
                    sock.close()
                    return
                head += read
            status, body = self.answer(head.split(b" ", 2)[1].decode("ascii"))
            sock.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            sock.close()
            return
        self.idle.put(sock)
        self.ringer.send(b"!")

    def answer(self, target: str) -> tuple[str, bytes]:
        """Return the status and the body of the response to a request for `target`."""
        parts = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/health":
            return ("200 OK" if self.tape.newest >= self.tape.head else "503 Service Unavailable"), b"{}"
        if parts.path != "/ticks" or asked.get("mode", "every") != "every":
            return "404 Not Found", b'{"error":"not-found","detail":"there are /ticks and /health"}'
        symbols = frozenset(asked["symbols"].split(",")) if "symbols" in asked else None
        if "after" not in asked:
            return "200 OK", self.tape.wait(self.tape.newest, symbols, 0.0)
        epoch, _, seq = asked["after"].partition(":")
        if epoch != self.tape.epoch:
            return "409 Conflict", json.dumps({
                "error": "other-epoch", "detail": "", "resume": f"{self.tape.epoch}:0"}).encode()
        return "200 OK", self.tape.wait(int(seq), symbols, self.hold_s)


def main() -> None:
    """Serve with the settings of the command line."""
    port, feed_port, threads, hold_s = sys.argv[1:]
    tape = Tape(int(feed_port))
    threading.Thread(target=tape.follow, daemon=True).start()
    Server(int(port), tape, int(threads), float(hold_s)).run()


if __name__ == "__main__":
    main()
