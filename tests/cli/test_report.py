"""`report`: an exit status that says if the run is whole, and if it meets its thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import manifests
import pytest
from swept_runs import swept_run
from synthetic import Plan, make_run
from typer.testing import CliRunner, Result

from bench import cli
from bench.records import manifest

pytestmark = pytest.mark.usefixtures("few_figures")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tickertape(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), env={"COLUMNS": "80"})


def test_a_report_of_a_whole_run_ends_with_0_and_one_that_lacks_trials_with_1(tmp_path: Path) -> None:
    make_run(tmp_path / "whole", Plan(clients=(5,), trials=2, measure_s=0.5))
    make_run(tmp_path / "failed", Plan(clients=(5,), trials=2, measure_s=0.5, failed=("1-1",)))
    whole, failed = tickertape("report", "whole", "--json"), tickertape("report", "failed")
    assert whole.exit_code == 0, whole.stderr
    said = json.loads(whole.stdout)
    assert (said["verdicts"], len(said["cells"])) == ({"VALID": 6}, 3)
    assert Path(said["report"]).is_file()
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].startswith("1 of 6 places has no valid trial: ")
    assert "Trials: 5 VALID, 1 ABORTED" in failed.stdout


def test_a_run_at_another_rate_is_shown_beside_and_one_of_another_sweep_is_a_mistake(tmp_path: Path) -> None:
    swept_run(tmp_path / "at-40", trials=1)
    swept_run(tmp_path / "at-20", 20.0, trials=1)
    both = tickertape("report", "at-40", "--beside", "at-20")
    assert both.exit_code == 0, both.stderr
    assert "20 and 40 ticks/s" in " ".join(both.stdout.split())
    again = tickertape("report", "at-40", "--beside", "at-40")
    assert again.exit_code == 2
    assert "feed.rate_per_s: found 40" in again.stderr.replace("\n", " ")


def test_a_broken_threshold_ends_with_3_and_is_named_everywhere(tmp_path: Path) -> None:
    make_run(tmp_path / "run", Plan(clients=(5,), trials=3, measure_s=0.5, failed=("1-1",)))
    broken = "websocket.latency_mean_ms <= 0.001"
    result = tickertape("report", "run", "--require", broken, "--require", "lost == 0 at 5")
    assert result.exit_code == 3
    *_, lacks, last = result.stderr.splitlines()
    assert "has no valid trial" in lacks
    assert last.startswith(f"Status 3, 1 broken of 4 thresholds: {broken} at 5, found ")
    places = [(tmp_path / "run" / name).read_text() for name in ("report.md", "report.html")]
    assert f"Broken: {broken} at 5, found" in result.stdout
    assert f"- **broken**: {broken} at 5, found" in places[0]
    assert f'<b class="broken">broken</b>: {broken.replace("<", "&lt;")} at 5, found' in places[1]
    for text, panel in zip(places, ("\n| ", 'class="panel"'), strict=True):
        assert text.index("in each of 3 cells") < text.index(panel), "before the figures"
    again = tickertape("report", "run", "--json")
    assert (again.exit_code, "thresholds" in json.loads(again.stdout)) == (1, False), "it was for that report alone"


def test_an_open_threshold_counts_as_the_run_began_with(tmp_path: Path) -> None:
    for counts, status in (("fail", 3), ("pass", 0)):
        run = make_run(tmp_path / counts, Plan(clients=(5,), trials=1, measure_s=0.5))
        asked = {"require": ["websocket.latency_mean_ms <= 50"], "open": counts}
        manifest.write(run, manifests.changed(manifest.read(run), thresholds=asked))
        result = tickertape("report", counts, "--json")
        assert result.exit_code == status
        verdict, = json.loads(result.stdout)["thresholds"]
        assert (verdict["verdict"], verdict["failed"], verdict["valid_trials"]) == ("open", counts == "fail", 1)
        assert f"open, which {counts}" in (run / "report.md").read_text()


@pytest.mark.parametrize(("text", "sentence"), [
    ("websocket.lost == 0 at 7", "found 7 clients, allowed is one of load.clients = [5]"),
    ("nobody.lost == 0", "found the subject 'nobody', allowed is one of short_polling, long_polling, websocket"),
])
def test_a_threshold_that_the_run_cannot_decide_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    make_run(tmp_path / "run", Plan(clients=(5,), trials=1, measure_s=0.5))
    result = tickertape("report", "run", "--require", text)
    assert (result.exit_code, result.stderr) == (2, f"--require: '{text}': {sentence}\n")
