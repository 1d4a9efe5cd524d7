"""Locust itself reads the file; what it then does in a trial is tested in `test_session`."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from servers import wait_until
from stage import Stage

from bench.experiment.trial import commands
from bench.experiment.trial.processes import Command
from bench.measure import host

pytestmark = pytest.mark.process


def locust_lists(folder: Path, config: dict[str, Any] | None) -> subprocess.CompletedProcess[str]:
    """Return what `locust --list` says of the file with this configuration."""
    environment = {key: value for key, value in os.environ.items() if key != commands.LOAD_VARIABLE}
    if config is not None:
        path = folder / "load.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        environment[commands.LOAD_VARIABLE] = str(path)
    return subprocess.run(
        [*commands.LOAD, "-f", str(commands.LOCUSTFILE), "--list"],
        env=environment, capture_output=True, text=True, timeout=60,
    )


@pytest.mark.parametrize(("transport", "name"), [
    ("long_polling", "LongPollingUser"),
    ("short_polling", "ShortPollingUser"),
    ("websocket", "WebsocketUser"),
])
def test_the_configuration_picks_the_one_user_class(tmp_path: Path, transport: str, name: str) -> None:
    listed = locust_lists(tmp_path, {
        "subject": "s", "transport": transport, "clients": 1, "clock_origin_ns": 0, "port": 1,
    })
    assert listed.returncode == 0, listed.stderr
    assert [word for word in (listed.stdout + listed.stderr).split() if word.endswith("User")] == [name]


def test_without_a_configuration_it_says_what_is_missing(tmp_path: Path) -> None:
    listed = locust_lists(tmp_path, None)
    assert listed.returncode != 0
    assert commands.LOAD_VARIABLE in listed.stderr
    assert "Traceback" not in listed.stderr


@pytest.mark.skipif(not host.LINUX, reason="the load needs epoll")
@pytest.mark.parametrize("stage", [("websocket", {})], indirect=True, ids=["websocket"])
def test_what_the_workers_of_a_master_count_reaches_it_whole(stage: Stage) -> None:
    clients = 5
    config = stage.load_config("websocket", {}, clients, port=stage.port, folder=None)
    path, summary = stage.folder / "by-hand.json", stage.folder / "summary"
    path.write_text(json.dumps(config), encoding="utf-8")
    command = (
        *commands.LOAD, "-f", str(commands.LOCUSTFILE), "--headless",
        "--processes", "2", "--master-bind-port", str(port := host.free_port()), "--master-port", str(port),
        "--users", str(clients), "--spawn-rate", "50", "--json-file", str(summary),
    )
    named = {commands.LOAD_VARIABLE: str(path)}
    master = stage.trial_processes.start(Command("master", command, named, lifeline=False))

    def counted() -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{stage.port}/stats", timeout=5) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts

    wait_until(lambda: counted()["requests"] == clients, "all clients")
    stage.begin()
    wait_until(lambda: counted()["deliveries"] > 20 * clients, "some updates")
    published = stage.trial_processes.stop(stage.publisher)["published"]
    wait_until(lambda: counted()["deliveries"] == published * clients, "the last update")
    stage.trial_processes.stop(master)
    assert master.status == 0, master.tail()
    (entry,) = json.loads(summary.with_suffix(".json").read_text(encoding="utf-8"))
    assert (entry["name"], entry["method"]) == ("the subject", "update")
    assert entry["num_requests"] == sum(entry["response_times"].values()) == published * clients
    assert entry["num_failures"] == 0
