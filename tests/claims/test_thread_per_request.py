"""The claims' own server: it follows the contract, and a parked request holds its thread."""

from __future__ import annotations

import importlib.util
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from bench.measure import host
from bench.wire.contract import Cursor

FILE = Path(__file__).parents[2] / "scenarios" / "claims" / "thread_per_request.py"
HEADER = b'{"feed":"tickertape/1","epoch":"e1","after":4,"head":4,"symbols":["AAA","AAB"]}\n'


def tick(seq: int, symbol: str) -> bytes:
    return b'{"index":%d,"seq":%d,"due_ns":1,"symbol":"%s","price":1.0,"size":1}\n' % (seq, seq, symbol.encode())


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("thread_per_request", FILE)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def tape(module: ModuleType) -> Iterator[Any]:
    """A tape whose feed has said its header; the test hands it the ticks."""
    with socket.create_server(("127.0.0.1", 0)) as feed:
        def greet() -> None:
            sock, _ = feed.accept()
            sock.sendall(HEADER)
            kept.append(sock)

        kept: list[socket.socket] = []
        greeting = threading.Thread(target=greet)
        greeting.start()
        yield module.Tape(feed.getsockname()[1])
        greeting.join()
        kept[0].close()


def test_an_answer_is_a_batch_of_the_contract(tape: Any) -> None:
    for line in (tick(5, "AAA"), tick(6, "AAB"), tick(7, "AAA")):
        tape.take(line)
    batch = orjson.loads(tape.wait(4, frozenset({"AAA"}), 0.0))
    assert [each["seq"] for each in batch["ticks"]] == [5, 7]
    assert batch["cursor"] == str(Cursor("e1", 7))
    assert not batch["more"]
    assert orjson.loads(tape.wait(7, None, 0.0))["ticks"] == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_parked_request_holds_its_thread(module: ModuleType, tape: Any, threads: int) -> None:
    port = host.free_port()
    server = module.Server(port, tape, threads, 30.0)
    threading.Thread(target=server.run, daemon=True).start()
    address = ("127.0.0.1", port)
    with socket.create_connection(address) as parked, socket.create_connection(address) as other:
        parked.sendall(b"GET /ticks?after=e1:4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with tape.changed:   # released by a thread that waits
            while not tape.changed._waiters:
                tape.changed.wait(0.001)
        other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answered = bool(select.select([other], [], [], 0.2 if threads == 1 else 20.0)[0])
        assert answered == (threads == 2)
        tape.take(tick(5, "AAA"))
        assert parked.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert other.recv(65536).startswith(b"HTTP/1.1 200 OK")
