"""The report: self-contained, the same every time, with all of its parts, from the files alone."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import Plan, make_run

from bench.report import RunData, build
from bench.report.figures.run import COMPARED
from bench.report.pages.run import FILES
from bench.report.text import findings

PLAN = Plan(trials=2, clients=(10,))
VOID = {"meta", "br", "use", "path", "rect", "image", "link", "hr", "img"}


class Checker(HTMLParser):
    """Counts what is open, and what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        target = values.get("src") or values.get("href") or values.get("xlink:href") or ""
        self.fetched += [target] if target and not target.startswith("#") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("built") / folder.name
    shutil.copytree(folder, copy)
    build(copy)
    return copy


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file() and "trials/" not in str(path)}


def test_the_same_files_give_the_same_bytes_and_so_do_the_condensed_ones_alone(built: Path, tmp_path: Path) -> None:
    before = files(built)
    assert {"report.html", "report.md", "trials.csv", "summary.csv"} <= set(before)
    copy = tmp_path / built.name
    shutil.copytree(built, copy)
    for path in copy.glob("trials/*/*.parquet"):
        path.unlink()
    build(copy)
    assert files(copy) == before


def test_the_page_needs_nothing_but_itself(built: Path) -> None:
    text = (built / "report.html").read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert set(checker.fetched) <= set(FILES)
    assert all((built / name).is_file() for name in checker.fetched)
    assert len(checker.ids) == len(set(checker.ids))
    assert text.count("<script") == 1
    assert "@import" not in text
    assert not re.search(r"\bstyle=|\bon[a-z]+=", text.partition("<script")[0])


def test_both_reports_hold_the_findings_and_all_figures(built: Path, run: RunData) -> None:
    html, markdown = ((built / name).read_text() for name in ("report.html", "report.md"))
    for finding in findings.findings(run):
        assert finding.lead in markdown
        assert all(sentence in markdown for sentence in finding.rest)
    for spec in COMPARED:
        assert f'id="{spec.name}"' in html
        assert spec.caption_of(run) in markdown
        assert (built / "figures" / f"{spec.name}.svg").read_text().startswith("<svg")
        assert f"(figures/{spec.name}.svg)" in markdown


def test_the_markdowns_tables_are_tables(built: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", (built / "report.md").read_text(), re.MULTILINE)
    assert len(blocks) >= 4
    for block in blocks:
        rows = block.strip().splitlines()
        assert re.fullmatch(r"\|( --- \|)+", rows[1])
        assert len({row.count(" |") - row.count("\\|") for row in rows}) == 1


@pytest.mark.usefixtures("few_figures")
def test_what_went_wrong_is_told(troubled: RunData) -> None:
    build(troubled.folder)
    html = (troubled.folder / "report.html").read_text()
    assert "2 ABORTED" in html
    assert "It said: boom" in html
    assert "simulated, not measured" in html
    assert "cannot be separated" in html


@pytest.mark.usefixtures("few_figures")
def test_scenarios_are_quoted_not_obeyed(tmp_path: Path) -> None:
    copy = make_run(tmp_path / "hostile", PLAN, raw=False)
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace("How fast", "<script>alert(1)</script>"))
    build(copy)
    assert "<script>alert" not in (copy / "report.html").read_text()


@pytest.mark.usefixtures("few_figures")
@pytest.mark.parametrize("kept", [
    ("websocket-10",), ("short_polling-30",), ("websocket-10", "long_polling-30"),
])
def test_an_unfinished_run_has_a_report_of_what_is_there(
    folder: Path, tmp_path: Path, kept: tuple[str, ...]
) -> None:
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    for trial in (copy / "trials").iterdir():
        if not trial.name.startswith("1-") or not trial.name.endswith(kept):
            shutil.rmtree(trial)
    manifest = json.loads((copy / "manifest.json").read_text())
    planned = [
        {"name": f"{block}-{place}", "block": block, "position": place, "subject": "websocket",
         "transport": "websocket", "clients": 10, "seed": 1}
        for block in range(1, 5) for place in range(1, 7)]
    (copy / "manifest.json").write_text(json.dumps(manifest | {"plan": planned}))
    run = build(copy)
    assert len(run.trials) == len(kept)
    assert not run.finished
    assert run.lacks == f"{24 - len(kept)} of 24 places have no trial yet: the run is not finished"
    assert "of 24 planned: the run is not finished" in (copy / "report.md").read_text()


@pytest.mark.usefixtures("few_figures")
def test_the_report_says_what_changed_where_a_run_was_resumed(tmp_path: Path) -> None:
    copy = make_run(tmp_path / "resumed", PLAN, raw=False)
    manifest = json.loads((copy / "manifest.json").read_text())
    resumed = [{"at": "2026-01-01T00:00:00Z", "differences": []},
               {"at": "2026-01-02T00:00:00Z", "differences": [{"what": "the commit", "found": "decaf"}]}]
    (copy / "manifest.json").write_text(json.dumps(manifest | {"resumed": resumed}))
    build(copy)
    for name in ("report.md", "report.html"):
        text = (copy / name).read_text()
        assert "Interrupted and resumed" in text
        assert "2026-01-01T00:00:00Z" in text
        assert "decaf" in text
