"""The notebooks run from top to bottom on a run, and hold no output: `explore` with and without raw
deliveries, `predict` with and without a validation."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from priced import priced
from synthetic import Plan, make_run

from bench.report import build
from bench.simulation.calibration import costs
from bench.stats.run import prediction
from bench.stats.run.prediction import ValidationRow

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "walked", Plan(trials=3, clients=(5, 10)))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with costs of this host."""
    monkeypatch.setenv("TICKERTAPE_RESULTS", str(tmp_path))
    here = replace(priced(), host_name=platform.node())
    costs.write_costs(tmp_path / f"costs-{costs.host_slug()}.json", here)
    return tmp_path


def executed(name: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that the notebook printed and showed, as one text."""
    monkeypatch.setenv("TICKERTAPE_RUN", str(run))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute(cwd=str(FOLDER))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    return "\n".join(str(output.get("data", output.get("text"))) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_explore_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("explore.ipynb", folder, monkeypatch)
    assert "walked" in shown
    assert shown.count("image/png") == 5
    assert "Lowest median latency" in shown
    build(folder)
    for raw in folder.glob("trials/*/*.parquet"):
        raw.unlink()
    assert "without its raw deliveries" in executed("explore.ipynb", folder, monkeypatch)


def test_predict_runs(folder: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("predict.ipynb", folder, monkeypatch)
    assert "walked" in shown
    assert "costs measured on" in shown
    assert "These costs have not been validated" in shown
    assert shown.count("image/png") == 4
    (results / "20261101T120000Z-validation").mkdir()
    rows = [ValidationRow(label, 500, 0.3, quantity, 10.0, 10.5, 0.05, 0.04, 0.06, goal, "no")
            for label in ("short_polling", "long_polling", "websocket")
            for quantity, goal in (("server_cpu_us_per_update", 0.1), ("bytes_per_update", 0.02))]
    prediction.table(rows).to_csv(results / "20261101T120000Z-validation" / "validation.csv", index=False)
    assert executed("predict.ipynb", folder, monkeypatch).count("image/png") == 5
