"""The loop of a search: steps until the capacity limits are found, resumed where it was, refused where it can't be."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import manifests
import pytest

from bench.audit.detectors import Reason, Verdict
from bench.errors import ScenarioError
from bench.experiment import capacity_search, plan, run_folder
from bench.experiment.run_folder import RunFolder
from bench.experiment.trial import trial
from bench.experiment.trial.trial import TrialSettings
from bench.records.manifest import PlannedTrial
from bench.records.trial_record import TrialRecord, read_trial, write_trial
from bench.scenario.model import Scenario
from bench.stats.run.limit_search import SearchStep

CARRIES = {"one": 45, "other": 150}
"""Clients that each of two imagined transports carries; from 100 on, the generator is at its end."""


def scenario_of(**capacity_table: Any) -> Scenario:
    return Scenario.model_validate({
        "question": "?", "load": {"clients": [7]},
        "transports": {label: {"transport": "websocket"} for label in CARRIES},
        "capacity": {"start": 10, "most": 1000, "precision": 0.3} | capacity_table,
    })


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    scenario = scenario_of()
    assert plan.trials(scenario) == []
    return run_folder.create(
        tmp_path, scenario, [], name="x", scenario_file=tmp_path / "x.toml",
        options=plan.options_of_all(scenario, "x"), command=[],
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Trials that are made at once; (subject, clients, seed) of each."""
    trials: list[tuple[str, int, int]] = []

    def make(settings: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
        assert settings.scenario.load.clients == (planned.clients,)
        assert not folder.exists()
        trials.append((planned.subject, planned.clients, planned.seed))
        record = TrialRecord(
            planned.name, planned.block, planned.position, planned.subject, planned.transport,
            planned.clients, planned.seed, attempt=attempt, took_s=1.0, rate_per_s=10.0,
        )
        write_trial(folder, record)
        return record

    def judge(folder: Path) -> Any:
        record = read_trial(folder)
        latency = 1.0 if record.clients <= CARRIES[record.subject] else 99.0
        row = {"latency_p99_ms": latency, "latency_p50_ms": latency, "lost": 0, "delivered": 1,
               "updates_due": 1, "kernel_latency_p99_ms": latency, "shared_read_share": 0.0,
               "requests": 10, "load_cpu_cores": 0.99 if record.clients >= 100 else 0.3}
        too_many = (Reason("generator-busy", "load_cpu_cores is 0.99", "lower it"),)
        verdict = Verdict("INVALID", too_many) if record.clients >= 100 else Verdict("VALID")
        return SimpleNamespace(row=row), verdict

    monkeypatch.setattr(trial, "make", make)
    monkeypatch.setattr(capacity_search, "judge", judge)
    return trials


def test_steps_are_made_until_the_limits_are_found(run: RunFolder, made: list[tuple[str, int, int]]) -> None:
    said: list[str] = []
    capacity_search.execute(run, said.append)
    one, other = ([clients for subject, clients, _ in made if subject == who] for who in CARRIES)
    assert one[:4] == [10, 20, 40, 80]
    # At 100 the generator is at its end: no failure of the other, so nothing of it is tried there again.
    assert other == [10, 20, 40, 80, 160, 113, 95]
    told = next(line for line in said if line.startswith("one: carries "))
    assert re.fullmatch(r"one: carries 4\d clients \(3\d to 5\d\), by \d+ steps", told)
    assert "other: carries at least 95 clients: at 113 the measuring side reached its limit" in said
    assert any("INVALID" in line and "bound, kernel_latency_p99_ms 99.0]" in line for line in said)
    assert sorted(path.name for path in (run.folder / "trials").iterdir())[:3] == [
        "001-one-10", "002-other-10", "003-one-20"]


def test_a_search_that_runs_out_of_time_says_what_it_knows(
    run: RunFolder, made: list[tuple[str, int, int]]
) -> None:
    said: list[str] = []
    short = replace(run, manifest=manifests.changed(run.manifest, capacity={"time_s": 9.0}))
    capacity_search.execute(short, said.append)
    assert len(made) == 9
    assert said[-1] == "other: carries at least 80 clients; more was not tried"
    assert said[-2].startswith("one: carries ")


def test_a_result_in_words_says_no_more_than_its_steps() -> None:
    capacity = scenario_of().capacity
    assert capacity is not None
    assert capacity_search.limit_text([], capacity) == "was not tried: the time of the search was over before"
    void = SearchStep("one", 40, "void", 1.0)
    assert capacity_search.limit_text([void], capacity).startswith("no step counted, at 40 clients: the measuring side")
    steps = [*(SearchStep("one", level, "held", 1.0) for level in (10, 20, 40)),
             *(SearchStep("one", level, "broke", 1.0) for level in (40, 80)), void]
    assert capacity_search.limit_text(steps, capacity).endswith("), by 5 steps")   # a void one says nothing


def test_tries_differ_and_transports_do_not(run: RunFolder, made: list[tuple[str, int, int]]) -> None:
    capacity_search.execute(run, lambda _: None)
    seeds = {subject: {clients: [seed for who, count, seed in made if (who, count) == (subject, clients)]
                       for clients in (10, 20, 40)} for subject in CARRIES}
    assert seeds["one"][20] == seeds["other"][20]
    repeated = [seeds for subject, count in {(subject, count) for subject, count, _ in made}
                if len(seeds := [seed for who, level, seed in made if (who, level) == (subject, count)]) > 1]
    assert repeated
    assert all(len(set(each)) == len(each) for each in repeated)


@pytest.mark.parametrize("after", [0, 1, 5, 8])
def test_an_interrupted_search_goes_on_where_it_was(
    run: RunFolder, made: list[tuple[str, int, int]], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trial.make

    def interrupted(settings: TrialSettings, planned: PlannedTrial, folder: Path, attempt: int) -> TrialRecord:
        if len(made) == after:
            (folder / "logs").mkdir(parents=True)
            raise KeyboardInterrupt
        return whole(settings, planned, folder, attempt)

    monkeypatch.setattr(trial, "make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        capacity_search.execute(run, lambda _: None)
    monkeypatch.setattr(trial, "make", whole)
    capacity_search.execute(run_folder.resume(run.folder, None, force=True), lambda _: None)
    resumed = list(made)
    shutil.rmtree(run.folder / "trials")
    made.clear()
    capacity_search.execute(run, lambda _: None)
    assert resumed == made


def test_the_rate_can_be_raised_instead() -> None:
    scenario = scenario_of(raised="rate_per_s")
    step = capacity_search.at_level(scenario, 40)
    assert (step.feed.rate_per_s, step.load.clients) == (40.0, (7,))
    costliest = capacity_search.at_most(scenario)
    assert (costliest.feed.rate_per_s, costliest.capacity) == (1000.0, None)
    assert len(plan.trials(costliest)) > 0
    plain = scenario.model_copy(update={"capacity": None})
    assert capacity_search.at_most(plain) is plain


RATE = {"raised": "rate_per_s"}


@pytest.mark.parametrize(("table", "changes", "told"), [
    ({"objective": "speed <= 50"}, {}, "capacity.objective: found speed, allowed is a column"),
    ({"objective": "transport <= 50"}, {}, "capacity.objective: found transport, allowed is a column"),
    ({"most": 9}, {}, "capacity.most: found 9, allowed is at least capacity.start = 10"),
    (RATE, {"load": {"clients": [1, 2]}}, "load.clients: found \\[1, 2\\], allowed is one count"),
    (RATE, {"feed": {"schedule": "replay", "replay": {"file": "x"}}}, "clients, where a file"),
    (RATE | {"most": 10**6}, {"transports": {"a": {"transport": "short_polling"}}}, "buffer_ticks"),
])
def test_a_search_without_an_answer_is_refused(
    table: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    data = scenario_of(**table).model_dump(mode="json")
    scenario = Scenario.model_validate(data | changes)
    with pytest.raises(ScenarioError, match=told):
        capacity_search.check(scenario, plan.options_of_all(scenario, "x"), "x")
