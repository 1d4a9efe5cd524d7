"""The files that come with the package, in a clone and in a wheel that is built and installed elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench import shipped

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", [
    "scenarios/quick.toml", "results/reference-costs.json", "results/reference-validation/validation.csv",
    "results/reference/manifest.json",
])
def test_a_clone_has_what_is_shipped_where_it_is_edited(name: str) -> None:
    assert shipped.path(name) == ROOT / name
    assert shipped.path(name).is_file()


def test_the_first_page_answers_as_the_reference_report_does() -> None:
    report = (ROOT / "results" / "reference" / "report.md").read_text(encoding="utf-8")
    found = re.search(r"^\*\*(?P<answer>.+) –\*\* with (?P<conditions>.+)$", report, re.MULTILINE)
    assert found is not None
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"> {found['answer']}." in readme
    assert found["conditions"] in readme


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files alone, beside which only the dependencies can be imported."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
                   cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def tickertape(site: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "80", "TMPDIR": str(folder)}   # a lock of its own
    code = "import sys; from bench.cli import main; sys.argv[0] = 'tickertape'; main()"
    return subprocess.Popen([sys.executable, "-P", "-c", code, *arguments], cwd=folder, env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.process
def test_a_wheel_has_every_scenario_and_template_of_the_clone(installed: Path) -> None:
    copied = installed / "bench" / "_shipped" / "scenarios"
    for ending in ("j2", "css", "js", "html", "svg"):   # reports have templates, the live page has modules
        assert {path.relative_to(installed) for path in (installed / "bench").rglob(f"*.{ending}")
                if "_shipped" not in path.parts} == {
            path.relative_to(ROOT) for path in (ROOT / "bench").rglob(f"*.{ending}")}
    assert {path.relative_to(copied) for path in copied.rglob("*.toml")} == {
        path.relative_to(ROOT / "scenarios") for path in (ROOT / "scenarios").rglob("*.toml")}


@pytest.mark.process
def test_an_installed_wheel_measures_and_simulates_from_an_empty_folder(
        installed: Path, tmp_path: Path) -> None:
    small = ("--set", "trials.count=1", "--set", "load.clients=[3]", "--set", "transports={websocket={}}")
    once = ("--set", "trials.repeats=0", "--set", "windows.idle_s=0.0", "--set", "windows.warmup_s=0.7", "--set",
            "windows.measure_s=0.5")
    for verb, source, more in (("run", "measured", once), ("simulate", "simulated", ())):
        ended = tickertape(installed, tmp_path, verb, "quick", *small, *more, "--results", verb)
        _, said = ended.communicate(timeout=100)
        assert ended.returncode in (0, 1), said   # on a busy machine a measured trial may be INVALID
        manifest = json.loads((tmp_path / verb / "latest" / "manifest.json").read_text())
        assert manifest.get("source", "measured") == source
        assert (tmp_path / verb / "latest" / "report.html").is_file()


@pytest.mark.process
def test_an_installed_wheel_serves_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    serving = tickertape(installed, tmp_path, "serve", "quick")
    try:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        assert line, serving.communicate(timeout=30)[1]
    finally:
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=60)
