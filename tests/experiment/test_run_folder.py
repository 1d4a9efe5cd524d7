"""A run's folder: what is frozen in it, and what resuming refuses, clears and keeps."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunError
from bench.experiment import plan, run_folder
from bench.experiment.run_folder import Commit, RunFolder
from bench.feed.replay import read
from bench.feed.schedule import make
from bench.feed.trade_store import Trades
from bench.records.manifest import FileEntry, PlannedTrial, SubjectEntry
from bench.records.trial_record import TrialRecord, read_json, trial_folders, write_json, write_trial
from bench.scenario.fields import Table
from bench.scenario.model import Scenario

TABLE: dict[str, Any] = {
    "question": "?", "trials": {"count": 2}, "load": {"clients": [1, 2]}, "transports": {"a": {}},
}


@pytest.fixture(autouse=True)
def commit(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, Commit("c0ffee", False))


def at(monkeypatch: pytest.MonkeyPatch, commit: Commit) -> None:
    monkeypatch.setattr(Commit, "read", classmethod(lambda cls: commit))


def begun(results: Path, scenario: Scenario | None = None, trades: Trades | None = None) -> RunFolder:
    scenario = scenario or Scenario.model_validate(TABLE)
    return run_folder.create(
        results, scenario, plan.trials(scenario), name="tiny", scenario_file=results / "tiny.toml",
        options={"a": Table()}, command=["run", "tiny"], trades=trades,
    )


def finish(run: RunFolder, planned: PlannedTrial, **changes: Any) -> None:
    write_trial(run.trial_folder(planned), TrialRecord(
        planned.name, planned.block, planned.position, planned.subject, planned.transport, planned.clients,
        planned.seed, attempt=run.attempt(planned), **changes,
    ))


@pytest.mark.parametrize(("server", "name"), [
    (None, "library"), ({"command": ["x", "{port}"], "ready": "http://127.0.0.1:{port}/"}, "own")])
def test_a_plan_from_before_there_was_a_choice_of_servers_has_the_scenarios(
    tmp_path: Path, server: object, name: str
) -> None:
    run = begun(tmp_path, Scenario.model_validate({**TABLE, "transports": {"a": {"server": server}}}))
    assert {planned.server for planned in run.plan} == {name}
    manifest = read_json(run.folder / "manifest.json")
    for planned in manifest["plan"]:
        del planned["server"]
    manifest["scenario"]["transports"]["a"]["server"] = server   # null where there was none of the user's own
    write_json(run.folder / "manifest.json", manifest)
    again = run_folder.resume(run.folder, None, force=False)
    assert {planned.server for planned in again.plan} == {name}


def test_a_run_is_read_back_as_it_was_frozen(tmp_path: Path) -> None:
    run = begun(tmp_path)
    again = run_folder.resume(tmp_path / "latest", None, force=False)
    scenario = Scenario.model_validate(TABLE)
    assert again.scenario == scenario
    assert again.plan == plan.trials(scenario) == run.plan
    assert (again.manifest.commit, again.manifest.seed) == ("c0ffee", 1)
    assert (again.manifest.digest, again.manifest.question) == (scenario.digest(), "?")
    assert again.manifest.subjects == {"a": SubjectEntry(transport="a", options={}, external=False)}
    assert again.manifest.host["cores"]


def test_the_newest_run_is_the_latest(tmp_path: Path) -> None:
    first, second = begun(tmp_path), begun(tmp_path)
    assert first.folder != second.folder
    assert (tmp_path / "latest").resolve() == second.folder.resolve()


@pytest.mark.parametrize(("is_folder", "what"), [(True, "folder"), (False, "file")])
def test_what_is_not_our_link_to_the_latest_run_stays(tmp_path: Path, is_folder: bool, what: str) -> None:
    mine = tmp_path / "latest"
    if is_folder:
        mine.mkdir()
    else:
        mine.write_text("mine")
    with pytest.raises(RunError, match=f"latest: found a {what}, allowed is nothing, or the link"):
        begun(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 20)])
def test_a_path_that_no_run_fits_below_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="--results: ") as caught:
        begun(tmp_path / name)
    assert len(str(caught.value)) < 250
    assert list(tmp_path.iterdir()) == []


def test_a_results_folder_that_is_read_only_is_a_mistake_and_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match="no folder can be made there: Read-only file system"):
        begun(tmp_path)


def test_a_run_that_stopped_between_blocks_loses_nothing(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for planned in run.plan[:2]:
        finish(run, planned)
    run = run_folder.resume(run.folder, None, force=False)
    assert [run.is_done(planned) for planned in run.plan] == [True, True, False, False]
    assert not (run.folder / "broken").exists()


def test_a_broken_block_is_run_again_whole(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for planned in run.plan[:3]:
        finish(run, planned)
    half = run.trial_folder(run.plan[3])
    half.mkdir()
    (half / "feed.parquet").write_text("half")
    run = run_folder.resume(run.folder, None, force=False)
    assert [run.is_done(planned) for planned in run.plan] == [True, True, False, False]
    assert not half.exists()
    aside = run.folder / "broken" / f"1-{run.plan[2].name}"
    assert read_json(aside / "trial.json")["attempt"] == 1
    assert [run.attempt(planned) for planned in run.plan] == [2, 2, 2, 1]
    for planned in run.plan[2:]:
        finish(run, planned)
    assert [folder.name for folder in trial_folders(run.folder)] == [planned.name for planned in run.plan]


def test_a_block_may_break_more_than_once(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for attempt in (1, 2, 3):
        assert run.attempt(run.plan[0]) == attempt
        finish(run, run.plan[0])
        run = run_folder.resume(run.folder, None, force=False)
    assert sorted(path.name[0] for path in (run.folder / "broken").iterdir()) == ["1", "2", "3"]


def test_a_failed_trial_is_done(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for planned in run.plan[:2]:
        finish(run, planned, status="failed", reason="server-died")
    run = run_folder.resume(run.folder, None, force=False)
    assert all(run.is_done(planned) for planned in run.plan[:2])


@pytest.mark.parametrize("found", [Commit("decaf", False), Commit("c0ffee", True), Commit(None, None)])
def test_another_commit_is_refused_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Commit
) -> None:
    run = begun(tmp_path)
    at(monkeypatch, found)
    with pytest.raises(RunError, match=r"the commit: found .* allowed is c0ffee, as the run began"):
        run_folder.resume(run.folder, None, force=False)
    run = run_folder.resume(run.folder, None, force=True)
    assert [each.what for each in run.manifest.resumed[-1].differences] == ["the commit"]


def test_another_scenario_is_refused_unless_told(tmp_path: Path) -> None:
    run = begun(tmp_path)
    other = Scenario.model_validate(TABLE | {"seed": 2})
    with pytest.raises(RunError, match=r"the scenario, seed: found 2, allowed is 1, as the run began"):
        run_folder.resume(run.folder, other, force=False)
    assert run_folder.resume(run.folder, other, force=True).scenario == run.scenario
    run_folder.resume(run.folder, run.scenario, force=False)


@pytest.fixture
def replayed(tmp_path: Path) -> Scenario:
    trades = tmp_path / "trades.csv"
    trades.write_text("timestamp,symbol,price,size\n1704067200,A/B,1.5,1\n1704067201,B,2.5,1\n")
    asked = {"file": str(trades), "start": "1704067201", "speed": 2.0, "columns": {"symbol": "symbol"}}
    return Scenario.model_validate(TABLE | {"feed": {"schedule": "replay", "replay": asked}})


def test_a_run_keeps_the_trades_that_it_replays(tmp_path: Path, replayed: Scenario) -> None:
    """So it reads the file once, and goes on though the source, such as a pipe, is gone."""
    trades = read(replayed.feed.replay)
    run = begun(tmp_path, replayed, trades)
    Path(replayed.feed.replay.file).unlink()
    again = run_folder.resume(run.folder, replayed, force=False)
    assert again.manifest.scenario == replayed
    kept = again.scenario.feed.replay
    assert (kept.file, kept.speed, kept.start) == (str(run.folder / "trades.arrow"), 2.0, None)
    first, second = (make(replayed.feed, 1, 9.0, 1.0, each) for each in (trades, read(kept)))
    assert first.offset_ns.tolist() == second.offset_ns.tolist()
    assert first.offset_ns[-2:].tolist() == [500_000_000, 1_000_000_000]   # the opening before
    assert first.symbols == second.symbols == ("A/B", "B")
    file, trades_kept = run.manifest.feed_file, run.manifest.trades
    assert file is not None
    assert trades_kept is not None
    assert file.sha256 != trades_kept.sha256


def test_trades_of_a_pipe_are_told_by_their_content(tmp_path: Path, replayed: Scenario) -> None:
    run = begun(tmp_path, replayed, replace(read(replayed.feed.replay), sha256="ab"))
    assert run.manifest.feed_file == FileEntry(file=replayed.feed.replay.file, sha256="ab")


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), "found another content"),
    (lambda path: path.unlink(), "can't be read: No such file"),
])
def test_kept_trades_that_are_not_those_of_the_run_are_refused(
    tmp_path: Path, replayed: Scenario, spoil: Callable[[Path], object], said: str
) -> None:
    run = begun(tmp_path, replayed, read(replayed.feed.replay))
    spoil(run.folder / "trades.arrow")
    with pytest.raises(RunError, match=f"trades.arrow: {said}"):
        run_folder.resume(run.folder, None, force=True)


def test_another_content_of_the_feed_file_is_refused(tmp_path: Path) -> None:
    trades = tmp_path / "trades.csv"
    trades.write_text("1")
    replayed = TABLE | {"feed": {"schedule": "replay", "replay": {"file": str(trades)}}}
    run = begun(tmp_path, Scenario.model_validate(replayed))
    run_folder.resume(run.folder, None, force=False)
    trades.write_text("2")
    with pytest.raises(RunError, match="feed file's content"):
        run_folder.resume(run.folder, None, force=False)
    trades.unlink()
    with pytest.raises(RunError, match=r"trades\.csv: feed.replay.file can't be read: No such file"):
        run_folder.resume(run.folder, None, force=False)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is this a run's folder"):
        run_folder.resume(tmp_path, None, force=False)


def test_the_commit_is_gits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(run_folder, "PROJECT", tmp_path)
    assert Commit.read() == Commit(None, None)


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300])
def test_results_that_are_no_folder_are_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"--results: "):
        begun(tmp_path / place)
