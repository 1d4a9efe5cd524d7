"""Estimates that grow with what is asked, and a refusal for each thing that is short."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import transports
from bench.errors import HostError
from bench.experiment.plan import horizon_s
from bench.experiment.requirements import (
    BROWSER_S,
    EXCHANGE_S,
    PAGE_BYTES,
    PAGE_S,
    Requirements,
    Resources,
    cell_s,
    expected_ticks,
    needs,
    refuse_unless_fits,
    starting_s,
    table,
    trial_s,
)
from bench.feed import schedule
from bench.scenario.fields import Table
from bench.scenario.model import Scenario

PLENTY = Resources(10**13, 10**13, 10**7, 10**7)


class Polling(Table):
    interval_s: float = 1.0


def scenario(**changes: Any) -> Scenario:
    return Scenario.model_validate({"question": "?", "transports": {"a": {}, "b": {}}} | changes)


def test_what_is_needed_by_hand() -> None:
    asked = scenario(load={"clients": [10, 100]}, trials={"count": 3})
    needed = needs(asked, {"a": Polling()}, ticks=50)
    assert needed.trials == 12
    assert needed.time_s == pytest.approx(6 * sum(trial_s(asked, {"a": Polling()}, n) for n in (10, 100)))
    assert needed.disk_bytes == 3 * 2 * (10 + 100) * 50 * 16 + 100 * 50 * 32
    assert (needed.files, needed.ports) == (164, 102)
    both_ways = needs(scenario(load={"clients": [10, 100]}, feed={"source": "clients"}), {"a": Polling()}, ticks=50)
    assert (both_ways.files, both_ways.ports) == (264, 202)


def test_pages_take_time_and_memory_of_their_own() -> None:
    ours, pages = (scenario(load={"clients": [2, 10]}, transports={"a": {"client": client}, "b": {}})
                   for client in ("locust", "browser"))
    less, more = (needs(each, {"a": Polling()}, ticks=50) for each in (ours, pages))
    assert more.time_s - less.time_s == pytest.approx(5 * (2 * BROWSER_S + 12 * PAGE_S))
    ours_s, pages_s = (cell_s(each, {"a": Polling()}, "a", 10) for each in (ours, pages))
    assert pages_s - ours_s == pytest.approx(BROWSER_S + 10 * PAGE_S)
    assert more.memory_bytes - less.memory_bytes == 12 * PAGE_BYTES
    assert (more.disk_bytes, more.files, more.ports) == (less.disk_bytes, less.files, less.ports)


def test_a_run_without_a_fixed_end_needs_from_to() -> None:
    needed = needs(scenario(trials={"count": 3, "until": "p99 ± 10 %", "count_max": 9}), {}, ticks=50)
    fixed = needs(scenario(trials={"count": 9}), {}, ticks=50)
    assert (needed.trials_least, needed.trials) == (6, 18)
    assert needed.time_s == fixed.time_s == pytest.approx(3 * needed.time_least_s)
    assert needed.disk_bytes == fixed.disk_bytes
    rows = {name: found for name, found, _ in table(needed, PLENTY)}
    assert rows["trials"] == "6 to 18"
    assert " to " in rows["time"]
    assert " to " not in dict(row[:2] for row in table(fixed, PLENTY))["time"]


def test_only_what_a_client_subscribes_to_is_stored() -> None:
    feed = {"symbols": 10}
    all_of_them = needs(scenario(feed=feed), {}, ticks=1000)
    one = needs(scenario(feed=feed, load={"symbols_per_client": 1}), {}, ticks=1000)
    assert one.disk_bytes * 10 == all_of_them.disk_bytes


def test_a_polls_interval_is_waited_for_at_the_end() -> None:
    asked = scenario(windows={"warmup_s": 6})
    assert trial_s(asked, {"a": Polling(interval_s=5)}, 50) - trial_s(asked, {}, 50) == pytest.approx(4.7)
    polled, pushed = (trial_s(scenario(), given, 50) for given in ({"a": Polling(interval_s=5)}, {}))
    assert polled - pushed == pytest.approx(4.7 + 4.2)   # warm-up is longer, too


@pytest.mark.parametrize("changes", [{}, {"ports": None}, {"files": -1}])   # not known; without a limit
def test_what_just_fits_is_let_pass_and_one_less_is_not(changes: dict[str, Any]) -> None:
    needed = needs(scenario(), {}, ticks=100)
    enough = replace(Resources(needed.disk_bytes, needed.memory_bytes, needed.files, needed.ports), **changes)
    refuse_unless_fits(needed, enough)
    with pytest.raises(HostError, match="on the disk"):
        refuse_unless_fits(needed, replace(enough, disk_bytes=needed.disk_bytes - 1))


@pytest.mark.parametrize(("short", "sentence"), [
    ({"files": 100}, "needs 114 open files in one process, and this machine has 100: .*load.clients"),
    ({"ports": 51}, "needs 52 ports .* has 51"),
    ({"memory_bytes": 10}, "bytes of memory"),
    ({"disk_bytes": 10}, "bytes on the disk.*--results"),
])
def test_each_shortage_is_told_with_what_to_do(short: dict[str, int], sentence: str) -> None:
    with pytest.raises(HostError, match=sentence):
        refuse_unless_fits(needs(scenario(), {}, ticks=100), replace(PLENTY, **short))


def test_a_replayed_file_counts_in_time_memory_and_disk() -> None:
    plain = needs(scenario(), {}, ticks=100)
    replayed = needs(scenario(), {}, ticks=100, trades_read=5_000_000, trades_kept=1000)
    assert replayed.time_s - plain.time_s == pytest.approx(10.0)
    assert replayed.memory_bytes >= 5_000_000 * 100
    assert replayed.disk_bytes - plain.disk_bytes == 28_000


def test_a_process_with_more_ticks_may_start_longer() -> None:
    assert starting_s(30.0, 0) == 30.0
    assert starting_s(30.0, 5_000_000) == pytest.approx(55.0)


def test_this_machines_means_can_be_read_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = Resources.read(tmp_path / "not" / "yet")
    assert found.disk_bytes > 0
    assert found.memory_bytes > 0


def test_the_table_names_everything() -> None:
    rows = table(Requirements(4, 4, 125, 125, 10**9, 10**9, 300, 200), replace(PLENTY, ports=None))
    assert [row[0] for row in rows] == [
        "trials", "time", "disk", "memory", "open files of a process", "ports",
    ]
    assert rows[1][1] == "about 2 min 5 s"
    assert rows[5][1:] == ("200", "unknown")
    needed = Requirements(4, 4, 125, 125, 10**9, 10**9, 300, 200)
    assert table(needed, replace(PLENTY, files=-1))[4][1:] == ("300", "no limit")


@pytest.mark.parametrize(("name", "polling", "changes", "opened"), [
    ("short_polling", {"interval_s": 0.25}, {}, 200),
    ("long_polling", {"hold_s": 60.0}, {"feed": {"rate_per_s": 10.0}}, 500),   # a poll for each tick
    ("long_polling", {"hold_s": 60.0}, {"feed": {"rate_per_s": 10.0, "symbols": 10},
                                        "load": {"clients": [50], "symbols_per_client": 1}}, 50),
    ("long_polling", {"hold_s": 0.5}, {"feed": {"rate_per_s": 0.01}}, 101),   # hardly any but empty ones
    ("long_polling", {"hold_s": 60.0}, {"feed": {"rate_per_s": 5000.0}}, round(1 / EXCHANGE_S)),
])
def test_new_connections_need_a_port_for_each_poll_of_a_second(
    name: str, polling: dict[str, Any], changes: dict[str, Any], opened: int
) -> None:
    asked = scenario(**{"load": {"clients": [50]}, "transports": {"a": {"transport": name}}} | changes)
    both = (transports.options_of(name, {**polling, "connection": how}, "", "") for how in ("keep-alive", "new"))
    kept, new = (needs(asked, {"a": options}, ticks=10).ports for options in both)
    assert new - kept == opened


def test_a_replayed_files_rate_is_that_of_its_ticks() -> None:
    asked = scenario(feed={"schedule": "replay", "replay": {"file": "trades.csv"}}, load={"clients": [50]},
                     transports={"a": {"transport": "long_polling"}})
    polling = {"a": transports.options_of("long_polling", {"hold_s": 60.0, "connection": "new"}, "", "")}
    few, many = (needs(asked, polling, ticks=round(rate_per_s * horizon_s(asked, polling))).ports
                 for rate_per_s in (10, 20))
    assert many - few == pytest.approx(500, abs=20)


@pytest.mark.parametrize("feed", [
    {"schedule": "poisson"}, {"schedule": "constant"},
    {"schedule": "bursty", "bursty": {"branching_ratio": 0.5, "decay_s": 0.1}},
])
def test_the_ticks_are_predicted_without_drawing_them(feed: dict[str, Any]) -> None:
    asked = scenario(feed={"rate_per_s": 1000.0, **feed})
    drawn = len(schedule.make(asked.feed, 1, 10.0, 1.0))
    assert drawn * 0.9 < expected_ticks(asked, 10.0) < drawn * 1.6
    assert expected_ticks(asked, 1e9) > 1e11
