"""The lifeline: lines of JSON both ways, and the end of file that ends a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from bench.lifeline import VARIABLE, Lifeline


@pytest.fixture
def pair() -> tuple[Lifeline, Lifeline]:
    one, other = socket.socketpair()
    return Lifeline(one), Lifeline(other)


def test_objects_come_out_as_they_went_in(pair: tuple[Lifeline, Lifeline]) -> None:
    one, other = pair
    one.send({"ready": {"port": 1}})
    one.send({"done": {}})
    assert other.receive() == {"ready": {"port": 1}}
    assert other.receive() == {"done": {}}


def test_a_message_may_come_in_pieces() -> None:
    one, other = socket.socketpair()
    line = Lifeline(other)
    one.sendall(b'{"a":1}\n{"b"')
    assert line.receive_ready() == [{"a": 1}]
    one.sendall(b":2}\n")
    assert line.receive_ready() == [{"b": 2}]


def test_end_of_file_is_the_runners_end() -> None:
    one, other = socket.socketpair()
    one.close()
    assert Lifeline(other).receive() is None


def test_a_runner_that_ends_without_reading_is_gone_too() -> None:
    one, other = socket.socketpair()
    other.sendall(b"unread")
    one.close()
    assert Lifeline(other).receive_ready() is None


def test_sending_to_a_runner_that_is_gone_is_left_for_receive_to_tell() -> None:
    one, other = socket.socketpair()
    one.close()
    line = Lifeline(other)
    for _ in range(2):   # the second finds a pipe that is known to be broken
        line.send({"done": {}})
    assert line.receive() is None


def test_a_process_started_by_hand_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Lifeline.from_environment() is None


@pytest.mark.process
def test_a_child_speaks_over_the_inherited_descriptor() -> None:
    ours, theirs = socket.socketpair()
    program = (
        "from bench.lifeline import Lifeline\n"
        "line = Lifeline.from_environment()\n"
        "line.send({'ready': {}})\n"
        "assert line.receive() == {'start': {'origin_ns': 7}}\n"
        "assert line.receive() is None\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        pass_fds=[theirs.fileno()],
        env={**os.environ, VARIABLE: str(theirs.fileno())},
    )
    theirs.close()
    runner = Lifeline(ours)
    assert runner.receive() == {"ready": {}}
    runner.send({"start": {"origin_ns": 7}})
    ours.shutdown(socket.SHUT_WR)
    assert child.wait(timeout=30) == 0
