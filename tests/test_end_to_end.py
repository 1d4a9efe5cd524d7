"""A whole run with its real processes: every update accounted for, and things broken on purpose."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from bench.feed.log import RECORD
from bench.records import trial_record
from bench.report import open_run

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

TRANSPORTS = ("short_polling", "long_polling", "websocket")
TINY = """
question = "Does everything arrive?"
[feed]
rate_per_s = 40.0
symbols = 3
[load]
clients = [4]
[windows]
warmup_s = 0.3
measure_s = 0.8
[trials]
count = 1
repeats = 0
[transports.short_polling]
interval_s = 0.1
[transports.long_polling]
[transports.websocket]
"""
SMALLER = TINY.replace("[transports.short_polling]\ninterval_s = 0.1\n[transports.long_polling]\n", "")
"""One transport, for what is the same with all of them."""
SUMMARY = """
transport clients trials valid_trials updates_due delivered late conflated lost duplicate latency_mean_ms
latency_p50_ms latency_p90_ms latency_p99_ms latency_p999_ms kernel_latency_p50_ms kernel_latency_p99_ms
age_mean_ms age_excess_mean_ms requests_per_update bytes_up_per_update bytes_down_per_update
server_cpu_us_per_update server_rss_bytes_per_client
"""
PROGRAMS = {"publisher": "bench.feed.publisher", "server": "bench.transports", "load": "locust"}


class Runner:
    """`tickertape` as a user starts it, in a folder of its own."""

    def __init__(self, folder: Path, mark: Any) -> None:
        self.folder = folder
        self.mark = mark
        (folder / "tmp").mkdir()
        self.scenario = folder / "tiny.toml"
        self.scenario.write_text(TINY)
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

    def finished(self, *overrides: str, among: tuple[int, ...] = (0, 1)) -> tuple[Path, pd.DataFrame, str]:
        """The run's folder, its trials, and what was said on stderr."""
        return self.end_of(self.run(*overrides), among)

    def end_of(
        self, process: subprocess.Popen[str], among: tuple[int, ...]
    ) -> tuple[Path, pd.DataFrame, str]:
        out, said = process.communicate(timeout=240)
        assert process.returncode in among, said
        folder = self.folder / json.loads(out)["run"]
        return folder, open_run(folder).trials, said

    def process(self, words: str) -> psutil.Process:
        """The process, not its guard, whose command line contains `words`; waited for."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [each for each in self.mark.alive() if words in _command_line(each)]
            return bool(found)

        wait_for(look)
        return found[0]

    def log(self, name: str) -> str:
        """What the newest trial's process has printed."""
        logs = self.results.glob(f"latest/trials/*/logs/{name}.log")
        newest = max(logs, key=lambda path: path.stat().st_mtime, default=None)
        return newest.read_text() if newest else ""


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
def runner(tmp_path: Path, mark: Any) -> Runner:
    return Runner(tmp_path, mark)


def test_every_update_is_accounted_for_on_every_transport(runner: Runner) -> None:
    folder, trials, _ = runner.finished()
    assert sorted(trials["transport"]) == sorted(TRANSPORTS)
    assert set(trials["status"]) == {"finished"}
    assert (trials["updates_due"] > 0).all()
    fates = trials[["delivered", "late", "conflated", "lost"]].sum(axis=1)
    assert (fates == trials["updates_due"]).all()
    assert (trials["lost"] == 0).all()
    assert (trials["duplicate"] == 0).all()
    summary = pd.read_csv(folder / "summary.csv")
    assert list(summary["transport"]) == list(TRANSPORTS)
    assert set(SUMMARY.split()) <= set(summary.columns)
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "report.md").is_file()
    assert runner.mark.left_after() == []


def test_the_kinds_of_trial_files_are_all_there(runner: Runner) -> None:
    folder, trials, _ = runner.finished('load.mode="latest"', "load.symbols_per_client=2")
    for name in trials["trial"]:
        tables = {table: trial_record.read_table(folder / "trials" / name, table)
                  for table in trial_record.TABLES}
        assert tables["clients"].num_rows == 4
        assert all(len(symbols) == 2 for symbols in tables["clients"]["symbols"].to_pylist())
        processes = set(tables["samples"]["process"].to_pylist())
        assert processes == {"server", "load", "publisher"}
        record = trial_record.read_trial(folder / "trials" / name)
        assert all(used.cpu_ns for used in record.usage.values())
    assert (trials["lost"] == 0).all()


def test_all_cells_of_a_block_get_the_same_ticks(runner: Runner) -> None:
    folder, trials, _ = runner.finished()
    feeds = []
    for name in trials["trial"]:
        table = trial_record.read_table(folder / "trials" / name, "feed").to_pandas()
        warmup_ns = trial_record.read_json(folder / "trials" / name / "trial.json")["windows"]["warmup_ns"]
        feeds.append(list(zip(table["symbol"], table["due_ns"] - warmup_ns, strict=True)))
    assert feeds[0] == feeds[1] == feeds[2]


@pytest.mark.parametrize("moment", ["publisher", "server", "load", "measuring"])
def test_a_killed_runner_leaves_nothing_and_its_run_is_completed(runner: Runner, moment: str) -> None:
    runner.scenario.write_text(SMALLER)
    process = runner.run("trials.count=2", "load.clients=[2,3]")
    wait_for(lambda: len(list(runner.results.glob("*/trials/*/trial.json"))) >= 1)
    if moment == "measuring":
        wait_for(lambda: "All users spawned" in runner.log("load"))
    else:
        runner.process(PROGRAMS[moment])
    process.kill()
    process.communicate()
    assert runner.mark.left_after() == []
    run = (runner.results / "latest").resolve()
    planned = [each["name"] for each in trial_record.read_json(run / "manifest.json")["plan"]]
    resumed = runner.start("run", "--resume", str(run), "--json", "--force")
    folder, trials, _ = runner.end_of(resumed, (0, 1))
    assert folder == run
    assert list(trials["trial"]) == planned
    assert set(trials["status"]) == {"finished"}
    broken = [name for name in planned if (run / "broken" / f"1-{name}").exists()]
    assert list(trials["trial"][trials["attempt"] == 2]) == broken


def test_ctrl_c_leaves_nothing_and_says_how_to_go_on(runner: Runner) -> None:
    runner.scenario.write_text(SMALLER)
    process = runner.run()
    runner.process("bench.transports")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"tickertape run --resume {Path('results')}" in said
    assert runner.mark.left_after() == []


@pytest.mark.parametrize(("program", "reason", "verdict"), [
    ("bench.transports", "server-died", "ABORTED"), ("locust", "load-died", "INVALID"),
])
def test_a_process_that_is_killed_fails_its_trial_and_the_run_goes_on(
    runner: Runner, program: str, reason: str, verdict: str
) -> None:
    runner.scenario.write_text(SMALLER)
    process = runner.run("load.clients=[2,3]")
    wait_for(lambda: "All users spawned" in runner.log("load"))
    runner.process(program).kill()
    folder, trials, said = runner.end_of(process, (1,))
    assert list(trials["verdict"][trials["status"] == "failed"]) == [verdict]
    assert list(trials["status"]).count("finished") == 1
    failed = trials[trials["status"] == "failed"].iloc[0]
    assert failed["failure"] == reason
    record = trial_record.read_trial(folder / "trials" / failed["trial"])
    assert record.detail is not None
    assert "ended by itself with status 137" in record.detail
    assert "All users spawned" in record.detail
    assert reason in said
    assert verdict in said


def published_in(log: Path) -> int:
    """Return how many ticks a publisher's log says were sent."""
    content = log.read_bytes()
    whole = content[:len(content) // RECORD.size * RECORD.size]
    return sum(sent_ns != 0 for sent_ns, _, _ in RECORD.iter_unpack(whole))


def test_a_publisher_that_is_killed_is_started_again_and_its_gap_is_told(runner: Runner) -> None:
    runner.scenario.write_text(SMALLER)
    process = runner.run("feed.rate_per_s=500", "windows.warmup_s=0.3", "windows.measure_s=2")
    wait_for(lambda: "All users spawned" in runner.log("load"))
    folder = next(runner.results.glob("latest/trials/*"))
    wait_for(lambda: sum(published_in(log) for log in folder.glob("feed.*.log")) > 200)   # past the warm-up's
    runner.process("bench.feed.publisher").kill()
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


FOREIGN = """
import json, sys
from pathlib import Path
from bench.transports.__main__ import main
config = {"transport": "long_polling", "port": int(sys.argv[1]), "feed": {"port": int(sys.argv[2])}}
path = Path(sys.argv[3])
path.write_text(json.dumps(config))
raise SystemExit(main([str(path)]))
"""


def test_a_server_of_the_users_own_is_measured_by_the_same_clients(runner: Runner) -> None:
    (runner.folder / "mine.py").write_text(FOREIGN)
    runner.scenario.write_text(TINY.replace("[transports.short_polling]\ninterval_s = 0.1", "") + f"""
[transports.mine]
transport = "long_polling"
[transports.mine.server]
command = ["{sys.executable}", "mine.py", "{{port}}", "{{feed_port}}", "mine.json"]
ready = "http://127.0.0.1:{{port}}/health"
""")
    _, trials, _ = runner.finished()
    mine = trials[trials["transport"] == "mine"].iloc[0]
    assert mine["status"] == "finished"
    assert mine["delivered"] == mine["updates_due"] > 0


def test_a_server_that_never_answers_is_a_failed_trial_and_its_last_words_are_told(runner: Runner) -> None:
    runner.scenario.write_text(TINY.replace("interval_s = 0.1", """interval_s = 0.1
[transports.short_polling.server]
command = ["sh", "-c", "echo no configuration here; exit 3"]
ready = "http://127.0.0.1:{port}/"
"""))
    folder, trials, said = runner.finished(among=(1,))
    failed = trials[trials["transport"] == "short_polling"].iloc[0]
    assert failed["failure"] == "server-died"
    assert "│ no configuration here" in said
    why = said.splitlines()[-1]
    assert "no valid trial: " in why
    assert "short_polling, block 1" in why
    assert "no configuration here" in (folder / "report.md").read_text()
    assert list(trials["status"]).count("finished") == 2


def test_a_second_run_on_the_machine_is_refused(runner: Runner) -> None:
    runner.scenario.write_text(SMALLER)
    process = runner.run()
    runner.process("bench.feed.publisher")
    second = runner.run()
    _, said = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"process {process.pid}" in said
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
