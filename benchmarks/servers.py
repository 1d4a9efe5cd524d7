"""Measures the CPU and memory of servers: ours, by library and bare, beside common ones, in one run.

    python benchmarks/servers.py                         # all parts
    python benchmarks/servers.py push --connections 1000

    polls    rounds of 100 short polls, each on a connection of its own: responses per second of CPU
    waits    200 parked long polls, woken by each tick: responses per second of CPU
    push     paced ticks to 200 and 1,000 connections: CPU per update
    open     opening 1,000 connections that get pushes: CPU and resident memory per connection

Every server reads the same feed, and is alone on the first core; this process, on the last one, is the feed and the
clients: raw sockets and one epoll, which send bytes made beforehand and count what comes. The common servers are
in `rivals.py`. picows is measured where it is installed.

CPU is that of the server's process from its first tick to the last response, waiting included. Promises are
about ratios; 1 is returned where one is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import select
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import rig

from bench import transports
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, Command, TrialProcesses
from bench.feed import tick
from bench.measure.process import cpu_ns
from bench.scenario.model import Server

HEAD = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
UPGRADE = (b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
EXTRA = {"websocket": UPGRADE, "sse": b"Accept: text/event-stream\r\n"}
PATIENCE_S = 60.0
TICKS_PER_S = 40
TOGETHER = 50
"""Connections that are opened at the same time."""
PUSHING = [
    *((f"{name} {make}", name) for name in ("websocket", "sse") if name in transports.names()
      for make in transports.servers(name)),
    ("websockets", "websocket"), ("picows", "websocket"),
]
POLLING = ("short_polling library", "short_polling bare", "aiohttp")
WAITING = ("long_polling library", "long_polling bare", "aiohttp")


class Feed:
    """The feed: ticks of one symbol, when they are told."""

    def __init__(self) -> None:
        self.listener = socket.create_server((commands.LOCALHOST, 0))
        self.port = self.listener.getsockname()[1]
        self.seq = 0
        self.subscribers: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                subscriber, _ = self.listener.accept()
                subscriber.makefile("rb").readline()
                header = {"feed": "tickertape/1", "epoch": "e1", "after": 0, "head": 0, "symbols": ["AAA"]}
                subscriber.sendall(json.dumps(header).encode() + b"\n")
                self.subscribers.append(subscriber)

    def publish(self) -> None:
        """Send one tick."""
        self.seq += 1
        line = tick.encode(tick.Tick(self.seq - 1, self.seq, time.monotonic_ns(), "AAA", 23.82, 100)) + b"\n"
        for subscriber in self.subscribers:
            subscriber.sendall(line)

    def close(self) -> None:
        """Hang up."""
        self.listener.close()
        for subscriber in self.subscribers:
            subscriber.close()


class Clients:
    """Raw connections to one server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}

    def open(self, count: int, request: bytes) -> None:
        """Open connections, `TOGETHER` at a time, each with its first response."""
        for begin in range(0, count, TOGETHER):
            opened = [socket.create_connection((commands.LOCALHOST, self.port), PATIENCE_S)
                      for _ in range(min(TOGETHER, count - begin))]
            for sock in opened if request else ():
                sock.sendall(request)
            for sock in opened:
                data = b""
                while request and b'"ticks"' not in data:
                    data += sock.recv(65536)
                sock.setblocking(False)
                self.poll.register(sock.fileno(), select.EPOLLIN)
                self.sockets[sock.fileno()] = sock

    def send(self, request: bytes) -> None:
        """Send a request on every connection."""
        for sock in self.sockets.values():
            sock.send(request)

    def ready(self, timeout_s: float) -> Iterator[tuple[socket.socket, bytes]]:
        """Yield what has come on each connection."""
        for number, _ in self.poll.poll(timeout_s):
            sock = self.sockets[number]
            data = sock.recv(65536)
            assert data, "the server hung up"
            yield sock, data

    def close(self) -> None:
        """Close all connections."""
        for sock in self.sockets.values():
            sock.close()


@dataclass
class Subject:
    """A server under measurement, and its clients."""

    pid: int
    feed: Feed
    clients: Clients

    def cpu_s(self) -> float:
        """Return the CPU that the server has used."""
        return (cpu_ns(self.pid) or 0) / 1e9

    def rss(self) -> int:
        """Return its resident memory."""
        return int(psutil.Process(self.pid).memory_info().rss)


@contextlib.contextmanager
def served(name: str) -> Iterator[Subject]:
    """Start a server: `transport make` of ours, or a rival."""
    feed = Feed()
    with tempfile.TemporaryDirectory() as folder, TrialProcesses(Path(folder) / "logs") as processes:
        child = processes.start(_command(Path(folder), name, feed.port))
        port = int(processes.expect(child, "ready", PATIENCE_S)["port"])
        clients = Clients(port)
        while not feed.subscribers:
            time.sleep(0.01)
        yield Subject(_pid(child), feed, clients)
        clients.close()
        feed.close()


def _command(folder: Path, name: str, feed_port: int) -> Command:
    transport, _, make = name.partition(" ")
    if not make:
        rival = (sys.executable, "-P", str(rig.HERE / "rivals.py"), name, str(feed_port))
        return Command("rival", rival, cores=rig.TARGET_CORES)
    options = transports.options_of(transport, {}, "benchmark", "options")
    return commands.server(
        folder, transport, options, Server(), feed_port=feed_port, implementation=make, cores=rig.TARGET_CORES)


def _pid(child: Child) -> int:
    assert child.pid is not None
    return child.pid


def polls(name: str, seconds: float) -> float:
    """Return short polls answered per second of CPU."""
    with served(name) as subject:
        request = HEAD % (b"/ticks" if name == "aiohttp" else b"/ticks?after=e1:0", b"")
        subject.feed.publish()
        time.sleep(0.2)
        subject.clients.open(100, request)
        ends = time.monotonic() + seconds
        begun, responses = subject.cpu_s(), 0
        while time.monotonic() < ends:
            subject.clients.send(request)
            round_ends = responses + 100
            while responses < round_ends:
                responses += sum(data.endswith(b"}") for _, data in subject.clients.ready(PATIENCE_S))
        return responses / (subject.cpu_s() - begun)


def waits(name: str, seconds: float) -> float:
    """Return long polls answered per second of CPU."""
    with served(name) as subject:
        clients, path = subject.clients, b"/wait?after=%d" if name == "aiohttp" else b"/ticks?after=e1:%d"
        clients.open(200, b"")
        requests = [HEAD % (path % seq, b"") for seq in range(int(seconds * 20) + 1)]
        clients.send(requests[0])
        time.sleep(0.5)
        begun = subject.cpu_s()
        for request in requests[1:]:
            due = time.monotonic() + 0.05
            subject.feed.publish()
            waiting = set(clients.sockets.values())
            while waiting:
                for sock, data in clients.ready(PATIENCE_S):
                    if data.endswith(b"}"):   # the whole body
                        waiting.discard(sock)
                        sock.send(request)
            time.sleep(max(0.0, due - time.monotonic()))
        return 200 * (len(requests) - 1) / (subject.cpu_s() - begun)


def push(name: str, transport: str, connections: int, seconds: float) -> float:
    """Return the CPU per update, in µs."""
    with served(name) as subject:
        subject.clients.open(connections, HEAD % (b"/ticks", EXTRA[transport]))
        time.sleep(0.3)
        begun, ticks, seen = subject.cpu_s(), int(seconds * TICKS_PER_S), 0
        start = time.monotonic()
        for number in range(ticks):
            subject.feed.publish()
            due = start + (number + 1) / TICKS_PER_S
            while (left := due - time.monotonic()) > 0:
                seen += sum(data.count(b'"seq"') for _, data in subject.clients.ready(left))
        ends = time.monotonic() + PATIENCE_S
        while seen < ticks * connections and time.monotonic() < ends:
            seen += sum(data.count(b'"seq"') for _, data in subject.clients.ready(1.0))
        assert seen == ticks * connections, f"{name}: {seen} of {ticks * connections}"
        return (subject.cpu_s() - begun) / seen * 1e6


def opening(name: str, transport: str, connections: int) -> tuple[float, float]:
    """Return CPU in µs and resident memory in KiB per connection."""
    with served(name) as subject:
        request = HEAD % (b"/ticks", EXTRA[transport])
        subject.clients.open(50, request)
        cpu_s, rss = subject.cpu_s(), subject.rss()
        subject.clients.open(connections, request)
        return (subject.cpu_s() - cpu_s) / connections * 1e6, (subject.rss() - rss) / connections / 1024


@dataclass
class Report:
    """Figures by part and server, and the promises about them."""

    figures: dict[tuple[str, str], float]
    kept: bool = True

    def say(self, part: str, name: str, figure: float, text: str) -> None:
        """Keep a figure, and print it."""
        self.figures[part, name] = figure
        print(f"  {name:<24}{text}", flush=True)

    def promise(self, what: str, part: str, one: str, other: str, holds: Callable[[float], bool], goal: str) -> None:
        """Print a ratio of two servers' figures beside its goal, if both were measured."""
        if (part, one) in self.figures and (part, other) in self.figures:
            ratio = self.figures[part, one] / self.figures[part, other]
            self.kept &= holds(ratio)
            print(f"{what}: {ratio:.2f} times (goal {goal}){'' if holds(ratio) else ': missed'}")

    def limit(self, what: str, part: str, name: str, goal: float) -> None:
        """Print a figure beside its goal, if it was measured."""
        if (part, name) in self.figures:
            figure = self.figures[part, name]
            self.kept &= figure <= goal
            print(f"{what}: {figure:.2f} (goal at most {goal:g}){'' if figure <= goal else ': missed'}")


def measure(report: Report, parts: list[str], sizes: list[int], seconds: float) -> None:
    """Measure the parts that are asked for."""
    if "polls" in parts:
        print("short polls answered, per second of CPU")
        for name in POLLING:
            rate = polls(name, seconds)
            report.say("polls", name, rate, f"{rate:9,.0f}")
    if "waits" in parts:
        print("parked long polls answered, per second of CPU")
        for name in WAITING:
            rate = waits(name, seconds)
            report.say("waits", name, rate, f"{rate:9,.0f}")
    pushing = [each for each in PUSHING if each[0] != "picows" or importlib.util.find_spec("picows")]
    for size in sizes if "push" in parts else ():
        print(f"pushes to {size} connections at {TICKS_PER_S} ticks/s")
        for name, transport in pushing:
            cost = push(name, transport, size, seconds)
            report.say(f"push {size}", name, cost, f"{cost:6.2f} µs per update")
    if "open" in parts:
        print("opening a connection that gets pushes")
        for name, transport in pushing:
            cpu_us, kib = opening(name, transport, 1000)
            report.say("cpu", name, cpu_us, f"{cpu_us:6.1f} µs, {kib:5.2f} KiB")
            report.figures["memory", name] = kib


def main() -> int:
    """Measure, print; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["polls", "waits", "push", "open"])
    parser.add_argument("--connections", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--measure-s", type=float, default=5.0)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, rig.LOAD_CORES)
    report = Report({})
    measure(report, arguments.parts, arguments.connections, arguments.measure_s)
    report.promise("bare short poll against an aiohttp application", "polls", "short_polling bare", "aiohttp",
                   lambda ratio: ratio >= 3, "at least 3")
    report.promise("library short poll against it", "polls", "short_polling library", "aiohttp",
                   lambda ratio: ratio >= 1, "at least 1")
    for size in arguments.connections:
        report.promise(f"bare push to {size} against picows", f"push {size}", "websocket bare", "picows",
                       lambda ratio: ratio <= 1.1, "at most 1.1")
    for name, transport in PUSHING:
        if name == f"{transport} bare":
            report.limit(f"{name}, µs per connection opened", "cpu", name, 60)
            report.limit(f"{name}, KiB per connection", "memory", name, 2)
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
