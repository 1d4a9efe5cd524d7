"""A simulated run: the plan of a measured one, on disk, resumable, always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from priced import priced_file

from bench import transports
from bench.errors import RunError, ScenarioError
from bench.experiment import plan, prepare, run_folder
from bench.experiment.progress import Lines, Reporter
from bench.experiment.run_folder import RunFolder
from bench.records import trial_record
from bench.report.data.run import open_run
from bench.simulation import run as runs
from bench.simulation.calibration.costs import read_costs

SMALL = ("load.clients=[12]", "windows.measure_s=1.0", "trials.count=2")


def begun(folder: Path, *overrides: str, name: str = "quick") -> RunFolder:
    question = prepare.read(name, [*(SMALL if name == "quick" else ()), *overrides])
    costs = priced_file(folder)
    return run_folder.create(
        folder / "results", question.scenario, plan.trials(question.scenario), name=question.name,
        scenario_file=question.file, options=question.options, command=[],
        source="simulated", costs=runs.about_costs(costs, read_costs(costs)),
    )


def made(run: RunFolder, reporter: type[Lines] = Lines) -> pd.DataFrame:
    runs.execute(run, reporter, processes=1)
    return open_run(run.folder).trials


def figures(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.drop(columns=["attempt"])


def test_it_is_the_plan_of_a_measured_run_and_always_the_same(tmp_path: Path) -> None:
    one, other = made(begun(tmp_path)), made(begun(tmp_path))
    question = prepare.read("quick", SMALL)
    planned = plan.trials(question.scenario)
    assert one["trial"].tolist() == [each.name for each in planned]
    assert one["seed"].tolist() == [each.seed for each in planned]
    assert set(one["source"]) == {"simulated"}
    assert set(one["verdict"]) == {"VALID"}
    pd.testing.assert_frame_equal(one, other)


def test_messages_need_costs_and_one_worker(tmp_path: Path) -> None:
    chat = prepare.read("use-cases/chat", ["simulation.workers=2"])
    with pytest.raises(ScenarioError, match=r"simulation\.workers: found 2, allowed is 1 where feed\.source"):
        runs.refuse_unless_simulable(chat.scenario, chat.options, "chat.toml")
    known = read_costs(priced_file(tmp_path))
    assert known.of("websocket", {}, "library").kind.transport == "websocket"
    with pytest.raises(RunError, match=r"costs\.message_s: found none of websocket, needed is one where"):
        known.of("websocket", {}, "library", takes_messages=True)
    assert read_costs(priced_file(tmp_path, messages=True)).of("websocket", {}, "library", takes_messages=True)


def test_an_interrupted_run_ends_as_it_would_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(Lines):
        def trial_ends(self, *arguments: Any, **named: Any) -> None:
            super().trial_ends(*arguments, **named)
            if self._done == 4:
                raise KeyboardInterrupt

    run = begun(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        runs.execute(run, Interrupted, processes=1)
    assert len(trial_record.trial_folders(run.folder)) == 4
    resumed = run_folder.resume(run.folder, None, force=True, source="simulated")
    assert "[6/6]" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(figures(made(resumed)), figures(made(begun(tmp_path))))


def test_costs_that_are_others_than_it_began_with_are_refused(tmp_path: Path) -> None:
    run = begun(tmp_path)
    (tmp_path / "costs-nowhere.json").write_text("{}")
    with pytest.raises(RunError, match="the costs file: found another content"):
        runs.execute(run, Lines, processes=1)


def test_a_search_finds_limits_by_simulated_steps(tmp_path: Path) -> None:
    run = begun(
        tmp_path, "capacity.start=200", "capacity.most=100000",
        "capacity.objective=kernel_latency_p99_ms <= 30", "windows.measure_s=1.0", "capacity.precision=0.5",
        "transports={websocket={}}", name="capacity")
    told: list[str] = []
    runs.search(run, told.append, processes=1)
    found = open_run(run.folder).capacity_limits
    assert found is not None
    assert found["found"].all()
    limit = int(found["clients"].iloc[0])
    # 16 µs per client and tick of 90 bytes: 30 ms are full with about two thousand clients.
    assert 200 < limit < 4000
    assert found["limit_low"].iloc[0] < limit * 1.1 < 1.1 * found["limit_high"].iloc[0]
    assert told[-1].startswith("websocket: carries ")


@pytest.mark.parametrize(("override", "sentence"), [
    ('transports.websocket.server={command=["x"], ready="http://127.0.0.1:1/"}', "a server of your own"),
    ("feed.rate_per_s=900000", "at most 10,000,000 ticks a trial"),
])
def test_what_can_not_be_simulated_is_refused(override: str, sentence: str) -> None:
    question = prepare.read("quick", [
        "server.tape_ticks=10000000", "server.slow_client.buffer_ticks=10000000", "windows.measure_s=60.0",
        override])
    with pytest.raises(ScenarioError, match=sentence):
        runs.refuse_unless_simulable(question.scenario, question.options, "my.toml")
    with pytest.raises(ScenarioError, match="a trial of 20,000,000 of the file's trades"):
        runs.refuse_unless_simulable(prepare.read("quick").scenario, {}, "my.toml", 20_000_000)


def test_a_browser_is_measured_and_not_simulated() -> None:
    question = prepare.read("browser")
    with pytest.raises(ScenarioError, match=r"client: found 'browser', allowed is 'locust': .* not simulated"):
        runs.refuse_unless_simulable(question.scenario, question.options, "my.toml")


def test_what_a_bar_is_told(tmp_path: Path) -> None:
    parts: list[tuple[int, int]] = []

    class Watching(Lines):
        def part_ends(self, done: int, parts_of: int) -> None:
            parts.append((done, parts_of))

    def watching(done: int, total: int) -> Reporter:
        return Watching(done, total)

    runs.execute(begun(tmp_path, "simulation.workers=3", "simulation.rtt_ms=5.0", "trials.count=1"), watching,
                 processes=1)
    assert parts == [(1, 3), (2, 3)] * len(transports.own_names())
