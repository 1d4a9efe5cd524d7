"""Every detector fires on a real trial that is spoilt from outside, and none on one that isn't.

What is measured holds no branch for any of this: processes are stopped and killed with signals, a
stand-in takes the server's place, a clock is stepped under the load's feet, a neighbour takes its core,
files are cut after they were written.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from spoilt import Bench, Outcome, is_noise

from bench.audit.detectors import DETECTORS
from bench.records.trial_record import read_table, read_trial, write_table, write_trial
from bench.stats.trial import steady

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

CLOCK = Path(__file__).parent / "clock"
TOIL = Path(__file__).parent / "toil"
HERE_TESTED = {
    "unpublished", "feed-late", "feed-stalled", "counts", "counts-lost", "counts-skips", "published-counts",
    "recorded-counts", "foreign", "negative-latency", "clock-step", "clients-missing", "clients-vanished", "errors",
    "polls-late", "generator-lag", "generator-stalled", "generator-busy", "not-steady", "littles-law",
    "host-load", "host-jitter", "runner-late",
}
OUT_OF_REACH = {"host-steal", "host-slowed", "host-throttled", "host-swapping", "uplinks"}
"""A hypervisor, a processor's frequency, a quota and swap can't be had in a test, nor a feed that accepts a message and
forgets it; that these fire on what
is recorded of them: tests/test_audit.py. That it is recorded: tests/measure/test_noise.py."""


def test_every_detector_is_sabotaged_or_out_of_reach() -> None:
    assert {detector.name for detector in DETECTORS} == HERE_TESTED | OUT_OF_REACH


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A clean trial, whose copies are cut."""
    made = Bench(tmp_path_factory.mktemp("clean"), None)
    return made.make()


def only_noise(outcome: Outcome) -> bool:
    """Return True if nothing fired but what a busy machine brings about."""
    return all(map(is_noise, outcome.names))


def test_nothing_fires_on_a_clean_trial(bench: Bench, clean: Outcome) -> None:
    """Nor on one of any other transport: tests/test_end_to_end.py."""
    outcome = clean
    for made in range(3):   # as a run would; once is enough where the machine itself is said to be busy
        outcome = bench.make() if made else clean
        assert outcome.verdict.status != "ABORTED", outcome.record.detail
        assert only_noise(outcome), outcome.verdict
        if outcome.verdict.status == "VALID" or any(name.startswith("host-") for name in outcome.names):
            break
    assert outcome.verdict.status == "VALID" or any(name.startswith("host-") for name in outcome.names)
    assert set(outcome.verdict.not_assessed) <= {"not-steady", "littles-law", "polls-late", "host-throttled"}
    for name in ("lost", "duplicate", "reordered", "foreign", "lost_on_the_way", "client_errors"):
        assert outcome.row[name] == 0


# The generator


def test_a_generator_that_is_held_up_is_found_out(bench: Bench) -> None:
    bench.spoil(lambda: bench.stutter("load", stand_s=0.15, run_s=0.02, times=7))
    outcome = bench.make(feed={"rate_per_s": 8.0})   # so few that each waits alone, with a stamp of its own
    assert {"generator-stalled", "generator-lag"} <= outcome.names


def test_a_generator_that_has_too_much_to_do_is_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TOIL))
    trigger = bench.folder / "toil"
    monkeypatch.setenv("SABOTAGE_TOIL", str(trigger))

    bench.spoil(trigger.touch)
    outcome = bench.make()
    # On a busy machine it doesn't get the whole of a core to use up.
    assert outcome.names & {"generator-busy", "host-load", "host-steal"}


def test_a_neighbour_on_the_generators_core_is_found_out(bench: Bench, hog: Callable[[], None]) -> None:
    hog()
    outcome = bench.make()
    assert {"host-load", "host-jitter"} <= outcome.names


@pytest.mark.parametrize(("processes", "victim"), [(1, "load"), (2, "load-2")])
def test_a_load_or_a_worker_of_it_that_is_killed_makes_the_trial_invalid(
    bench: Bench, processes: int, victim: str
) -> None:
    def kill() -> None:
        worker = bench.process("load", f"{victim}.json")
        worker.kill()

    bench.spoil(kill)
    outcome = bench.make(load={"processes": processes})
    assert (outcome.verdict.status, outcome.names) == ("INVALID", {f"{victim}-died"})


# The runner


@pytest.mark.parametrize("after_s", [0.0, 1.5], ids=["across t0", "across t1"])
def test_a_runner_that_stood_still_across_a_mark_is_found_out(bench: Bench, after_s: float) -> None:
    """The feed begins 0.3 s before the window, which is 1.5 s long."""
    act = "import os, signal, sys, time\npid, after_s = int(sys.argv[1]), float(sys.argv[2])\n" \
          "time.sleep(after_s)\nos.kill(pid, signal.SIGSTOP)\ntime.sleep(0.7)\nos.kill(pid, signal.SIGCONT)"
    command = [sys.executable, "-c", act, str(os.getpid()), str(after_s)]
    bench.spoil(lambda: subprocess.Popen(command).wait())
    outcome = bench.make()
    assert "runner-late" in outcome.names
    span_ns = outcome.row["server_cpu_us_per_update"] * outcome.row["arrivals"] * 1000
    assert span_ns == pytest.approx(outcome.record.usage["server"].cpu_ns)
    if not after_s:   # arrivals are of the span between the marks, not of the window
        assert outcome.row["arrivals"] < 0.9 * outcome.row["updates_due"]


# The feed


def test_a_publisher_that_is_held_up_is_found_out(bench: Bench) -> None:
    bench.spoil(lambda: bench.stutter("publisher", stand_s=0.4, run_s=0.0, times=1))
    outcome = bench.make()
    assert {"feed-late", "feed-stalled"} <= outcome.names
    assert outcome.row["feed_unpublished"] == 0


def test_ticks_that_a_killed_publisher_left_out_are_found_out(bench: Bench) -> None:
    def kill() -> None:
        time.sleep(0.6)
        bench.process("publisher").kill()

    bench.spoil(kill)
    assert "unpublished" in bench.make(feed={"rate_per_s": 500.0}).names


# Reconciliation: the counts of the server and those of the clients


@pytest.mark.parametrize(("modes", "columns", "detectors"), [
    ("drop", {"lost": 0.05}, {"counts-lost"}), ("repeat", {"duplicate": 0.05}, {"counts"}),
    ("foreign,reset", {"foreign": 0.0, "client_errors": 0.0}, {"foreign", "errors"}),
    ("delay,reorder", {"late": 0.05, "reordered": 0.02}, set()),
], ids=["drop", "repeat", "foreign and reset", "delay and reorder"])
def test_what_happens_between_server_and_clients_is_found_in_its_own_column(
    bench: Bench, stand_in: Callable[[str], None], modes: str, columns: dict[str, float], detectors: set[str]
) -> None:
    """Of two modes each connection has one."""
    stand_in(modes)
    outcome = bench.make()
    row = outcome.row
    due = int(row["updates_due"] or 0)
    assert [name for name, share in columns.items() if int(row[name] or 0) <= share * due] == []
    if modes != "foreign,reset":
        quiet = {"lost", "duplicate", "reordered", "foreign"} - set(columns)   # a busy machine is late by itself
        assert {name: row[name] for name in quiet} == dict.fromkeys(quiet, 0)
    assert detectors <= outcome.names
    assert detectors or only_noise(outcome)   # a server may do that: it is a result


def test_a_server_that_forgets_what_it_skipped_is_found_out(
    bench: Bench, stand_in: Callable[[str], None]
) -> None:
    stand_in("forget")
    outcome = bench.make("short_polling", load={"mode": "latest"})
    assert float(outcome.row["skips_declared"] or 0) > 0
    assert "counts-skips" in outcome.names


# Clocks, requests, trends


def test_a_stepped_clock_is_found_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = bench.folder / "step"
    monkeypatch.setenv("PYTHONPATH", str(CLOCK))
    monkeypatch.setenv("SABOTAGE_STEP", str(trigger))

    def step() -> None:
        time.sleep(0.8)
        trigger.touch()

    bench.spoil(step)
    outcome = bench.make()
    assert {"clock-step", "negative-latency"} <= outcome.names


def test_requests_that_hang_break_littles_law(bench: Bench) -> None:
    def hang() -> None:
        server = bench.process("server")
        time.sleep(1.0)
        server.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        server.send_signal(signal.SIGCONT)

    bench.spoil(hang)
    outcome = bench.make("short_polling", options={"interval_s": 0.05})
    assert "littles-law" in outcome.names
    assert float(outcome.row["polls_late"] or 0) > 0
    assert "polls-late" not in outcome.names   # they waited for the server: a result


def test_polls_that_the_generator_gets_to_late_are_found_out(bench: Bench) -> None:
    bench.spoil(lambda: bench.stutter("load", stand_s=0.15, run_s=0.02, times=7))
    outcome = bench.make("short_polling", options={"interval_s": 0.1})
    assert "polls-late" in outcome.names


def test_a_latency_that_creeps_up_is_found_out(
    bench: Bench, stand_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With bins of a tenth of a second: it takes 30 of them to tell a trend from noise."""
    monkeypatch.setattr(steady, "BIN_NS", 100_000_000)
    stand_in("drift")
    outcome = bench.make(feed={"rate_per_s": 100.0}, load={"clients": [2]}, windows={"measure_s": 3.2})
    assert outcome.row["steady_bins"] == 32
    assert "not-steady" in outcome.names


# What is on disk


def cut_feed(folder: Path) -> None:
    feed = read_table(folder, "feed")
    sent = feed["sent_ns"].to_pylist()
    place = feed.schema.get_field_index("sent_ns")
    write_table(folder, "feed", feed.set_column(place, feed.schema.field(place),
                                                pa.array([None, *sent[1:]], pa.int64())))


def cut_deliveries(folder: Path) -> None:
    rows = read_table(folder, "deliveries")
    write_table(folder, "deliveries", rows.slice(0, rows.num_rows - 5))


def forget_a_client(folder: Path) -> None:
    rows = read_table(folder, "clients")
    place = rows.schema.get_field_index("subscribed_ns")
    nobody = pc.if_else(pc.equal(rows["client"], 3), None, rows["subscribed_ns"])
    write_table(folder, "clients", rows.set_column(place, rows.schema.field(place), nobody))


def lose_a_user(folder: Path) -> None:
    record = read_trial(folder)
    record.load["users_at_t1"] -= 1
    write_trial(folder, record)


@pytest.mark.parametrize(("cut", "detector"), [
    (cut_feed, "published-counts"), (cut_deliveries, "recorded-counts"), (forget_a_client, "clients-missing"),
    (lose_a_user, "clients-vanished"),
])
def test_records_that_are_cut_are_found_out(
    bench: Bench, clean: Outcome, cut: Callable[[Path], None], detector: str
) -> None:
    assert detector not in clean.names
    copied(clean.folder, bench.trial_folder)
    cut(bench.trial_folder)
    write_trial(bench.trial_folder, read_trial(bench.trial_folder))   # with digests of what was cut
    assert detector in bench.judged().names


def copied(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.glob("*.*"):
        (target / path.name).write_bytes(path.read_bytes())
