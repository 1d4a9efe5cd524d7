"""A feed under the test's control, and real server processes on it."""

from __future__ import annotations

import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from fork_server import ForkServer, Process

from bench import lifeline, transports
from bench.feed import tick
from bench.uplink import message

PATIENCE_S = 20.0
MAKES = tuple(f"{name}/{make}" for name in transports.names() for make in transports.servers(name))
"""All servers, as `running_server` takes them: a transport and an implementation of it."""
OWN_MAKES = tuple(make for make in MAKES if make.partition("/")[0] in transports.own_names())
"""Those of the project's own transports."""
fork_server = cache(ForkServer)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, as long as it takes on a busy machine."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


class ScriptedFeed:
    """A feed with the line protocol, which publishes the ticks that the test names, when it names them."""

    def __init__(self, symbols: tuple[str, ...] = ("AAA", "BBB"), epoch: str = "e1") -> None:
        self.symbols = symbols
        self.epoch = epoch
        self.lines: list[bytes] = []
        self._lock = threading.Lock()
        self._subscribers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def head(self) -> int:
        return len(self.lines)

    def publish(self, *symbols: str, padding: int = 0) -> None:
        """Publish one tick for each symbol named, all in one write; `padding` makes them larger."""
        with self._lock:
            lines = []
            levels = ((1.5, 100),) * (padding // 9)
            for symbol in symbols:
                seq = len(self.lines) + 1
                lines.append(tick.encode(tick.Tick(seq - 1, seq, seq * 1000, symbol, 1.5, 10, levels)))
                self.lines.append(lines[-1])
            for subscriber in self._subscribers:
                subscriber.sendall(b"".join(line + b"\n" for line in lines))

    def lose(self) -> None:
        """Close the connections of all subscribers, which may return."""
        with self._lock:
            for subscriber in self._subscribers:
                subscriber.shutdown(socket.SHUT_RDWR)
                subscriber.close()
            self._subscribers.clear()

    def begin_anew(self, epoch: str) -> None:
        """Begin another life of the publisher."""
        with self._lock:
            self.epoch, self.lines = epoch, []
        self.lose()

    def close(self) -> None:
        self._listener.close()
        self.lose()

    def _accept(self) -> None:
        while True:
            try:
                subscriber, _ = self._listener.accept()
            except OSError:
                return
            lines = subscriber.makefile("rb")
            hello = lines.readline().split()
            with self._lock:
                after = 0
                if hello[1] != b"-" and hello[1].startswith(self.epoch.encode() + b":"):
                    after = int(hello[1].split(b":")[1])
                header = {"feed": "tickertape/1", "epoch": self.epoch, "after": after,
                          "head": self.head, "symbols": self.symbols}
                subscriber.sendall(json.dumps(header).encode() + b"\n")
                subscriber.sendall(b"".join(line + b"\n" for line in self.lines[after:]))
                self._subscribers.append(subscriber)
            threading.Thread(target=self._answer, args=(subscriber, lines), daemon=True).start()

    def _answer(self, subscriber: socket.socket, lines: Iterable[bytes]) -> None:
        """Accept each message of a server; none is handed out."""
        with suppress(OSError, ValueError):   # the connection has ended
            for line in lines:
                subscriber.sendall(b'{"accepted":%d}\n' % (message.decode(line).index or 0))


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.body)
        return fields

    @property
    def seqs(self) -> list[int]:
        """The ticks of a batch, by their place in the epoch."""
        return [entry["seq"] for entry in self.json["ticks"]]


@dataclass
class ServerProcess:
    """A running server process."""

    process: Process
    line: lifeline.Lifeline
    host: str
    port: int
    feed: ScriptedFeed
    certificate: str | None = None
    done: dict[str, Any] = field(default_factory=dict)

    def get(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """Send one request on a connection of its own, and return the answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, target, headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """Return a plain connection."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE_S)
        sock.connect((self.host, self.port))
        return sock

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.get("/stats").json
        return counts

    @property
    def rss(self) -> int:
        """Return the resident memory in bytes."""
        rss: int = psutil.Process(self.process.pid).memory_info().rss
        return rss

    def publish(self, *symbols: str, padding: int = 0) -> None:
        """Publish, and wait until the server has the ticks."""
        self.feed.publish(*symbols, padding=padding)
        self.wait_for_head()

    def wait_for_head(self) -> None:
        """Wait until the server has all that was published."""
        expected = {"epoch": self.feed.epoch, "head": self.feed.head}
        wait_until(lambda: expected.items() <= self.get("/health").json.items(), f"{expected}")

    def stop(self) -> dict[str, int]:
        """Stop as the runner does, and return the final counts."""
        self.line.send({"stop": {}})
        message = self.line.receive()
        assert message is not None, "the server ended without its last words"
        assert self.process.wait(PATIENCE_S) == 0
        counts: dict[str, int] = message["done"]["counts"]
        return counts


@contextmanager
def running_server(feed: ScriptedFeed, make: str, **config: Any) -> Iterator[ServerProcess]:
    """Run a server process on `feed`; `config` as in `bench.serving.config`."""
    transport, _, implementation = make.partition("/")
    config = {"transport": transport, "feed": {"host": "127.0.0.1", "port": feed.port}, **config}
    if implementation:
        config["implementation"] = implementation
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE_S)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.json")
        path.write_text(json.dumps(config))
        process = fork_server().start(path, theirs)
        theirs.close()
        line = lifeline.Lifeline(ours)
        try:
            message = line.receive()
            assert message is not None, "the server ended before it was ready"
            ready = message["ready"]
            yield ServerProcess(process, line, ready["host"], ready["port"], feed, ready["certificate"])
        finally:
            process.kill()
            process.wait()
            ours.close()


@pytest.fixture
def feed() -> Iterator[ScriptedFeed]:
    """Run a feed of two symbols, AAA and BBB, in its epoch e1."""
    feed = ScriptedFeed()
    yield feed
    feed.close()
