"""`run`: what a plan shows, and what is refused before anything is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench import cli
from bench.experiment.requirements import Resources


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def test_a_plan_and_a_resumed_run_do_not_go_together() -> None:
    assert tickertape("run", "--plan", "--resume", "x").exit_code == 2


def test_what_would_be_ignored_when_resuming_is_refused() -> None:
    for more in (("--set", "seed=2"), ("--feed", "x.csv"), ("--columns", "price=p"), ("--require", "lost == 0")):
        result = tickertape("run", "--resume", "x", *more)
        assert result.exit_code == 2
        assert result.stderr.startswith("x: --resume goes on with the run's own scenario; --set, --feed")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("sets", [
    ("windows.measure_s=80000", "feed.rate_per_s=900000"), ("transports.short_polling.interval_s=1e9",),
    ("feed.schedule=bursty", "feed.bursty.branching_ratio=0.99999999", "feed.bursty.decay_s=3600"),
])
def test_what_cannot_fit_is_refused_before_it_is_drawn(sets: tuple[str, ...]) -> None:
    given = [word for each in ("server.tape_ticks=10000000", *sets) for word in ("--set", each)]
    result = tickertape("run", "quick", "--plan", *given)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_a_plan_shows_cells_and_needs_and_runs_nothing(tmp_path: Path) -> None:
    result = tickertape("run", "quick", "--plan", "--set", "load.clients=[7]")
    assert result.exit_code == 0
    assert result.stdout.count("websocket 7") == 3
    for what in ("time", "disk", "memory", "open files", "ports"):
        assert what in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scenario", ["quick", "capacity"])
def test_a_plan_as_json(scenario: str) -> None:
    result = tickertape("run", scenario, "--plan", "--json")
    said = json.loads(result.stdout)
    assert said["needs"]["files"] > 50
    assert said["here"]["memory_bytes"] > 0
    assert len(said["blocks"]) == (3 if scenario == "quick" else 0)
    assert (said["search"] is None) == (scenario == "quick")
    if scenario == "quick":
        assert {"transport": "websocket", "clients": 100} in said["blocks"][0]


def test_a_plan_of_a_file_says_what_is_read_and_what_a_trial_needs(tmp_path: Path) -> None:
    (tmp_path / "trades (1).csv").write_text("t,symbol,price,size\n" + "".join(
        f"{1704067200 + at},BTC/USD,1,{at}\n" for at in range(900)))
    asked = ("run", "quick", "--feed=trades (1).csv", "--columns", "timestamp=t", "--set",
             "feed.replay.speed=10.0",
             "--plan")
    result = tickertape(*asked)
    assert "The file has 900 trades, of which a trial needs " in result.stdout
    assert json.loads(tickertape(*asked, "--json").stdout)["trades"]["of_the_file"] == 900
    assert tickertape("run", "quick", "--columns", "timestamp=t", "--plan").exit_code == 2


def test_a_plan_says_when_an_open_ended_run_ends() -> None:
    result = tickertape("run", "quick", "--plan", "--set", "trials.until=p99 +- 10 %",
                        "--set", "trials.count_max=6")
    told = " ".join(result.stdout.split())
    assert "After block 3 the run ends as soon as p99 ± 10 %, at the latest after block 6." in told
    assert "12 to 24" in told


@pytest.mark.parametrize(("verb", "arguments", "sentence"), [
    ("run", ("quick", "--require", "sse.p99 <= 5"), "--require: 'sse.p99 <= 5': found the measure 'p99', "),
    ("simulate", ("quick", "--require", "fast"), "--require: 'fast': found no threshold, allowed is "),
    ("run", ("quick", "--set", "thresholds.require=['lost == 0 at 7']"), "thresholds.require: found 7 clients"),
    ("run", ("capacity", "--require", "lost == 0"), "found a threshold together with [capacity], allowed is "),
])
def test_a_threshold_that_nothing_could_decide_is_refused_before_anything_is_made(
    tmp_path: Path, verb: str, arguments: tuple[str, ...], sentence: str
) -> None:
    result = tickertape(verb, *arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_fit_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Resources, "read", classmethod(lambda cls, results: Resources(10**12, 10**12, 50, None)))
    result = tickertape("run", "quick")
    assert result.exit_code == 2
    assert "open files in one process, and this machine has 50" in result.stderr
    assert list(tmp_path.iterdir()) == []
