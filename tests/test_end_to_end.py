"""Whole runs with their real processes: every update accounted for, and things broken on purpose.

Runs are shared between the tests that only read them: one of every transport, a server of the user's own and one
that never answers; one that is interrupted; one of which a server and a load are killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from marked import Mark
from quick_options import table
from spoilt import is_noise

from bench import transports
from bench.audit.detectors import judge
from bench.feed.log import RECORD
from bench.records import trial_record
from bench.report import open_run

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

TINY = """
question = "Does everything arrive?"
[feed]
rate_per_s = 40.0
symbols = 3
[load]
clients = [4]
[windows]
idle_s = 0.0
warmup_s = 0.3
measure_s = 0.8
[trials]
count = 1
repeats = 0
"""
PUSHED = f"{TINY}[transports.websocket]\n"
"""One transport, for what is the same with all of them."""
EVERY = TINY.replace("clients = [4]", 'clients = [4]\nmode = "latest"\nsymbols_per_client = 2') + "".join(
    map(table, transports.own_names()))
CHAT = (TINY.replace("[feed]", '[feed]\nsource = "clients"')
        .replace("clients = [4]", "clients = [6]\nsymbols_per_client = 1").replace("measure_s = 0.8", "measure_s = 1.5")
        + "".join(map(table, transports.own_names())))
OWN = f"""
[transports.mine]
transport = "long_polling"
[transports.mine.server]
command = ["{sys.executable}", "mine.py", "{{port}}", "{{feed_port}}", "mine.json"]
ready = "http://127.0.0.1:{{port}}/health"
"""
SILENT = """
[transports.silent]
transport = "long_polling"
[transports.silent.server]
command = ["sh", "-c", "echo no configuration here; exit 3"]
ready = "http://127.0.0.1:{port}/"
"""
MINE = """
import json, sys
from pathlib import Path
from bench.transports.__main__ import main
config = {"transport": "long_polling", "port": int(sys.argv[1]), "feed": {"port": int(sys.argv[2])}}
path = Path(sys.argv[3])
path.write_text(json.dumps(config))
raise SystemExit(main([str(path)]))
"""
SUMMARY = """
transport clients trials valid_trials updates_due delivered late conflated lost duplicate latency_mean_ms
latency_p50_ms latency_p90_ms latency_p99_ms latency_p999_ms kernel_latency_p50_ms kernel_latency_p99_ms
age_mean_ms age_excess_mean_ms requests_per_update bytes_up_per_update bytes_down_per_update
server_cpu_us_per_update server_rss_bytes_per_client
"""
PROGRAMS = ("bench.feed.publisher", "bench.transports", "locust")
"""The processes of a trial, in the order in which they are started."""


class Runner:
    """`tickertape` as a user starts it, in a folder of its own."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.folder = folder
        self.mark = Mark()
        (folder / "tmp").mkdir()
        self.scenario = folder / "tiny.toml"
        self.scenario.write_text(scenario)
        self.results = folder / "results"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **self.mark.environment, "TMPDIR": str(self.folder / "tmp")}
        return subprocess.Popen(
            [sys.executable, "-c", "from bench.cli import main; main()", *arguments], text=True,
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def run(self, *overrides: str) -> subprocess.Popen[str]:
        sets = [word for override in overrides for word in ("--set", override)]
        return self.start("run", str(self.scenario), "--json", *sets)

    def end_of(
        self, process: subprocess.Popen[str], among: tuple[int, ...]
    ) -> tuple[Path, pd.DataFrame, str]:
        out, said = process.communicate(timeout=240)
        assert process.returncode in among, said
        folder = self.folder / json.loads(out)["run"]
        return folder, open_run(folder).trials, said

    def process(self, words: str) -> psutil.Process:
        """Return the process, not its guard, whose command line contains `words`; waited for."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [each for each in self.mark.alive() if words in _command_line(each)]
            return bool(found)

        wait_for(look)
        return found[0]

    def spawned(self) -> bool:
        """Return True once the clients of the trial under way have been started."""
        logs = self.results.glob("latest/trials/*/logs/load.log")
        open_ones = [log for log in logs if not (log.parents[1] / "trial.json").exists()]
        return any("All users spawned" in _text(log) for log in open_ones)


def _text(file: Path) -> str:
    """Return a file's text; empty if its trial's folder was renamed meanwhile, since the trial is repeated."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def _command_line(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return ""
    return "" if any(word.endswith("guard.py") for word in words) else " ".join(words)


def wait_for(true: Callable[[], Any], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path, PUSHED)
    yield runner
    for process in runner.mark.alive():
        process.kill()


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its folder, its trials, what it said on stderr, and who was left."""

    folder: Path
    trials: pd.DataFrame
    said: str
    left: list[psutil.Process]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of every transport, of a server of the user's own, and of one that never answers."""
    runner = Runner(tmp_path_factory.mktemp("whole"), EVERY + OWN + SILENT)
    (runner.folder / "mine.py").write_text(MINE)
    return Ended(*runner.end_of(runner.run(), (1,)), runner.mark.left_after())


def good(run: Ended) -> pd.DataFrame:
    """Return the trials whose server answered."""
    return run.trials[run.trials["transport"] != "silent"]


def test_every_update_is_accounted_for_on_every_transport(whole: Ended) -> None:
    trials = good(whole)
    assert sorted(trials["transport"]) == sorted([*transports.own_names(), "mine"])
    assert set(trials["status"]) == {"finished"}
    assert (trials["updates_due"] > 0).all()
    fates = trials[["delivered", "late", "conflated", "lost"]].sum(axis=1)
    assert (fates == trials["updates_due"]).all()
    assert (trials["lost"] == 0).all()
    assert (trials["duplicate"] == 0).all()


def test_nothing_fires_on_a_sound_trial_of_any_transport_but_what_a_busy_machine_brings_about(whole: Ended) -> None:
    for name, transport in good(whole)[["trial", "transport"]].itertuples(index=False):
        figures, verdict = judge(whole.folder / "trials" / name)
        assert [each for each in verdict.reasons if not is_noise(each.name)] == [], transport
        for column in ("reordered", "foreign", "client_errors"):
            assert figures.row[column] == 0, (transport, column)
        if transport != "mine":   # of a server of the user's own less is known
            assert figures.row["lost_on_the_way"] == 0, transport
            assert set(verdict.not_assessed) <= {
                "not-steady", "littles-law", "polls-late", "host-throttled"}, transport


def test_a_run_leaves_its_summary_its_reports_and_no_process(whole: Ended) -> None:
    summary = pd.read_csv(whole.folder / "summary.csv")
    assert [label for label in summary["transport"] if label != "silent"] == [*transports.own_names(), "mine"]
    assert set(SUMMARY.split()) <= set(summary.columns)
    assert (whole.folder / "report.html").stat().st_size > 10_000
    assert (whole.folder / "report.md").is_file()
    assert whole.left == []


def test_a_trial_has_all_its_tables_and_what_each_process_used(whole: Ended) -> None:
    for name in good(whole)["trial"]:
        tables = {table: trial_record.read_table(whole.folder / "trials" / name, table)
                  for table in trial_record.TABLES}
        assert tables["clients"].num_rows == 4
        assert all(len(symbols) == 2 for symbols in tables["clients"]["symbols"].to_pylist())
        processes = set(tables["samples"]["process"].to_pylist())
        assert processes == {"server", "load", "publisher"}
        record = trial_record.read_trial(whole.folder / "trials" / name)
        assert all(used.cpu_ns for used in record.usage.values())


def test_all_cells_of_a_block_get_the_same_ticks(whole: Ended) -> None:
    feeds = []
    for name in good(whole)["trial"]:
        feed = trial_record.read_table(whole.folder / "trials" / name, "feed").to_pandas()
        record = trial_record.read_json(whole.folder / "trials" / name / "trial.json")
        feeds.append(list(zip(feed["symbol"], feed["due_ns"] - record["windows"]["warmup_ns"], strict=True)))
    assert len(feeds) == len(transports.own_names()) + 1
    assert all(feed == feeds[0] for feed in feeds)


def test_a_server_of_the_users_own_is_measured_by_the_same_clients(whole: Ended) -> None:
    mine = whole.trials[whole.trials["transport"] == "mine"].iloc[0]
    assert mine["status"] == "finished"
    assert mine["delivered"] == mine["updates_due"] - mine["late"] - mine["conflated"] > 0


def test_a_server_that_never_answers_is_a_failed_trial_and_its_last_words_are_told(whole: Ended) -> None:
    failed = whole.trials[whole.trials["transport"] == "silent"].iloc[0]
    assert failed["failure"] == "server-died"
    assert "│ no configuration here" in whole.said
    why = whole.said.splitlines()[-1]
    assert "no valid trial: " in why
    assert "silent, block 1" in why
    assert "no configuration here" in (whole.folder / "report.md").read_text()


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of every transport in which the clients send; the exchange of the first trial is killed in the middle."""
    runner = Runner(tmp_path_factory.mktemp("chat"), CHAT)
    process = runner.run()
    wait_for(lambda: sum(map(published_in, runner.results.glob("latest/trials/*/feed.*.log"))) > 5)
    runner.process("bench.uplink.exchange").kill()
    return Ended(*runner.end_of(process, (0, 1)), runner.mark.left_after())


def test_every_message_and_every_delivery_is_accounted_for_on_every_transport(chat: Ended) -> None:
    trials = chat.trials
    assert sorted(trials["transport"]) == sorted(transports.own_names())
    assert set(trials["status"]) == {"finished"}
    assert chat.left == []
    fates = trials[["uplinks_unsent", "uplinks_sent", "uplinks_refused", "uplinks_accepted"]].sum(axis=1)
    assert (fates == trials["uplinks_due"]).all()
    assert (trials[["uplinks_unexplained", "foreign", "duplicate"]] == 0).all(axis=None)
    assert (trials["updates_due"] == 2 * trials["uplinks_accepted"]).all(), "each room has two clients"
    undisturbed = trials.iloc[1:]
    assert (undisturbed["uplinks_accepted"] == undisturbed["uplinks_due"]).all()
    assert (undisturbed["lost"] == 0).all()
    assert (undisturbed["uplink_sent_p50_ms"] < undisturbed["uplink_numbered_p50_ms"]).all()
    assert (undisturbed["uplink_numbered_p50_ms"] < undisturbed["round_trip_p50_ms"]).all()
    assert (undisturbed["payload_bytes_up_per_update"] > 0).all()


def test_messages_that_meet_a_killed_exchange_are_sent_again_and_come_at_most_once(chat: Ended) -> None:
    first = chat.trials.iloc[0]
    folder = chat.folder / "trials" / first["trial"]
    assert trial_record.read_trial(folder).publisher["lives"] == 2
    tables = {name: trial_record.read_table(folder, name).to_pandas() for name in ("uplinks", "feed", "deliveries")}
    assert first["uplinks_repeated"] > 0
    assert first["uplinks_unsent"] == first["uplinks_refused"] == 0, "an author goes on until the trial ends"
    assert len(tables["feed"]["epoch"].dropna().unique()) == 2
    assert not tables["deliveries"].duplicated(["client", "index"]).any()


def test_a_run_that_is_killed_at_any_moment_leaves_no_process_and_can_be_completed(runner: Runner) -> None:
    """Killed as a publisher, a server and a load have started and while it measures; resumed each time."""
    process = runner.run("load.clients=[2,3]")
    wait_for(lambda: len(list(runner.results.glob("*/trials/*/trial.json"))) >= 1)
    run = (runner.results / "latest").resolve()
    moments: list[Callable[[], object]] = [
        *(partial(runner.process, program) for program in PROGRAMS), lambda: wait_for(runner.spawned)]
    for moment in moments:
        moment()
        process.kill()
        process.communicate()
        assert runner.mark.left_after() == []
        process = runner.start("run", "--resume", str(run), "--json", "--force")
    folder, trials, _ = runner.end_of(process, (0, 1))
    planned = [each["name"] for each in trial_record.read_json(run / "manifest.json")["plan"]]
    assert folder == run
    assert list(trials["trial"]) == planned
    assert set(trials["status"]) == {"finished"}
    broken = {name: len(list((run / "broken").glob(f"*-{name}"))) for name in planned}
    assert sum(broken.values()) >= 1   # a finished trial of a block that was interrupted
    assert list(trials["attempt"]) == [1 + broken[name] for name in planned]


@dataclass(frozen=True)
class Interrupted:
    """A run that was interrupted, and a second one that was started meanwhile."""

    status: int
    said: str
    left: list[psutil.Process]
    pid: int
    second_status: int
    second_said: str


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    runner = Runner(tmp_path_factory.mktemp("interrupted"), PUSHED)
    process = runner.run("windows.measure_s=30")
    runner.process(PROGRAMS[0])
    second = runner.run()
    _, second_said = second.communicate(timeout=60)
    runner.process(PROGRAMS[1])
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    return Interrupted(process.returncode, said, runner.mark.left_after(), process.pid, second.returncode, second_said)


def test_ctrl_c_leaves_no_process_and_says_how_to_go_on(interrupted: Interrupted) -> None:
    assert interrupted.status == 130
    assert f"tickertape run --resume {Path('results')}" in interrupted.said
    assert interrupted.left == []


def test_a_second_run_on_the_machine_is_refused(interrupted: Interrupted) -> None:
    assert interrupted.second_status == 2
    assert f"process {interrupted.pid}" in interrupted.second_said


@pytest.fixture(scope="module")
def bereft(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of three trials, of which the first loses its server and the second its load."""
    runner = Runner(tmp_path_factory.mktemp("bereft"), PUSHED)
    process = runner.run("load.clients=[2,3,4]")
    for ended, program in enumerate(PROGRAMS[1:]):
        wait_for(lambda: len(list(runner.results.glob("latest/trials/*/trial.json"))) == ended)   # noqa: B023
        wait_for(runner.spawned)
        runner.process(program).kill()
    return Ended(*runner.end_of(process, (1,)), runner.mark.left_after())


@pytest.mark.parametrize(("place", "reason", "verdict"), [
    (0, "server-died", "ABORTED"), (1, "load-died", "INVALID"),
])
def test_a_process_that_is_killed_fails_its_trial_and_the_run_goes_on(
    bereft: Ended, place: int, reason: str, verdict: str
) -> None:
    assert list(bereft.trials["status"]) == ["failed", "failed", "finished"]
    failed = bereft.trials.iloc[place]
    assert failed["verdict"] == verdict
    assert failed["failure"] == reason
    record = trial_record.read_trial(bereft.folder / "trials" / failed["trial"])
    assert record.detail is not None
    assert "ended by itself with status 137" in record.detail
    assert "All users spawned" in record.detail
    assert reason in bereft.said
    assert verdict in bereft.said


def published_in(log: Path) -> int:
    """Return how many ticks a publisher's log says were sent."""
    content = log.read_bytes()
    whole = content[:len(content) // RECORD.size * RECORD.size]
    return sum(sent_ns != 0 for sent_ns, _, _ in RECORD.iter_unpack(whole))


def test_a_publisher_that_is_killed_is_started_again_and_its_gap_makes_the_trial_invalid(runner: Runner) -> None:
    process = runner.run("feed.rate_per_s=500", "windows.warmup_s=0.3", "windows.measure_s=2")
    wait_for(runner.spawned)
    folder = next(runner.results.glob("latest/trials/*"))
    wait_for(lambda: sum(published_in(log) for log in folder.glob("feed.*.log")) > 200)   # past the warm-up's
    runner.process(PROGRAMS[0]).kill()
    run, trials, _ = runner.end_of(process, (1,))
    hurt = trials.iloc[0]
    assert hurt["status"] == "finished"
    assert hurt["verdict"] == "INVALID"
    assert "unpublished" in hurt["reasons"]
    record = trial_record.read_trial(run / "trials" / hurt["trial"])
    assert record.publisher["lives"] == 2
    feed = trial_record.read_table(run / "trials" / hurt["trial"], "feed").to_pandas()
    assert feed["epoch"].nunique() == 2
    assert feed["seq"].isna().any()
