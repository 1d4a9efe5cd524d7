"""The notebooks run from top to bottom on a run, hold no output, and need one import of the project.

Each runs once: what they show where something is missing is tested with the functions that they call.
"""

from __future__ import annotations

import ast
import platform
import re
from dataclasses import replace
from pathlib import Path

import outlook
import pytest
from priced import priced
from synthetic import Plan, make_run

from bench import open_run
from bench.simulation.calibration import costs
from bench.stats.run import prediction
from bench.stats.run.prediction import ValidationRow

FOLDER = Path(__file__).parents[2] / "notebooks"
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
    """Return all that the notebook printed and showed, as one text."""
    import nbformat  # here, since both workers collect this file, and one of them needs Jupyter, which takes seconds
    from nbclient import NotebookClient

    monkeypatch.setenv("TICKERTAPE_RUN", str(run))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute(cwd=str(FOLDER))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    return "\n".join(str(output.get("data", output.get("text"))) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_imports_one_name_of_the_project(path: Path) -> None:
    import nbformat

    source = "\n".join(cell["source"].replace("%matplotlib", "#") for cell in nbformat.read(path, as_version=4).cells
                       if cell["cell_type"] == "code")
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    ours = [ast.unparse(node) for node in imported if "bench" in ast.unparse(node)]
    assert ours == ["from bench import open_run"]


def test_the_table_of_pages_has_the_columns_that_its_cell_names(folder: Path) -> None:
    """Which runs only where a browser was a client."""
    named = re.search(r"page_delays\.set_index\(\[(.*?)\]\)", (FOLDER / "explore.ipynb").read_text())
    assert named is not None
    assert {each.strip(" \\\"") for each in named[1].split(",")} <= set(open_run(folder).page_delays.columns)


@pytest.mark.process
@pytest.mark.slow
def test_explore_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("explore.ipynb", folder, monkeypatch)
    assert "walked" in shown
    assert shown.count("image/png") == 5
    assert "Median latency: WebSocket" in shown
    assert "'50%'" in shown or "50%" in shown   # of the raw deliveries


@pytest.mark.process
@pytest.mark.slow
def test_predict_runs(folder: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (results / "20261101T120000Z-validation").mkdir()
    rows = [ValidationRow(label, 500, 0.3, quantity, 10.0, 10.5, 0.05, 0.04, 0.06, goal, "no")
            for label in ("short_polling", "long_polling", "websocket")
            for quantity, goal in (("server_cpu_us_per_update", 0.1), ("bytes_per_update", 0.02))]
    prediction.table(rows).to_csv(results / "20261101T120000Z-validation" / "validation.csv", index=False)
    shown = executed("predict.ipynb", folder, monkeypatch)
    assert "walked" in shown
    assert "costs measured on" in shown
    assert "6 values were checked" in shown
    assert "For 20,000 clients with 1 update per second each, within 1 s, 80 ms away: " in shown
    assert shown.count("image/png") == 6


def test_costs_that_nobody_checked_have_no_errors(results: Path) -> None:
    assert outlook.checked(outlook.open_costs()) == []
    assert outlook.errors_table([]).empty
