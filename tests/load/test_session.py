"""The load as the runner starts it: Locust, headless, against real servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from quick_options import quick
from servers import wait_until
from stage import FEED, HORIZON_S, PATIENCE_S, SEED, WARMUP_S, Stage

from bench import transports
from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, Command
from bench.feed import schedule
from bench.measure import host, recording
from bench.records import trial_record

CLIENTS = 6
GONE = 3
"""`bench.load.session.GONE`, which is not imported here, since it brings Locust along."""

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not host.LINUX, reason="the load needs epoll"),
]
each_transport = pytest.mark.parametrize(
    "stage", [(name, quick(name, 0.2)) for name in transports.own_names()], indirect=True, ids=transports.own_names())
over_websocket = pytest.mark.parametrize("stage", [("websocket", {})], indirect=True, ids=["websocket"])


def start_load(stage: Stage, config: Mapping[str, Any]) -> Child:
    load = stage.trial_processes.start(commands.load(stage.folder, config))
    stage.trial_processes.expect(load, "ready", PATIENCE_S)
    return load


def subscribe(stage: Stage, load: Child) -> None:
    load.send({"target": {"host": commands.LOCALHOST, "port": stage.port}})
    stage.trial_processes.expect(load, "subscribed", PATIENCE_S)


@each_transport
def test_a_trial_is_recorded_whole(stage: Stage, request: pytest.FixtureRequest) -> None:
    transport, options = request.node.callspec.params["stage"]
    load = start_load(stage, stage.load_config(transport, options, CLIENTS))
    subscribe(stage, load)
    windows = stage.begin()
    message = stage.windows_message(windows)
    load.send(message)
    settled_ns = stage.trial_processes.expect(load, "settled", PATIENCE_S)["at_ns"]
    facts = stage.trial_processes.expect(load, "done", PATIENCE_S)
    stage.trial_processes.finish(load)
    assert load.status == 0, load.tail()
    assert windows.t1_ns <= settled_ns < windows.end_ns   # nothing was missing, so nobody waited
    recording.convert(stage.folder)
    _check_deliveries(stage, message["windows"], facts)
    _check_clients(stage, facts)
    assert facts["users_at_t0"] == facts["users_at_t1"] == CLIENTS
    assert facts["errors"] == {}
    assert 0 < facts["turn_gap_p99_ns"] <= facts["turn_gap_max_ns"]
    assert facts["clock_readings"] > 10


def _check_deliveries(stage: Stage, windows: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    rows = trial_record.read_table(stage.folder, "deliveries").to_pandas()
    assert len(rows) == facts["deliveries"]
    assert not rows.duplicated(["client", "index"]).any()
    owed = rows[(rows["index"] >= windows["first_index"])
                & (rows["index"] <= max(windows["last_index"].values()))]
    assert len(owed) == CLIENTS * sum(windows["due"].values())
    assert owed["kernel_ns"].notna().all()
    assert (owed["kernel_ns"] <= owed["app_ns"] + 100_000).all()
    reads = owed.groupby(["client", "app_ns"])["updates_in_read"]
    assert (reads.size() <= reads.first()).all()


def _check_clients(stage: Stage, facts: Mapping[str, Any]) -> None:
    clients = trial_record.read_table(stage.folder, "clients").to_pandas()
    assert list(clients["client"]) == list(range(CLIENTS))
    assert clients["subscribed_ns"].notna().all()
    up = clients["header_bytes_up"] + clients["body_bytes_up"]
    down = clients["header_bytes_down"] + clients["body_bytes_down"]
    # A look falls between the kernel's count and ours where a read is waiting, at either end of the window.
    assert ((clients["bytes_up"] - up).abs() <= 200).all()
    assert ((clients["bytes_down"] - down).abs() <= 2000).all()
    assert (clients["updates"] > 0).all()
    assert clients["polls_late"].sum() == facts["polls_late"]


@over_websocket
def test_each_client_gets_its_own_symbols(stage: Stage) -> None:
    symbols = schedule.make(FEED, SEED, HORIZON_S, WARMUP_S).symbols
    mine = [[symbols[number % 3]] for number in range(CLIENTS)]
    load = start_load(stage, stage.load_config("websocket", {}, CLIENTS, symbols=mine))
    subscribe(stage, load)
    message = stage.windows_message(stage.begin())
    assert sorted(message["windows"]["due"]) == sorted(symbols)
    load.send(message)
    stage.trial_processes.expect(load, "done", PATIENCE_S)
    recording.convert(stage.folder)
    rows = trial_record.read_table(stage.folder, "deliveries").to_pandas()
    windows = message["windows"]
    for number, (symbol,) in enumerate(mine):
        got = rows[(rows["client"] == number) & (rows["index"] >= windows["first_index"])
                   & (rows["index"] <= windows["last_index"][symbol])]
        assert len(got) == windows["due"][symbol]
    clients = trial_record.read_table(stage.folder, "clients").to_pylist()
    assert [row["symbols"] for row in clients] == mine


@pytest.mark.parametrize("stage", [("short_polling", {"interval_s": 1.0})], indirect=True, ids=["short_polling"])
def test_a_loop_that_is_held_up_while_updates_of_the_window_still_come_says_so(stage: Stage) -> None:
    """Each client polls once more after t1, for the updates of the window's last second."""
    load = start_load(stage, stage.load_config("short_polling", {"interval_s": 1.0}, CLIENTS))
    subscribe(stage, load)
    windows = stage.begin()
    load.send(stage.windows_message(windows))
    stage.trial_processes.sleep_until(windows.t1_ns + stage.clock.origin_ns + 50_000_000)
    assert load.pid is not None
    os.kill(load.pid, signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(load.pid, signal.SIGCONT)
    facts = stage.trial_processes.expect(load, "done", PATIENCE_S)
    assert facts["turn_gap_max_ns"] >= 250_000_000


@over_websocket
def test_it_ends_with_its_runner(stage: Stage) -> None:
    load = start_load(stage, stage.load_config("websocket", {}, CLIENTS))
    subscribe(stage, load)
    assert load.lifeline is not None
    load.stopping = True
    load.lifeline.shutdown(socket.SHUT_WR)   # what it sees when the runner dies
    stage.trial_processes.wait(lambda: load.status is not None, PATIENCE_S, "its end")
    assert load.status == GONE


@over_websocket
def test_locust_shows_live_numbers_in_its_web_interface(stage: Stage) -> None:
    config = stage.load_config("websocket", {}, CLIENTS, port=stage.port, folder=None)
    path = stage.folder / "ui.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    port = host.free_port()
    command = (
        *commands.LOAD, "-f", str(commands.LOCUSTFILE), "--autostart",
        "--web-host", "127.0.0.1", "--web-port", str(port),
    )
    load = stage.trial_processes.start(Command("ui", command, {commands.LOAD_VARIABLE: str(path)}, lifeline=False))
    stage.trial_processes.wait(lambda: load.pid is not None, PATIENCE_S, "the process's number")
    stage.begin()

    def shown() -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats/requests", timeout=5) as answer:
                numbers: dict[str, Any] = json.load(answer)
        except urllib.error.URLError:
            return {}
        return next((row for row in numbers.get("stats", []) if row["name"] == "the subject"), {})

    wait_until(lambda: shown().get("num_requests", 0) > 0 and shown()["num_failures"] == 0, "live numbers")
    row = shown()
    assert row["method"] == "update"
    assert row["max_response_time"] < 2000
    stage.trial_processes.stop(load)
    assert load.status == 0, load.tail()
