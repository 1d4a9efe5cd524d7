"""Decisions of a trial before and beside its processes (the processes: tests/test_end_to_end.py)."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from bench.clock import RunClock
from bench.experiment import plan
from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.measure import host
from bench.records.trial_record import read_trial
from bench.scenario.model import Scenario

NS = 1_000_000_000


def settings(**changes: Any) -> TrialSettings:
    table = {"question": "?", "transports": {"websocket": {"transport": "websocket"}}}
    scenario = Scenario.model_validate(table | changes)
    options = plan.options_of_all(scenario, "?")
    return TrialSettings.on_this_machine(scenario, options, RunClock.start(), Path())


@pytest.mark.parametrize(("text", "filled"), [
    ("{port}", "1"), ("--feed=127.0.0.1:{feed_port}", "--feed=127.0.0.1:2"), ('{"a": {port}}', '{"a": 1}'),
    ("${HOME} {}", "${HOME} {}"),
])
def test_a_foreign_command_gets_its_ports_and_keeps_its_braces(text: str, filled: str) -> None:
    assert trial._filled(text, {"port": "1", "feed_port": "2"}) == filled


def test_the_server_has_a_core_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "cores", lambda: [2, 3, 5])
    assert (settings().server_cores, settings().other_cores) == ({2}, {3, 5})
    monkeypatch.setattr(host, "cores", lambda: [4])
    assert (settings().server_cores, settings().other_cores) == (None, None)


def test_the_schedule_of_a_block_is_made_once() -> None:
    made = settings()
    assert made.schedule(1) is made.schedule(1)
    assert list(made.schedule(1).offset_ns) != list(made.schedule(2).offset_ns)
    assert made.schedule(1).offset_ns[-1] < plan.horizon_s(made.scenario, made.options) * NS


@pytest.mark.process
def test_a_trial_whose_program_cannot_start_is_recorded_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial.commands, "LOCUSTFILE", tmp_path / "nothing.py")
    made = settings()
    planned = plan.trials(made.scenario)[0]
    record = trial.make(made, planned, tmp_path / planned.name, attempt=3)
    assert (record.status, record.reason, record.attempt) == ("failed", "load-died", 3)
    assert record.detail is not None
    assert record.detail.startswith("the load ended by itself with status 1")
    assert "nothing.py" in record.detail
    assert read_trial(tmp_path / planned.name) == record


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_server_is_asked_directly_whatever_proxy_there_is(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            assert connection.recv(65536).startswith(b"GET /health ")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setenv(name, "http://127.0.0.1:1")   # where nobody listens
    monkeypatch.setenv("no_proxy", "")
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert trial._unready(f"http://127.0.0.1:{server.getsockname()[1]}/health") is None
        thread.join()


@pytest.mark.parametrize(("said", "lacks"), [
    (b"SSH-2.0-x\r\n", "SSH-2.0-x"), (b"", "closed"), (b"HTTP/1.1 ok\r\n\r\n", "ok"),
    (b"HTTP/1.1 503 No\r\n\r\n", "it answered 503"),
])
def test_what_speaks_no_http_is_not_ready_and_what_it_says_is_told(said: bytes, lacks: str) -> None:
    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        assert lacks in str(trial._unready(f"http://127.0.0.1:{server.getsockname()[1]}/health"))
        thread.join()
