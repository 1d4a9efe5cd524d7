"""Several processes that share a trial's clients: no record is lost, and no process goes unnoticed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.clock import RunClock
from bench.experiment import plan
from bench.experiment.trial import trial
from bench.experiment.trial.load_workers import LoadWorkers, merged
from bench.experiment.trial.processes import Child
from bench.experiment.trial.trial import Measured, Started, Subscribed, TrialSettings
from bench.measure import host
from bench.records import trial_record
from bench.records.trial_record import TrialRecord, Usage
from bench.scenario.model import Scenario

needs_epoll = pytest.mark.skipif(not host.LINUX, reason="the load needs epoll")
CLIENTS, WORKERS = 5, 2
SCENARIO = {
    "question": "?", "feed": {"schedule": "constant", "rate_per_s": 40.0},
    "load": {"clients": [CLIENTS], "processes": WORKERS, "symbols_per_client": 2},
    "windows": {"warmup_s": 0.2, "measure_s": 1.0}, "transports": {"websocket": {"transport": "websocket"}},
}


def made(folder: Path) -> tuple[TrialRecord, Path]:
    scenario = Scenario.model_validate(SCENARIO)
    options = plan.options_of_all(scenario, "?")
    settings = TrialSettings.on_this_machine(scenario, options, RunClock.start(), Path())
    planned = plan.trials(scenario)[0]
    return trial.make(settings, planned, folder / planned.name, attempt=1), folder / planned.name


def crew_of(*names: str) -> list[Any]:
    return [type("Named", (), {"name": name})() for name in names]


def test_facts_are_added_up_but_for_extremes() -> None:
    one = {"turn_gap_max_ns": 5, "deliveries": 3, "errors": {"reset": 1}, "clock_step_ns": None}
    two = {"turn_gap_max_ns": 4, "deliveries": 2, "errors": {"reset": 1, "eof": 2}, "clock_step_ns": 7}
    assert merged([one]) == one
    assert merged([one, two]) == {
        "turn_gap_max_ns": 5, "deliveries": 5, "errors": {"reset": 2, "eof": 2}, "clock_step_ns": None,
        "workers": [one, two],
    }


@pytest.mark.parametrize(("cores", "most"), [
    ([frozenset({1}), frozenset({1}), frozenset({2})], 70),   # two of them share a core
    ([frozenset({1}), frozenset({2}), frozenset({3})], 60),
    ([None, None, None], 60),
])
def test_the_load_is_as_busy_as_its_busiest_core(cores: list[frozenset[int] | None], most: int) -> None:
    workers = LoadWorkers.__new__(LoadWorkers)
    workers.children, workers.cores = crew_of("load-1", "load-2", "load-3"), cores
    used = {"load-1": Usage(30), "load-2": Usage(40), "load-3": Usage(60), "server": Usage(90)}
    assert workers.busiest(used).cpu_ns == most


@needs_epoll
@pytest.mark.process
def test_the_records_of_two_workers_make_one_whole(tmp_path: Path) -> None:
    record, folder = made(tmp_path)
    assert record.status == "finished", record.detail
    clients = trial_record.read_table(folder, "clients").to_pandas()
    rows = trial_record.read_table(folder, "deliveries").to_pandas()
    feed = trial_record.read_table(folder, "feed").to_pandas()
    assert list(clients["client"]) == list(range(CLIENTS))
    assert record.load["users_at_t0"] == record.load["users_at_t1"] == CLIENTS
    assert record.load["deliveries"] == len(rows)
    assert [each["users_at_t1"] for each in record.load["workers"]] == [3, 2]
    assert rows["app_ns"].is_monotonic_increasing
    assert not rows.duplicated(["client", "index"]).any()
    assert record.windows is not None
    due = feed[(feed["due_ns"] >= record.windows.t0_ns) & (feed["due_ns"] < record.windows.t1_ns)]
    for client, symbols in zip(clients["client"], clients["symbols"], strict=True):
        owed = set(due[due["symbol"].isin(symbols)]["index"])
        assert owed <= set(rows[rows["client"] == client]["index"])
    # What comes after a client's goodbye is not recorded: of ticks that were due after the window alone.
    after = feed[feed["due_ns"] >= record.windows.t1_ns]
    unrecorded_most = sum(int(after["symbol"].isin(symbols).sum()) for symbols in clients["symbols"])
    assert 0 <= record.server_counts["deliveries"] - len(rows) <= unrecorded_most
    assert {"server", "load", "load-1", "load-2", "publisher"} == set(record.usage)
    assert not list(folder.glob("worker-*"))


@needs_epoll
@pytest.mark.process
def test_a_worker_that_is_killed_fails_the_trial_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = trial._Trial.measure

    def hurt(running: Any, started: Started, subscribed: Subscribed) -> Measured:
        victim: Child = started.load.children[1]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        return measure(running, started, subscribed)

    monkeypatch.setattr(trial._Trial, "measure", hurt)
    record, _ = made(tmp_path)
    assert (record.status, record.reason) == ("failed", "load-2-died")
    assert record.detail is not None
    assert "status 137" in record.detail
