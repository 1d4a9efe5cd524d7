"""The notebooks run from top to bottom on a run, with and without its raw deliveries, and hold no output."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from synthetic import Plan, make_run

from bench.report import build

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "walked", Plan(trials=3, clients=(5, 10)))


def executed(path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that the notebook printed and showed, as one text."""
    monkeypatch.setenv("TICKERTAPE_RUN", str(run))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute(cwd=str(path.parent))
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed(path, folder, monkeypatch)
    assert "walked" in shown
    assert shown.count("image/png") == 5
    assert "Lowest median latency" in shown
    build(folder)
    for raw in folder.glob("trials/*/*.parquet"):
        raw.unlink()
    assert "without its raw deliveries" in executed(path, folder, monkeypatch)
