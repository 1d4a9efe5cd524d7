"""A run is read from its raw records, or from what was condensed of them; both are the same run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from simulated_runs import made
from synthetic import Plan, make_run

from bench.errors import RunError
from bench.records import trial_record
from bench.report import RunData, open_run
from bench.report.data.run import write_condensed


def test_every_trial_is_a_row(run: RunData) -> None:
    assert len(run.trials) == 4 * 3 * 2
    assert set(run.trials["verdict"]) == {"VALID"}
    assert run.transports == ("short_polling", "long_polling", "websocket")
    assert run.clients == (10, 30)
    assert len(run.summary) == 6


def test_failed_trials_are_rows_and_in_no_cell(troubled: RunData) -> None:
    failed = troubled.trials[troubled.trials["verdict"] == "ABORTED"]
    assert len(failed) == 2
    assert set(failed["failure"]) == {"server-ended"}
    assert failed["reasons"].str.startswith("server-ended").all()
    assert troubled.summary["valid_trials"].sum() == 22
    assert troubled.summary["trials"].sum() == 24


def test_without_the_raw_records_it_is_the_same_run(tmp_path: Path) -> None:
    copy = make_run(tmp_path / "run", Plan(trials=2, clients=(2, 4), failed=("1-1",)))
    raw = open_run(copy)
    write_condensed(raw)
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    for path in copy.glob("trials/*/*.parquet"):
        path.unlink()
    condensed = open_run(copy)
    pd.testing.assert_frame_equal(raw.trials, condensed.trials)
    pd.testing.assert_frame_equal(raw.summary, condensed.summary)
    write_condensed(condensed)
    after = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    assert before == after


def test_condensed_files_hold_failures_and_losses_too(troubled: RunData) -> None:
    write_condensed(troubled)
    read = pd.read_csv(troubled.folder / "summary.csv").set_index(["transport", "clients"])
    assert read.loc[("lossy", 60), "latency_p99_ms"] == float("inf")


@pytest.mark.parametrize(("name", "field"), [("storm", "backlog"), ("crossover", "workers")])
def test_a_run_without_trials_says_where_its_answer_is(
    tmp_path: Path, folder: Path, name: str, field: str
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["scenario"][name] = {field: 60}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=rf"\[{name}\], which has no trials; its answer is in .*report\.html"):
        open_run(tmp_path)


def test_what_is_no_run_is_said(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RunError, match=r"manifest\.json: no such file"):
        open_run(tmp_path)
    shutil.copy(folder / "manifest.json", tmp_path)
    with pytest.raises(RunError, match="no trial has been finished"):
        open_run(tmp_path)
    for trial in trial_record.trial_folders(folder)[:1]:
        (tmp_path / "trials" / trial.name).mkdir(parents=True)
        shutil.copy(trial / "trial.json", tmp_path / "trials" / trial.name)
    with pytest.raises(RunError, match=r"neither raw deliveries nor trials\.csv"):
        open_run(tmp_path)


def test_a_run_of_which_a_part_is_gone_is_refused(tmp_path: Path) -> None:
    copy = make_run(tmp_path / "run", Plan(trials=1, clients=(2,)))
    write_condensed(open_run(copy))
    gone = trial_record.trial_folders(copy)[1] / "deliveries.parquet"
    gone.unlink()
    with pytest.raises(RunError, match=f"{gone.parent.name}/deliveries.parquet: no such file, while other"):
        open_run(copy)


@pytest.mark.parametrize(("name", "content"), [
    ("trials.csv", b""), ("trials.csv", b"a,b\n1,2\n"), ("trials.csv", b"\xff\x00"),
    ("trials.csv", b"trial,block,position,attempt,transport,clients,verdict\nx,one,1,1,a,1,VALID\n"),
    ("distributions.parquet", b"garbage"), ("timelines.parquet", b"PAR1"),
])
def test_condensed_files_that_are_none_are_refused(
    tmp_path: Path, name: str, content: bytes
) -> None:
    copy = make_run(tmp_path / "condensed", Plan(trials=1, clients=(2,)), raw=False)
    (copy / name).write_bytes(content)
    with pytest.raises(RunError, match=name):
        open_run(copy)


def test_text_among_the_numbers_beside_a_run_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path).folder / "validation.csv"
    pd.read_csv(path).astype({"load": object}).assign(load=["0.1", "busy"]).to_csv(path, index=False)
    with pytest.raises(RunError, match=r"validation\.csv: column load: found 'busy', allowed are numbers"):
        open_run(path.parent)
    pd.read_csv(path).drop(columns="load").to_csv(path, index=False)
    with pytest.raises(RunError, match=r"validation\.csv: column load: found none"):
        open_run(path.parent)
