"""The code that `calibrate` and `validate` share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthetic import Plan, make_run

from bench.cli import series
from bench.errors import HostError, RunError, UserError
from bench.experiment import prepare
from bench.experiment import series as shared
from bench.records import manifest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("resume", "given", "sentence"), [
    (None, {"force": True, "results": None}, "--force: found without --resume"),
    (Path("x"), {"force": False, "results": Path("y")}, "--results: found with --resume"),
])
def test_an_option_without_effect_is_refused(resume: Path | None, given: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        series.refuse_idle_options(resume, **given)   # type: ignore[arg-type]
    series.refuse_idle_options(resume, force=resume is not None, results=None)


def test_costs_are_those_of_one_host(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, Plan(trials=1, clients=(2,))) for name in ("one", "other")]
    said = manifest.read(runs[1])
    manifest.write(runs[1], said.model_copy(update={"host": {**said.host, "cpu_model": "another"}}))
    with pytest.raises(RunError, match="host: found 2 different ones, allowed is one"):
        series.costs_of(runs)


def test_what_this_machine_cannot_run_is_refused(tmp_path: Path) -> None:
    small, huge = (prepare.read("quick", [f"load.clients=[{clients}]"]) for clients in (2, 900_000))
    assert series.checked([small], tmp_path) == [small]
    with pytest.raises(HostError):
        series.checked([small, huge], tmp_path)


@pytest.mark.parametrize(("verb", "folders", "said", "minutes"), [
    ("calibrate", ["calibration"], "about a quarter of an hour", 15),
    ("validate", ["calibration", "validation"], "about forty minutes", 40),
])
def test_the_times_that_help_and_docs_name_are_those_of_the_plans(
        verb: str, folders: list[str], said: str, minutes: int, tmp_path: Path) -> None:
    asked = [each for folder in folders for each in (*shared.questions(folder), *shared.searches(folder))]
    planned_s = sum(prepare.refuse_unless_fits(each, tmp_path).time_s for each in asked)
    assert 0.75 < planned_s / 60 / minutes < 1.33
    lines = [line for name in ("README.md", "Makefile", "docs/simulation.md", f"bench/cli/{verb}.py")
             for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    timed = [line for line in lines if re.search(r"about [a-z ]+ (minutes|hour)", line)
             and re.search(rf"{verb}\b|Takes", line)]
    assert len(timed) >= 2
    assert all(said in line for line in timed)
